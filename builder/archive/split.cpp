// Cuts a large layer into several.
#include <map>
#include <set>

#include "builder/archive/groups.h"
#include "minibuild/archive/layer.h"
#include "minibuild/archive/tar.h"

namespace minibuild::archive {

namespace {

constexpr uint64_t split_above = uint64_t{128} << 20;
constexpr uint64_t least_target = uint64_t{64} << 20;
constexpr uint64_t most_parts = 8;

uint64_t record_size(const LayerEntry& entry) {
  const bool content = entry.node->type == tree::NodeType::file && entry.hard_link.empty();
  const uint64_t size = content ? entry.node->content.size : 0;
  return tar_block + size + tar_padding(size);
}

// The directories above a part's entries that are in other parts.
LayerPlan missing_parents(const LayerPlan& part, const tree::FileTree& above) {
  std::set<std::string_view> there;
  std::map<std::string, const tree::Node*> missing;
  for (const LayerEntry& entry : part) {
    for (std::string_view parent = tree::directory_of(entry.path); !parent.empty();
         parent = tree::directory_of(parent)) {
      if (there.contains(parent) || missing.contains(std::string(parent))) break;
      missing.emplace(parent, above.find(parent));
    }
    if (entry.node->type == tree::NodeType::directory) there.insert(entry.path);
  }
  LayerPlan parents;
  for (const auto& [path, node] : missing)
    if (node != nullptr) parents.push_back({path, node, {}});
  return parents;
}

}  // namespace

std::vector<LayerPlan> split(LayerPlan plan, const tree::FileTree& above) {
  uint64_t total = 0;
  for (const LayerEntry& entry : plan) total += record_size(entry);
  if (total <= split_above) return {std::move(plan)};
  // In powers of two, so that a tree that grows a little is cut at the same places.
  uint64_t target = least_target;
  while (total / target > most_parts) target *= 2;

  std::vector<LayerPlan> parts(1);
  std::map<std::string, size_t> part_of_target;  // of hard links
  uint64_t size = 0;
  for (LayerEntry& entry : plan) {
    if (!entry.hard_link.empty()) {
      parts[part_of_target.at(entry.hard_link)].push_back(std::move(entry));
      continue;
    }
    const uint64_t record = record_size(entry);
    const bool by_name = size >= target / 2 && name_hash(entry.path) % (target / 2) < record;
    // A few small entries before a huge one do not make a part.
    const bool by_size = size >= target / 4 && size + record > 2 * target;
    if (by_name || by_size) {
      parts.emplace_back();
      size = 0;
    }
    size += record;
    if (entry.node->link_group != 0) part_of_target.emplace(entry.path, parts.size() - 1);
    parts.back().push_back(std::move(entry));
  }
  for (LayerPlan& part : parts) {
    LayerPlan parents = missing_parents(part, above);
    part.insert(part.begin(), std::make_move_iterator(parents.begin()),
                std::make_move_iterator(parents.end()));
  }
  return parts;
}

}  // namespace minibuild::archive
