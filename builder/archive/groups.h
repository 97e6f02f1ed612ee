// How a layer's tar is cut into groups, and what names a group's content.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/archive/layer.h"

namespace minibuild::archive {

inline constexpr uint64_t min_group = uint64_t{1} << 20;
inline constexpr uint64_t mean_group = uint64_t{3} << 20;
inline constexpr uint64_t max_group = uint64_t{4} << 20;

/// Places boundaries by name, so that they stay where they are when a file's content changes.
uint64_t name_hash(std::string_view name);

/// A part of one entry: its header, a range of its content, the padding after it.
struct Part {
  uint32_t entry = 0;
  bool header = false;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t padding = 0;
};

/// Consecutive parts; the end of the archive is the last group, and has none.
struct Group {
  size_t first_part = 0;
  size_t end_part = 0;
  uint64_t size = 0;              // in the tar, in bytes
  std::optional<base::Hash> key;  // known if the hashes of all its content are
};

struct Groups {
  std::vector<Part> parts;
  std::vector<Group> groups;
  uint64_t size = 0;  // of the whole tar
};

Groups cut_into_groups(const LayerPlan& plan, const std::string& fingerprint, LayerMemory& memory);

/// The bytes of a group, in `buffer` of exactly its size; remembers the hashes of what it reads.
void read_group(const LayerPlan& plan, const Groups& groups, const Group& group, LayerMemory& memory,
                std::span<char> buffer);
/// The key of a group whose content's hashes are all known by now.
base::Hash group_key(const LayerPlan& plan, const Groups& groups, const Group& group,
                     const std::string& fingerprint, LayerMemory& memory);

}  // namespace minibuild::archive
