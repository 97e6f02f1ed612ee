#include "minibuild/tree/accounts.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {

namespace {

std::vector<std::vector<std::string>> read_lines(const FileTree& tree, const char* path, size_t fields) {
  std::vector<std::vector<std::string>> lines;
  const Node* node = tree.find(tree.resolve(path, true));
  if (node == nullptr || node->type != NodeType::file) return lines;
  for (const std::string& line : base::split(read_content(node->content, uint64_t{1} << 20U), '\n')) {
    std::vector<std::string> parts = base::split(line, ':');
    if (parts.size() == fields && !parts[0].empty()) lines.push_back(std::move(parts));
  }
  return lines;
}

std::optional<uint32_t> id_of(const std::string& text) {
  const auto value = base::parse_number(text, max_id);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

uint32_t checked_id(const std::string& text) {
  const auto id = id_of(text);
  if (!id) base::fail("the id {} is too large, want at most {}", text, max_id);
  return *id;
}

template <typename List>
std::string names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& one : list) names.push_back(one.name);
  if (names.size() > 20) names = {names.begin(), names.begin() + 20};
  return names.empty() ? "none" : base::join(names, ", ");
}

}  // namespace

Accounts read_accounts(const FileTree& tree) {
  Accounts accounts;
  for (const auto& parts : read_lines(tree, "etc/passwd", 7)) {
    const auto uid = id_of(parts[2]);
    const auto gid = id_of(parts[3]);
    if (uid && gid) accounts.users.push_back({parts[0], *uid, *gid, parts[4], parts[5], parts[6]});
  }
  for (const auto& parts : read_lines(tree, "etc/group", 4)) {
    const auto gid = id_of(parts[2]);
    if (!gid) continue;
    std::vector<std::string> members = base::split(parts[3], ',');
    std::erase(members, "");
    accounts.groups.push_back({parts[0], *gid, std::move(members)});
  }
  return accounts;
}

Accounts default_accounts() {
  return {{{"root", 0, 0, "root", "/root", "/sbin/nologin"},
           {"nobody", 65534, 65534, "nobody", "/nonexistent", "/sbin/nologin"}},
          {{"root", 0, {}}, {"nogroup", 65534, {}}}};
}

std::string write_passwd(const std::vector<User>& users) {
  std::string out;
  for (const User& user : users)
    out += fmt::format("{}:x:{}:{}:{}:{}:{}\n", user.name, user.uid, user.gid, user.gecos, user.home,
                       user.shell);
  return out;
}

std::string write_group(const std::vector<Group>& groups) {
  std::string out;
  for (const Group& group : groups)
    out += fmt::format("{}:x:{}:{}\n", group.name, group.gid, base::join(group.members, ","));
  return out;
}

Identity resolve_user(std::string_view user, const Accounts& accounts) {
  const std::vector<std::string> parts = base::split(user, ':');
  if (parts.size() > 2 || parts[0].empty() || (parts.size() == 2 && parts[1].empty()))
    base::fail("'{}' is not a user", user);
  Identity identity;
  const auto by_name = std::find_if(accounts.users.begin(), accounts.users.end(),
                                    [&](const User& one) { return one.name == parts[0]; });
  if (by_name != accounts.users.end()) {
    identity = {by_name->uid, by_name->gid};
  } else if (is_number(parts[0])) {
    identity.uid = checked_id(parts[0]);
    const auto by_id = std::find_if(accounts.users.begin(), accounts.users.end(),
                                    [&](const User& one) { return one.uid == identity.uid; });
    if (by_id != accounts.users.end()) identity.gid = by_id->gid;
  } else if (parts[0] == "root") {
    identity = {0, 0};  // every system has it, listed or not
  } else {
    base::fail("unknown user '{}'; the image has {}", parts[0], names_of(accounts.users));
  }
  if (parts.size() == 1) return identity;
  const auto group = std::find_if(accounts.groups.begin(), accounts.groups.end(),
                                  [&](const Group& one) { return one.name == parts[1]; });
  if (group != accounts.groups.end())
    identity.gid = group->gid;
  else if (is_number(parts[1]))
    identity.gid = checked_id(parts[1]);
  else if (parts[1] == "root")
    identity.gid = 0;
  else
    base::fail("unknown group '{}'; the image has {}", parts[1], names_of(accounts.groups));
  return identity;
}

}  // namespace minibuild::tree
