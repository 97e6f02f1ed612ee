#include "minibuild/build/rebase.h"

#include <algorithm>

#include "builder/build/describe.h"
#include "builder/build/libraries.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/image.h"
#include "minibuild/tree/accounts.h"

namespace minibuild::build {

using base::fail;

namespace {

const std::string name_key = "org.opencontainers.image.base.name";
const std::string digest_key = "org.opencontainers.image.base.digest";

// The entries after those of the first `layers` layers; entries without a layer right behind them belong to
// them.
std::vector<oci::History> history_above(const std::vector<oci::History>& history, size_t layers) {
  size_t seen = 0;
  size_t i = 0;
  while (i < history.size() && (seen < layers || history[i].empty_layer))
    seen += history[i++].empty_layer ? 0 : 1;
  return {history.begin() + static_cast<std::ptrdiff_t>(i), history.end()};
}

oci::ImageLocation old_base(const store::Image& image) {
  const oci::Annotations& annotations = image.manifest.annotations;
  const auto name = annotations.find(name_key);
  const auto digest = annotations.find(digest_key);
  if (name == annotations.end() || digest == annotations.end())
    fail(
        "its base is not known: it lacks the annotations {} and {}; an image has them that was built on a "
        "base from a registry",
        name_key, digest_key);
  oci::Reference reference = oci::parse_reference(name->second);
  if (reference.host.empty())
    fail("the annotation {} names no registry: '{}'", name_key, base::printable(name->second));
  reference.tag.clear();
  reference.digest = oci::parse_digest(digest->second, "the annotation " + digest_key);
  return {oci::Transport::registry, oci::to_string(reference), ""};
}

// What the old base's value became: the new base's, if the image took it over; the image's own otherwise.
template <typename Value>
Value followed(const Value& image, const Value& before, const Value& after) {
  return image == before ? after : image;
}

// What the image has and its base has not.
std::vector<std::string> added(const std::vector<std::string>& image,
                               const std::vector<std::string>& before) {
  std::vector<std::string> own;
  for (const std::string& one : image)
    if (std::find(before.begin(), before.end(), one) == before.end()) own.push_back(one);
  return own;
}

const std::string* find_env(const spec::Environment& env, const std::string& name) {
  for (const auto& [known, value] : env)
    if (known == name) return &value;
  return nullptr;
}

// A value that was made with `${env.NAME}` of the base, with the new base's in its place; nothing if it was
// not.
std::optional<std::string> composed_anew(const std::string& value, const std::string& before,
                                         const std::string& after) {
  constexpr size_t shortest = 4;  // anything shorter is there by chance
  const size_t at = before.size() < shortest ? std::string::npos : value.find(before);
  if (at == std::string::npos || value.find(before, at + 1) != std::string::npos) return std::nullopt;
  const size_t end = at + before.size();
  const auto is_edge = [](char c) { return c == ':' || c == ' ' || c == ',' || c == ';'; };
  if ((at > 0 && !is_edge(value[at - 1])) || (end < value.size() && !is_edge(value[end])))
    return std::nullopt;
  return value.substr(0, at) + after + value.substr(end);
}

spec::Environment rebased_env(const oci::ImageConfig& image, const oci::ImageConfig& before,
                              const oci::ImageConfig& after, RebaseNotes& notes) {
  spec::Environment env = after.env;
  std::erase_if(env, [&](const auto& entry) {  // what the image had taken out
    return find_env(before.env, entry.first) != nullptr && find_env(image.env, entry.first) == nullptr;
  });
  for (const auto& [name, value] : image.env) {
    const std::string* old = find_env(before.env, name);
    if (old != nullptr && *old == value) continue;
    // minibuild sets it where neither base nor spec does.
    if (old == nullptr && name == "PATH" && value == default_path) continue;
    const std::string* now = find_env(after.env, name);
    const std::string replaced = now == nullptr ? "" : *now;
    if (old != nullptr && *old != replaced) {
      if (const auto anew = composed_anew(value, *old, replaced)) {
        notes.push_back(fmt::format("{}: the old base's part of it is now the new base's: {}", name, *anew));
        set_env(env, name, *anew);
        continue;
      }
      notes.push_back(fmt::format("{} stays as the image sets it; the base has another than before: {}", name,
                                  now == nullptr ? "none" : *now));
    }
    set_env(env, name, value);
  }
  add_path(env);
  return env;
}

// Where something lies, and what the image is made of.
struct Trees {
  tree::FileTree before;
  tree::FileTree after;
  tree::FileTree image;
  tree::FileTree result;
};

// The first few of many.
std::string list_of(const std::vector<std::string>& paths) {
  constexpr size_t shown = 5;
  std::vector<std::string> first(paths.begin(),
                                 paths.begin() + static_cast<std::ptrdiff_t>(std::min(shown, paths.size())));
  for (std::string& path : first) path = "/" + path;
  return base::join(first, ", ") +
         (paths.size() > shown ? fmt::format(" and {} more", paths.size() - shown) : "");
}

bool same_node(const tree::Node* a, const tree::Node* b, store::Cache& cache) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
      a->target != b->target)
    return false;
  if (a->type != tree::NodeType::file) return true;
  return a->content.size == b->content.size &&
         (tree::same_place(a->content, b->content) ||
          store::content_id(a->content, cache) == store::content_id(b->content, cache));
}

std::string user_of(const std::string& user, const tree::FileTree& tree) {
  tree::Identity identity;
  if (!user.empty()) identity = tree::resolve_user(user, tree::read_accounts(tree));
  return fmt::format("{}:{}", identity.uid, identity.gid);
}

// The config has numbers; what they were made from is known if it was the base's user, and guessed from its
// accounts.
void follow_user(const Trees& trees, const oci::ImageConfig& image, const oci::ImageConfig& before,
                 const oci::ImageConfig& after, oci::ImageConfig& result, RebaseNotes& notes) {
  std::string inherited;
  try {
    inherited = user_of(before.user, trees.image);
  } catch (const base::Error&) {
    inherited = before.user;
  }
  if (image.user == inherited || image.user == before.user) {
    result.user = image.user == inherited ? user_of(after.user, trees.result) : after.user;
    if (result.user != image.user)
      notes.push_back(fmt::format("the user is the new base's, {}; it was {}", result.user, image.user));
    return;
  }
  const tree::Accounts now = tree::read_accounts(trees.result);
  for (const tree::User& user : tree::read_accounts(trees.image).users) {
    if (fmt::format("{}:{}", user.uid, user.gid) != image.user) continue;
    const auto same = [&](const tree::User& other) { return other.name == user.name; };
    const auto there = std::find_if(now.users.begin(), now.users.end(), same);
    if (there != now.users.end() && there->uid == user.uid && there->gid == user.gid) continue;
    notes.push_back(fmt::format("the user {} stays; it was '{}', {}; if the spec names it so, build again",
                                image.user, base::printable(user.name),
                                there == now.users.end()
                                    ? std::string("which the new base does not have")
                                    : fmt::format("which is {}:{} on the new base", there->uid, there->gid)));
  }
}

// What layers that were made on the old base mean on the new one.
void look_at_trees(const Trees& trees, const oci::ImageConfig& image, const oci::ImageConfig& before,
                   const oci::ImageConfig& after, store::Cache& cache, oci::ImageConfig& result,
                   RebaseNotes& notes) {
  std::vector<std::string> hidden;
  std::vector<std::string> elsewhere;
  std::vector<std::string> replaced;
  for (const auto& [path, node] : trees.image.nodes()) {
    const tree::Node* old = trees.before.find(path);
    const tree::Node* now = trees.after.find(path);
    const tree::Node* there = trees.result.find(path);
    const bool is_directory = node.type == tree::NodeType::directory;
    if (is_directory && old != nullptr && old->type == tree::NodeType::directory) {
      if (now != nullptr && now->type != tree::NodeType::directory && there != nullptr &&
          there->type == tree::NodeType::directory)
        hidden.push_back(path);
      continue;
    }
    if (same_node(&node, old, cache)) continue;
    if (!is_directory && there != nullptr && old != nullptr && !same_node(old, now, cache))
      replaced.push_back(path);
    // Through a link of the old base, which is a directory of the new one: nobody looks there any more.
    else if ((!is_directory && there == nullptr) || trees.after.resolve(path, true) != path)
      elsewhere.push_back(path);
  }
  if (!hidden.empty())
    fail("its layers would put directories over what the new base has as links: {}; build it again",
         list_of(hidden));
  if (!elsewhere.empty())
    notes.push_back(
        fmt::format("the new base has other links than the old one: {} may not be where a build puts "
                    "it; build again",
                    list_of(elsewhere)));
  if (!replaced.empty())
    notes.push_back(
        fmt::format("made from the old base's files, and in place of the new base's: {}; to have them "
                    "made from the new base's, build again",
                    list_of(replaced)));
  std::vector<std::string> gone;
  std::vector<std::string> differs;
  for (const auto& [path, node] : trees.before.nodes()) {
    const bool below_gone = !gone.empty() && path.starts_with(gone.back() + "/");
    if (trees.image.find(path) == nullptr) {
      if (!below_gone) gone.push_back(path);
    } else if (node.type == tree::NodeType::file && same_node(&node, trees.image.find(path), cache) &&
               !same_node(&node, trees.after.find(path), cache)) {
      differs.push_back(path);
    }
  }
  if (!gone.empty())
    notes.push_back(
        fmt::format("the image leaves out {} of the old base; what else 'remove' or 'trim' would take "
                    "from the new one stays",
                    list_of(gone)));
  if (!differs.empty())
    notes.push_back(
        fmt::format("{} file{} of the old base differ{} on the new one or are not there; if the spec "
                    "copies one of them, build again: a file that the base had is in none of the "
                    "image's layers",
                    differs.size(), differs.size() == 1 ? "" : "s", differs.size() == 1 ? "s" : ""));
  static const tree::FileTree nothing;
  const auto lacking = [&](const oci::ImageConfig& config, const tree::FileTree& tree,
                           const tree::FileTree& below) {
    std::vector<std::string> messages;
    for (const trust::Violation& one :
         examine_libraries({config, tree, below}, cache, [](const std::string&) { return std::string(); }))
      messages.push_back(one.message);
    return messages;
  };
  const std::vector<std::string> known = lacking(after, trees.after, nothing);
  for (const std::string& message : lacking(result, trees.result, trees.after))
    if (std::find(known.begin(), known.end(), message) == known.end())
      notes.push_back(message + " any more: the old base had what it needs; build again");
  follow_user(trees, image, before, after, result, notes);
}

}  // namespace

oci::ImageConfig rebased_config(const oci::ImageConfig& image, const oci::ImageConfig& before,
                                const oci::ImageConfig& after, RebaseNotes& notes) {
  oci::ImageConfig result = image;
  result.author = followed(image.author, before.author, after.author);
  result.env = rebased_env(image, before, after, notes);
  result.exposed_ports = after.exposed_ports;
  merge_sorted(result.exposed_ports, added(image.exposed_ports, before.exposed_ports));
  result.volumes = after.volumes;
  merge_sorted(result.volumes, added(image.volumes, before.volumes));
  // An entrypoint of its own clears the base's arguments, also if it is the same.
  const bool is_own = image.entrypoint != before.entrypoint || (image.cmd.empty() && !before.cmd.empty());
  if (!is_own) {
    result.entrypoint = after.entrypoint;
    result.cmd = followed(image.cmd, before.cmd, after.cmd);
  } else if (image.entrypoint == before.entrypoint && before.entrypoint != after.entrypoint) {
    notes.push_back(
        "the entrypoint stays; the new base has another, and whether the image took it from the old one "
        "cannot be known");
  }
  result.working_dir = followed(image.working_dir, before.working_dir, after.working_dir);
  result.stop_signal = followed(image.stop_signal, before.stop_signal, after.stop_signal);
  result.labels = after.labels;
  for (const auto& [name, value] : before.labels)
    if (!image.labels.contains(name)) result.labels.erase(name);
  for (const auto& [name, value] : image.labels) {
    const auto old = before.labels.find(name);
    if (old == before.labels.end() || old->second != value) result.labels[name] = value;
  }
  return result;
}

store::Image rebase(const store::Image& image, const oci::ImageLocation& onto, store::Cache& cache,
                    const Registries& registries, RebaseNotes& notes) {
  const oci::Platform& platform = image.config.platform;
  const oci::ImageLocation from = old_base(image);
  const store::Image before = read_image(from, platform, cache, registries).images.front();
  const store::Image after = read_image(onto, platform, cache, registries).images.front();
  const size_t below = before.layers.size();
  const bool fits = below <= image.layers.size() &&
                    std::equal(before.layers.begin(), before.layers.end(), image.layers.begin(),
                               [](const store::ImageLayer& a, const store::ImageLayer& b) {
                                 return a.diff_id == b.diff_id;
                               });
  if (!fits)
    fail("its first layers are not those of its base {}; it has to be built again", oci::to_string(from));
  store::Image result;
  result.config = rebased_config(image.config, before.config, after.config, notes);
  result.layers = after.layers;
  result.layers.insert(result.layers.end(), image.layers.begin() + static_cast<std::ptrdiff_t>(below),
                       image.layers.end());
  result.config.diff_ids.clear();
  result.manifest = image.manifest;
  result.manifest.layers.clear();
  for (const store::ImageLayer& layer : result.layers) {
    result.config.diff_ids.push_back(layer.diff_id);
    result.manifest.layers.push_back(layer.descriptor);
  }
  look_at_trees({image_tree(before, cache, "the old base"), image_tree(after, cache, "the new base"),
                 image_tree(image, cache, "the image"), image_tree(result, cache, "the rebased image")},
                image.config, before.config, after.config, cache, result.config, notes);
  const std::vector<oci::History> above = history_above(image.config.history, below);
  result.config.history = after.config.history;
  if (filled(after.config.history) != after.layers.size())
    result.config.history.assign(after.layers.size(), {"", "base layer", "", "", false});
  result.config.history.insert(result.config.history.end(), above.begin(), above.end());
  if (filled(result.config.history) != result.layers.size())
    result.config.history.clear();  // for all layers or none
  if (onto.transport == oci::Transport::registry) {
    oci::Reference name = oci::parse_reference(onto.path);
    name.digest.reset();
    result.manifest.annotations[name_key] = oci::to_string(name);
    result.manifest.annotations[digest_key] = oci::to_string(after.descriptor.digest);
  } else {
    result.manifest.annotations.erase(name_key);
    result.manifest.annotations.erase(digest_key);
  }
  result.config_json = oci::to_json(result.config);
  result.manifest.media_type = std::string(oci::media_type::manifest);
  result.manifest.config = {std::string(oci::media_type::config),
                            oci::digest_of(result.config_json),
                            result.config_json.size(),
                            {},
                            {}};
  result.manifest_json = oci::to_json(result.manifest);
  result.descriptor = image.descriptor;
  result.descriptor.media_type = result.manifest.media_type;
  result.descriptor.digest = oci::digest_of(result.manifest_json);
  result.descriptor.size = result.manifest_json.size();
  return result;
}

}  // namespace minibuild::build
