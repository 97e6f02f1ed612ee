// The spec's `accounts` in /etc/passwd and /etc/group.
#include <algorithm>

#include "builder/build/copy.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::Code;

namespace {

// Without `gid`: the group of the user's name, if the spec has one, else the uid.
uint32_t gid_of(const spec::AccountUser& user, const spec::Spec& spec) {
  if (user.gid) return *user.gid;
  for (const spec::AccountGroup& group : spec.groups)
    if (group.name == user.name) return group.gid;
  return user.uid;
}

tree::User user_of(const spec::AccountUser& user, const spec::Spec& spec) {
  return {user.name,
          user.uid,
          gid_of(user, spec),
          user.gecos,
          user.home.value_or("/home/" + user.name),
          user.shell.value_or("/sbin/nologin")};
}

// The spec's groups, and one for each user whose primary group is not named anywhere.
std::vector<tree::Group> groups_of(const spec::Spec& spec, const tree::Accounts& there) {
  std::vector<tree::Group> groups;
  for (const spec::AccountGroup& group : spec.groups)
    groups.push_back({group.name, group.gid, group.members});
  const auto has = [&](uint32_t gid, const std::string& name) {
    const auto same = [&](const tree::Group& group) { return group.gid == gid || group.name == name; };
    return std::any_of(groups.begin(), groups.end(), same) ||
           std::any_of(there.groups.begin(), there.groups.end(), same);
  };
  for (const spec::AccountUser& user : spec.users)
    if (!has(gid_of(user, spec), user.name)) groups.push_back({user.name, gid_of(user, spec), {}});
  return groups;
}

tree::Accounts accounts_of(const tree::FileTree& tree) {
  tree::Accounts there = tree::read_accounts(tree);
  const tree::Accounts defaults = tree::default_accounts();
  if (tree.find(tree.resolve("etc/passwd", true)) == nullptr) there.users = defaults.users;
  if (tree.find(tree.resolve("etc/group", true)) == nullptr) there.groups = defaults.groups;
  return there;
}

// Adds lines to a file of the tree, which is made from `start` if it is not there.
void append(Target& target, const std::string& path, const std::string& start, const std::string& lines) {
  const std::string real = target.tree.resolve(path, true);
  const tree::Node* node = target.tree.find(real);
  std::string text = node == nullptr ? start : tree::read_content(node->content, uint64_t{1} << 20U);
  if (!text.empty() && !text.ends_with('\n')) text.push_back('\n');
  text += lines;
  tree::Node changed = tree::file_node(tree::inline_content(text), target.mtime);
  if (node != nullptr) {
    changed.mode = node->mode;
    changed.uid = node->uid;
    changed.gid = node->gid;
  }
  target.tree.put(real, std::move(changed), target.mtime);
  if (target.written != nullptr) target.written->insert(real);
}

}  // namespace

tree::Accounts all_accounts(const tree::FileTree& tree, const project::SpecFile& file) {
  tree::Accounts all = accounts_of(tree);
  const std::vector<tree::Group> groups = groups_of(file.spec, all);
  for (const spec::AccountUser& added : file.spec.users) {
    const tree::User user = user_of(added, file.spec);
    for (const tree::User& there : all.users)
      if ((there.name == user.name || there.uid == user.uid) &&
          (there.name != user.name || there.uid != user.uid))
        project::fail_at(file, added.position, Code::failed,
                         fmt::format("cannot add the user {} with uid {}: the base has {} with uid {}",
                                     user.name, user.uid, there.name, there.uid));
    const auto same = [&](const tree::User& there) { return there.name == user.name; };
    if (std::none_of(all.users.begin(), all.users.end(), same)) all.users.push_back(user);
  }
  for (const tree::Group& group : groups) {
    const auto same = [&](const tree::Group& there) { return there.name == group.name; };
    const auto there = std::find_if(all.groups.begin(), all.groups.end(), same);
    if (there != all.groups.end() && there->gid != group.gid)
      project::fail_at(file, {1, 1}, Code::failed,
                       fmt::format("cannot add the group {} with gid {}: the base has it with gid {}",
                                   group.name, group.gid, there->gid));
    if (there == all.groups.end()) all.groups.push_back(group);
  }
  return all;
}

void apply_accounts(const spec::Spec& spec, Target& target) {
  if (!spec.has_accounts) return;
  const tree::Accounts there = accounts_of(target.tree);
  const tree::Accounts all = all_accounts(target.tree, target.file);
  const tree::Accounts defaults = tree::default_accounts();
  const std::vector<tree::User> users(all.users.begin() + static_cast<std::ptrdiff_t>(there.users.size()),
                                      all.users.end());
  const std::vector<tree::Group> groups(all.groups.begin() + static_cast<std::ptrdiff_t>(there.groups.size()),
                                        all.groups.end());
  append(target, "etc/passwd", tree::write_passwd(defaults.users), tree::write_passwd(users));
  append(target, "etc/group", tree::write_group(defaults.groups), tree::write_group(groups));
}

}  // namespace minibuild::build
