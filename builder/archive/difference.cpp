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

// Collects the entries of one layer; their order comes at the end.
class Collector {
 public:
  /// `directories` are those that are entries by themselves, not only as parents.
  Collector(const FileTree& above, std::set<std::string_view> directories)
      : above_(above), directories_(std::move(directories)) {}

  void add(const std::string& path, const Node& node) {
    add_parents(path);
    entries_.push_back({path, &node, false});
  }

  void add_whiteout(const std::string& path) {
    static const Node whiteout = tree::file_node(tree::inline_content(""), 0);
    add_parents(path);
    entries_.push_back({path, &whiteout, true});
    has_whiteouts_ = true;
  }

  LayerPlan plan() {
    const auto order = [](const Item& a, const Item& b) { return a.order() < b.order(); };
    const auto plain_order = [](const Item& a, const Item& b) { return a.path < b.path; };
    // Mostly they are in order already; whiteouts come last and never are.
    if (has_whiteouts_ || !std::is_sorted(entries_.begin(), entries_.end(), plain_order))
      std::sort(entries_.begin(), entries_.end(), order);
    LayerPlan plan;
    plan.reserve(entries_.size());
    std::map<uint64_t, std::string> first_of_group;
    for (const Item& item : entries_) {
      LayerEntry& entry = plan.emplace_back();
      entry.path = item.whiteout ? tree::join_path(tree::directory_of(item.path),
                                                   ".wh." + std::string(tree::name_of(item.path)))
                                 : std::string(item.path);
      entry.node = item.node;
      if (entry.node->link_group == 0) continue;
      const auto [first, is_first] = first_of_group.try_emplace(entry.node->link_group, entry.path);
      if (!is_first) entry.hard_link = first->second;
    }
    return plan;
  }

 private:
  struct Item {
    std::string_view path;  // a key of one of the trees
    const Node* node = nullptr;
    bool whiteout = false;
    // A whiteout sorts right after its directory, before everything in it.
    std::string order() const {
      return whiteout ? tree::join_path(tree::directory_of(path),
                                        std::string(1, '\0') + std::string(tree::name_of(path)))
                      : std::string(path);
    }
  };

  // All directories above a path are in the layer too, each once.
  void add_parents(std::string_view path) {
    for (std::string_view parent = tree::directory_of(path); !parent.empty();
         parent = tree::directory_of(parent)) {
      if (parent == last_parent_) return;
      const auto node = above_.nodes().find(parent);
      if (node == above_.nodes().end()) continue;
      if (!parents_.insert(node->first).second) break;
      if (!directories_.contains(node->first)) entries_.push_back({node->first, &node->second, false});
    }
    last_parent_ = tree::directory_of(path);
  }

  const FileTree& above_;
  std::set<std::string_view> directories_;
  std::vector<Item> entries_;
  bool has_whiteouts_ = false;
  std::string_view last_parent_ = "/";  // no path is that
  std::set<std::string_view> parents_;
};

}  // namespace

LayerPlan difference(const FileTree& below, const FileTree& above) {
  const std::set<uint64_t> groups = touched_groups(below, above);
  std::vector<const FileTree::Nodes::value_type*> changed;
  std::set<std::string_view> directories;
  for (const auto& entry : above.nodes()) {
    const Node* old = below.find(entry.first);
    if (old != nullptr && same_node(*old, entry.second) && !groups.contains(entry.second.link_group))
      continue;
    changed.push_back(&entry);
    if (entry.second.type == NodeType::directory) directories.insert(entry.first);
  }
  Collector collector(above, std::move(directories));
  for (const auto* entry : changed) collector.add(entry->first, entry->second);
  for (const auto& [path, node] : below.nodes()) {
    if (above.find(path) != nullptr) continue;
    const std::string_view parent = tree::directory_of(path);
    const Node* directory = above.find(parent);
    // Below a directory that is gone too, or is now something else, nothing needs to be said.
    if (!parent.empty() && (directory == nullptr || directory->type != NodeType::directory)) continue;
    collector.add_whiteout(path);
  }
  return collector.plan();
}

void write_plain_tar(const LayerPlan& plan, base::Sink& sink) {
  std::string buffer;
  for (const LayerEntry& entry : plan) {
    sink.write(tar_header(entry.path, *entry.node, entry.hard_link));
    if (entry.node->type != NodeType::file || !entry.hard_link.empty()) continue;
    const uint64_t size = entry.node->content.size;
    for (uint64_t offset = 0; offset < size; offset += buffer.size()) {
      buffer.resize(std::min<uint64_t>(size - offset, uint64_t{1} << 20U));
      tree::read_content(entry.node->content, offset, buffer);
      sink.write(buffer);
    }
    sink.write(std::string(tar_padding(size), '\0'));
  }
  sink.write(std::string(tar_end_size, '\0'));
}

}  // namespace minibuild::archive
