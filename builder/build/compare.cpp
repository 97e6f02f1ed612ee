#include "minibuild/build/compare.h"

#include <algorithm>
#include <map>

#include "minibuild/archive/layer.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/install.h"

namespace minibuild::build {

namespace {

constexpr uint64_t max_text = uint64_t{64} << 10;
constexpr size_t max_lines = 1000;
constexpr uint64_t max_database = uint64_t{64} << 20;

using Described = std::vector<std::pair<std::string, std::string>>;
using Map = std::map<std::string, std::string>;

// A config as its leaves: `config.User` → `65532:0`.
void flatten(const oci::Json& json, const std::string& name, Map& into) {
  if (json.is_object() && !json.empty()) {  // `{"80/tcp": {}}`: an empty object is a leaf
    for (const auto& [key, value] : json.items()) flatten(value, name.empty() ? key : name + "." + key, into);
    return;
  }
  into[name] = json.is_string() ? json.get<std::string>()
                                : json.dump(-1, ' ', false, oci::Json::error_handler_t::replace);
}

Map facts_of(const oci::ImageConfig& config) {
  Map all;
  flatten(oci::json_of(config), "", all);
  std::erase_if(all, [](const auto& entry) {
    return entry.first.starts_with("rootfs") || entry.first.starts_with("history");
  });
  return all;
}

std::vector<Change> changes(const Map& before, const Map& after) {
  std::vector<Change> all;
  for (const auto& [name, value] : before) {
    const auto it = after.find(name);
    if (it == after.end() || it->second != value)
      all.push_back({name, value, it == after.end() ? "" : it->second});
  }
  for (const auto& [name, value] : after)
    if (!before.contains(name)) all.push_back({name, "", value});
  std::sort(all.begin(), all.end(), [](const Change& a, const Change& b) { return a.name < b.name; });
  return all;
}

std::string digest_of(const tree::Content& content) {
  base::Sha256 hash;
  std::string buffer;
  for (uint64_t offset = 0; offset < content.size; offset += buffer.size()) {
    buffer.resize(static_cast<size_t>(std::min<uint64_t>(uint64_t{1} << 20, content.size - offset)));
    tree::read_content(content, offset, buffer);
    hash.update(buffer);
  }
  return "sha256:" + base::to_hex(hash.finish());
}

const char* type_of(tree::NodeType type) {
  switch (type) {
    case tree::NodeType::directory:
      return "directory";
    case tree::NodeType::file:
      return "file";
    case tree::NodeType::symlink:
      return "symlink";
    case tree::NodeType::character_device:
      return "character device";
    case tree::NodeType::block_device:
      return "block device";
    case tree::NodeType::fifo:
      return "fifo";
  }
  return "";
}

Described facts_of(const tree::Node& node, bool with_content) {
  Described facts = {{"type", type_of(node.type)},
                     {"mode", fmt::format("{:04o}", node.mode)},
                     {"owner", fmt::format("{}:{}", node.uid, node.gid)},
                     {"mtime", base::format_time(node.mtime)}};
  if (node.type == tree::NodeType::file) {
    facts.emplace_back("size", std::to_string(node.content.size));
    if (with_content) facts.emplace_back("content", digest_of(node.content));
  }
  if (node.type == tree::NodeType::symlink) facts.emplace_back("target", base::printable(node.target));
  if (node.type == tree::NodeType::character_device || node.type == tree::NodeType::block_device)
    facts.emplace_back("device", fmt::format("{},{}", node.device_major, node.device_minor));
  for (const auto& [key, value] : node.xattrs)
    facts.emplace_back("xattr " + base::printable(key), base::to_hex(value));
  return facts;
}

std::optional<std::vector<std::string>> small_text(const tree::Node& node) {
  if (node.type != tree::NodeType::file || node.content.size > max_text) return std::nullopt;
  const std::string bytes = tree::read_content(node.content, max_text);
  if (!base::is_utf8(bytes) || bytes.find('\0') != std::string::npos) return std::nullopt;
  std::vector<std::string> lines = base::split(bytes, '\n');
  if (lines.size() > max_lines) return std::nullopt;
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// The lines that only one of the two has, by the longest common subsequence.
std::string text_difference(const tree::Node& before, const tree::Node& after) {
  const auto a = small_text(before);
  const auto b = small_text(after);
  if (!a || !b) return {};
  const size_t width = b->size() + 1;
  std::vector<uint16_t> common((a->size() + 1) * width, 0);
  for (size_t i = a->size(); i-- > 0;)
    for (size_t j = b->size(); j-- > 0;)
      common[i * width + j] = (*a)[i] == (*b)[j]
                                  ? static_cast<uint16_t>(common[(i + 1) * width + j + 1] + 1)
                                  : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
  std::string text;
  size_t i = 0;
  size_t j = 0;
  while (i < a->size() || j < b->size()) {
    if (i < a->size() && j < b->size() && (*a)[i] == (*b)[j]) {
      ++i;
      ++j;
    } else if (i < a->size() &&
               (j == b->size() || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      text += "-" + base::printable((*a)[i++]) + "\n";
    } else {
      text += "+" + base::printable((*b)[j++]) + "\n";
    }
  }
  return text;
}

std::optional<FileChange> changed(const std::string& path, const tree::Node& before,
                                  const tree::Node& after) {
  FileChange change;
  change.path = path;
  const bool may_differ = before.type == tree::NodeType::file && after.type == tree::NodeType::file &&
                          !tree::same_place(before.content, after.content);
  const Described old_facts = facts_of(before, may_differ);
  const Described new_facts = facts_of(after, may_differ);
  const Map a(old_facts.begin(), old_facts.end());
  const Map b(new_facts.begin(), new_facts.end());
  for (const Change& one : changes(a, b)) change.changes.push_back(one);
  if (change.changes.empty()) return std::nullopt;
  if (a.contains("content") && b.contains("content") && a.at("content") != b.at("content"))
    change.text = text_difference(before, after);
  return change;
}

FileChange only_in_one(const std::string& path, const tree::Node& node, bool added) {
  FileChange change;
  change.path = path;
  change.added = added;
  change.removed = !added;
  for (const auto& [name, value] : facts_of(node, true))
    change.changes.push_back({name, added ? "" : value, added ? value : ""});
  return change;
}

std::vector<FileChange> compare_trees(const tree::FileTree& before, const tree::FileTree& after) {
  std::vector<FileChange> all;
  auto a = before.nodes().begin();
  auto b = after.nodes().begin();
  while (a != before.nodes().end() || b != after.nodes().end()) {
    const bool first = b == after.nodes().end() || (a != before.nodes().end() && a->first < b->first);
    const bool second = a == before.nodes().end() || (b != after.nodes().end() && b->first < a->first);
    const std::string path = "/" + base::printable(first ? a->first : b->first);
    if (first) {
      all.push_back(only_in_one(path, a->second, false));
      ++a;
    } else if (second) {
      all.push_back(only_in_one(path, b->second, true));
      ++b;
    } else {
      if (auto change = changed(path, a->second, b->second)) all.push_back(std::move(*change));
      ++a;
      ++b;
    }
  }
  return all;
}

std::string shortened(const std::string& digest) {
  return digest.starts_with("sha256:") ? digest.substr(0, 19) : digest;
}

std::string shown(const Change& change) {
  const std::string before = shortened(base::printable(change.before));
  const std::string after = shortened(base::printable(change.after));
  if (change.before.empty()) return "+ " + after;
  if (change.after.empty()) return "- " + before;
  return before + " → " + after;
}

oci::Json json_of(const std::vector<Change>& all) {
  oci::Json list = oci::Json::array();
  for (const Change& change : all) {
    oci::Json one;
    one["name"] = change.name;
    one["before"] = change.before.empty() ? oci::Json() : oci::Json(change.before);
    one["after"] = change.after.empty() ? oci::Json() : oci::Json(change.after);
    list.push_back(std::move(one));
  }
  return list;
}

Map packages_by_name(const tree::FileTree& tree) {
  Map all;
  for (const Package& package : packages_of(tree)) all[package.name] = package.version;
  return all;
}

// NAME VERSION of the package whose list of files has the path.
std::string package_with(const tree::FileTree& tree, const std::string& path) {
  std::string found;
  const auto version = [&](const std::string& name) {
    const Map all = packages_by_name(tree);
    const auto it = all.find(name);
    return it == all.end() ? name : name + " " + it->second;
  };
  for (const std::string directory : {"var/lib/dpkg/status.d", "var/lib/dpkg/info"})
    tree::for_each_below(tree, directory, [&](const std::string& file, const tree::Node& node) {
      const bool sums = file.ends_with(".md5sums");
      if (!found.empty() || node.type != tree::NodeType::file || node.content.size > max_database ||
          (!sums && !file.ends_with(".list")))
        return;
      for (const std::string& line : base::split(tree::read_content(node.content, max_database), '\n')) {
        const std::string named = sums ? line.substr(std::min(line.size(), line.find("  ") + 2)) : line;
        if (tree::normalise(named) != path || named.empty()) continue;
        std::string name(tree::name_of(file));
        name = name.substr(0, name.rfind('.'));
        found = version(name.substr(0, name.find(':')));
        return;
      }
    });
  return found.empty() ? packages::apk_owner(tree, path) : found;
}

}  // namespace

std::vector<Package> packages_of(const tree::FileTree& tree) {
  std::vector<Package> all;
  for (const packages::Format format : {packages::Format::deb, packages::Format::apk})
    for (const packages::Facts& facts : packages::installed_packages(tree, format))
      all.push_back({facts.name, facts.version, facts.source});
  return all;
}

Difference compare(const Opened& before, const Opened& after) {
  Difference difference;
  difference.same_manifest = before.image.descriptor.digest == after.image.descriptor.digest;
  difference.same_content = before.image.manifest.config.digest == after.image.manifest.config.digest;
  if (difference.same_manifest) return difference;
  difference.config = changes(facts_of(before.image.config), facts_of(after.image.config));
  difference.annotations = changes(before.image.manifest.annotations, after.image.manifest.annotations);
  const auto layers = [](const store::Image& image) {
    Map all;
    for (size_t i = 0; i < image.layers.size(); ++i)
      all[fmt::format("layer {}", i + 1)] = oci::to_string(image.layers[i].descriptor.digest);
    return all;
  };
  difference.layers = changes(layers(before.image), layers(after.image));
  difference.packages = changes(packages_by_name(before.tree), packages_by_name(after.tree));
  difference.files = compare_trees(before.tree, after.tree);
  return difference;
}

std::string to_text(const Difference& difference) {
  if (difference.same_manifest) return "";
  std::string text;
  const auto list = [&text](const char* title, const std::vector<Change>& all) {
    if (!all.empty()) text += fmt::format("{}\n", title);
    for (const Change& change : all)
      text += fmt::format("  {}: {}\n", base::printable(change.name), shown(change));
  };
  list("config", difference.config);
  list("annotations", difference.annotations);
  list("layers", difference.layers);
  list("packages", difference.packages);
  if (!difference.files.empty()) text += "files\n";
  for (const FileChange& file : difference.files) {
    text += fmt::format("  {} {}", file.added ? '+' : file.removed ? '-' : '~', file.path);
    for (const Change& change : file.changes) {
      if (file.added || file.removed) {
        if (change.name != "mtime" && change.name != "content")
          text += " " + (file.added ? change.after : change.before);
      } else {
        text += fmt::format("\n      {}: {}", change.name, shown(change));
      }
    }
    text += "\n";
    for (const std::string& line : base::split(file.text, '\n'))
      if (!line.empty()) text += "        " + line + "\n";
  }
  if (difference.same_content)
    text +=
        "The config and the content of all layers are the same; only the compressed bytes or the manifest "
        "differ.\n";
  else if (text.empty())
    text += "Files and settings are the same; the images differ in history or in how layers are cut.\n";
  return text;
}

oci::Json to_json(const Difference& difference) {
  oci::Json json;
  json["same"] = difference.same_manifest;
  json["sameContent"] = difference.same_manifest || difference.same_content;
  json["config"] = json_of(difference.config);
  json["annotations"] = json_of(difference.annotations);
  json["layers"] = json_of(difference.layers);
  json["packages"] = json_of(difference.packages);
  json["files"] = oci::Json::array();
  for (const FileChange& file : difference.files) {
    oci::Json one;
    one["path"] = file.path;
    one["change"] = file.added ? "added" : file.removed ? "removed" : "changed";
    one["facts"] = json_of(file.changes);
    if (!file.text.empty()) one["text"] = file.text;
    json["files"].push_back(std::move(one));
  }
  return json;
}

Origin find_origin(const store::Image& image, const std::string& path, store::Cache& cache,
                   const std::string& what) {
  tree::FileTree tree;
  Origin origin;
  const tree::FileTree whole = store::image_tree(image, cache, what);
  origin.path = whole.resolve(tree::normalise(path));
  const tree::Node* node = whole.find(origin.path);
  if (node == nullptr) {
    std::vector<std::string> names;
    for (const auto& [name, ignored] : whole.nodes()) names.push_back("/" + name);
    const std::string close = base::nearest("/" + origin.path, names);
    base::fail("{} has no /{}{}", what, base::printable(origin.path),
               close.empty() ? "" : fmt::format("; did you mean '{}'?", base::printable(close)));
  }
  // A layer wrote the path if the node differs from what it was below.
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const std::string name = fmt::format("{}: layer {}", what, i + 1);
    tree::FileTree alone;
    archive::apply_layer(alone, store::plain_layer(image.layers[i], cache, name), name);
    const tree::Node* here = alone.find(origin.path);
    const bool parent_only = here != nullptr && here->type == tree::NodeType::directory && i > 0 &&
                             origin.layer != 0 && facts_of(*here, false) == facts_of(*node, false);
    if (here == nullptr || parent_only) continue;
    if (origin.layer != 0) origin.earlier.push_back(origin.layer);
    origin.layer = i + 1;
  }
  if (origin.layer == 0) base::fail("{}: no layer holds /{}", what, base::printable(origin.path));
  origin.layer_digest = oci::to_string(image.layers[origin.layer - 1].descriptor.digest);
  size_t filled = 0;
  for (const oci::History& entry : image.config.history)
    if (!entry.empty_layer && ++filled == origin.layer)
      origin.created_by = entry.created_by + (entry.comment.empty() ? "" : " (" + entry.comment + ")");
  for (const auto& [key, value] : facts_of(*node, true))
    if (key != "mtime") origin.fact += (origin.fact.empty() ? "" : " ") + value;
  origin.package = package_with(whole, origin.path);
  // Lists of hashes have no links; a link mostly comes with what it leads to.
  if (origin.package.empty() && node->type == tree::NodeType::symlink)
    origin.package = package_with(whole, whole.resolve(origin.path, true));
  return origin;
}

}  // namespace minibuild::build
