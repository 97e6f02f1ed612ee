// From two trees to the entries of a layer (image-spec layer.md "Creation", "Whiteouts").
#include <algorithm>
#include <map>
#include <set>

#include "minibuild/archive/layer.h"
#include "minibuild/archive/tar.h"

namespace minibuild::archive {

namespace {

using tree::FileTree;
using tree::Node;
using tree::NodeType;

bool same_node(const Node& a, const Node& b) {
  return a.type == b.type && a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.mtime == b.mtime &&
         a.target == b.target && a.device_major == b.device_major && a.device_minor == b.device_minor &&
         a.xattrs == b.xattrs && (a.type != NodeType::file || tree::same_place(a.content, b.content));
}

// Groups of hard links of which a name was added or changed: all their names are written, since a link's
// target has to be in the same layer.
std::set<uint64_t> touched_groups(const FileTree& below, const FileTree& above) {
  std::set<uint64_t> groups;
  for (const auto& [path, node] : above.nodes()) {
    if (node.link_group == 0) continue;
    const Node* old = below.find(path);
    if (old == nullptr || !same_node(*old, node)) groups.insert(node.link_group);
  }
  return groups;
}

void add_parents(const FileTree& above, std::string_view path, std::map<std::string, LayerEntry>& entries) {
  for (std::string_view parent = tree::directory_of(path); !parent.empty();
       parent = tree::directory_of(parent)) {
    const std::string name(parent);
    if (entries.contains(name)) return;
    if (const Node* node = above.find(parent)) entries.emplace(name, LayerEntry{name, *node, {}});
  }
}

// Sorts right after the directory, before everything in it.
std::string whiteout_order(std::string_view path) {
  const std::string_view directory = tree::directory_of(path);
  return std::string(directory) + (directory.empty() ? "" : "/") + '\0' + std::string(tree::name_of(path));
}

}  // namespace

LayerPlan difference(const FileTree& below, const FileTree& above) {
  std::map<std::string, LayerEntry> entries;  // by the order in which they are written
  const std::set<uint64_t> groups = touched_groups(below, above);
  for (const auto& [path, node] : above.nodes()) {
    const Node* old = below.find(path);
    const bool same = old != nullptr && same_node(*old, node) && !groups.contains(node.link_group);
    if (same) continue;
    add_parents(above, path, entries);
    entries.insert_or_assign(path, LayerEntry{path, node, {}});
  }
  for (const auto& [path, node] : below.nodes()) {
    if (above.find(path) != nullptr) continue;
    const std::string_view parent = tree::directory_of(path);
    const Node* directory = above.find(parent);
    // Below a directory that is gone too, or is now something else, nothing needs to be said.
    if (!parent.empty() && (directory == nullptr || directory->type != NodeType::directory)) continue;
    add_parents(above, path, entries);
    const std::string name = tree::join_path(parent, ".wh." + std::string(tree::name_of(path)));
    entries.emplace(whiteout_order(path), LayerEntry{name, tree::file_node(tree::inline_content(""), 0), {}});
  }
  LayerPlan plan;
  plan.reserve(entries.size());
  std::map<uint64_t, std::string> first_of_group;
  for (auto& [order, entry] : entries) {
    if (entry.node.link_group != 0) {
      const auto [first, is_first] = first_of_group.try_emplace(entry.node.link_group, entry.path);
      if (!is_first) entry.hard_link = first->second;
    }
    plan.push_back(std::move(entry));
  }
  return plan;
}

void write_plain_tar(const LayerPlan& plan, base::Sink& sink) {
  std::string buffer;
  for (const LayerEntry& entry : plan) {
    sink.write(tar_header(entry.path, entry.node, entry.hard_link));
    if (entry.node.type != NodeType::file || !entry.hard_link.empty()) continue;
    const uint64_t size = entry.node.content.size;
    for (uint64_t offset = 0; offset < size; offset += buffer.size()) {
      buffer.resize(std::min<uint64_t>(size - offset, uint64_t{1} << 20U));
      tree::read_content(entry.node.content, offset, buffer);
      sink.write(buffer);
    }
    sink.write(std::string(tar_padding(size), '\0'));
  }
  sink.write(std::string(tar_end_size, '\0'));
}

}  // namespace minibuild::archive
