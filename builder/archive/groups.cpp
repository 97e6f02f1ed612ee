#include "builder/archive/groups.h"

#include <algorithm>
#include <cstring>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"

namespace minibuild::archive {

namespace {

bool has_content(const LayerEntry& entry) {
  return entry.node->type == tree::NodeType::file && entry.hard_link.empty() && entry.node->content.size > 0;
}

void put_number(base::Sha256& hash, uint64_t value) {
  char bytes[8];
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  hash.update({bytes, 8});
}

base::Sha256 start_key(const std::string& fingerprint) {
  base::Sha256 hash;
  hash.update(fingerprint).update({"\0", 1});
  return hash;
}

// Adds a part to a group's key; false if the hash of its content is not known.
bool add_to_key(base::Sha256& key, const LayerEntry& entry, const Part& part, std::string_view header,
                LayerMemory& memory) {
  put_number(key, header.size());
  key.update(header);
  put_number(key, part.offset);
  put_number(key, part.length);
  put_number(key, part.padding);
  if (part.length == 0) return true;
  const auto hash = memory.known_hash(entry.node->content, part.offset, part.length);
  if (hash) key.update(base::as_bytes(*hash));
  return hash.has_value();
}

class Cutter {
 public:
  Cutter(const LayerPlan& plan, const std::string& fingerprint, LayerMemory& memory)
      : plan_(plan), fingerprint_(fingerprint), memory_(memory), key_(start_key(fingerprint)) {}

  Groups cut() {
    for (uint32_t i = 0; i < plan_.size(); ++i) {
      const LayerEntry& entry = plan_[i];
      const std::string header = tar_header(entry.path, *entry.node, entry.hard_link);
      const uint64_t content = has_content(entry) ? entry.node->content.size : 0;
      const uint64_t record = header.size() + content + tar_padding(content);
      if (group_.size > 0 && group_.size + record > max_group) close();
      if (record > max_group) {
        cut_large(i, header, content);
        continue;
      }
      add({i, true, 0, content, tar_padding(content)}, header);
      if (group_.size >= min_group && name_hash(entry.path) % (mean_group - min_group) < record) close();
    }
    if (group_.size > 0) close();
    add_end();
    return std::move(result_);
  }

 private:
  void cut_large(uint32_t entry, const std::string& header, uint64_t content) {
    for (uint64_t offset = 0; offset < content; offset += max_group) {
      const uint64_t length = std::min(max_group, content - offset);
      const bool last = offset + length == content;
      add({entry, offset == 0, offset, length, last ? tar_padding(content) : 0},
          offset == 0 ? header : std::string());
      close();
    }
  }

  void add(const Part& part, const std::string& header) {
    group_.size += header.size() + part.length + part.padding;
    key_known_ = add_to_key(key_, plan_[part.entry], part, header, memory_) && key_known_;
    result_.parts.push_back(part);
  }

  void close() {
    group_.end_part = result_.parts.size();
    if (key_known_) group_.key = key_.finish();
    result_.size += group_.size;
    result_.groups.push_back(group_);
    group_ = Group{};
    group_.first_part = result_.parts.size();
    key_ = start_key(fingerprint_);
    key_known_ = true;
  }

  void add_end() {
    group_.size = tar_end_size;
    key_.update("end");
    close();
  }

  const LayerPlan& plan_;
  const std::string& fingerprint_;
  LayerMemory& memory_;
  Groups result_;
  Group group_;
  base::Sha256 key_;
  bool key_known_ = true;
};

}  // namespace

// FNV-1a with a final mix: places groups by name, so that they stay where they are when a file's content
// changes.
uint64_t name_hash(std::string_view name) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
  hash ^= hash >> 32U;
  return hash * 0x9E3779B97F4A7C15ULL >> 16U;
}

Groups cut_into_groups(const LayerPlan& plan, const std::string& fingerprint, LayerMemory& memory) {
  return Cutter(plan, fingerprint, memory).cut();
}

void read_group(const LayerPlan& plan, const Groups& groups, const Group& group, LayerMemory& memory,
                std::span<char> buffer) {
  size_t at = 0;
  for (size_t i = group.first_part; i < group.end_part; ++i) {
    const Part& part = groups.parts[i];
    const LayerEntry& entry = plan[part.entry];
    if (part.header) {
      const std::string header = tar_header(entry.path, *entry.node, entry.hard_link);
      std::memcpy(buffer.data() + at, header.data(), header.size());
      at += header.size();
    }
    if (part.length > 0) {
      const std::span<char> content = buffer.subspan(at, part.length);
      tree::read_content(entry.node->content, part.offset, content);
      if (!group.key)
        memory.remember_hash(entry.node->content, part.offset, part.length,
                             base::sha256({content.data(), content.size()}));
      at += part.length;
    }
    std::memset(buffer.data() + at, 0, part.padding);
    at += part.padding;
  }
  std::memset(buffer.data() + at, 0, buffer.size() - at);  // the end of the archive
}

base::Hash group_key(const LayerPlan& plan, const Groups& groups, const Group& group,
                     const std::string& fingerprint, LayerMemory& memory) {
  base::Sha256 key = start_key(fingerprint);
  for (size_t i = group.first_part; i < group.end_part; ++i) {
    const Part& part = groups.parts[i];
    const LayerEntry& entry = plan[part.entry];
    const std::string header =
        part.header ? tar_header(entry.path, *entry.node, entry.hard_link) : std::string();
    if (!add_to_key(key, entry, part, header, memory))
      base::fail("cannot name the content of /{}", entry.path);
  }
  return key.finish();
}

}  // namespace minibuild::archive
