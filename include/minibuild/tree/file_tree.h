// A file tree as a value: the content of an image, a layer or a stage's result, without a disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "minibuild/base/file.h"
#include "minibuild/base/sha256.h"

namespace minibuild::tree {

/// Bytes that are part of the tree itself.
struct InlineBytes {
  std::shared_ptr<const std::string> bytes;
};

/// A file on this machine, in the state it had when the tree was made.
struct DiskFile {
  std::string path;
  base::FileStamp stamp;
};

/// A verified archive on disk that slices point into.
struct Archive {
  std::string path;
  base::Hash sha256;  // of the whole archive; identifies the content of every slice
};

/// A data extent of a sparse file.
struct Extent {
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;
  uint64_t place = 0;  // in the archive
};
/// Ordered by offset, without overlaps; everything outside them is zeros.
using Extents = std::vector<Extent>;
/// Reads a part of a sparse file, at `offset` in the file, from the archive open as `fd`. Throws Error naming
/// `what`.
void read_extents(const Extents& extents, int fd, const std::string& what, uint64_t offset,
                  std::span<char> buffer);

struct Slice {
  std::shared_ptr<const Archive> archive;
  uint64_t offset = 0;
  std::shared_ptr<const Extents> extents{};  // null: one piece at `offset`
};

/// Where the bytes of a file are.
struct Content {
  std::variant<InlineBytes, DiskFile, Slice> where;
  uint64_t size = 0;  // in bytes
};
Content inline_content(std::string bytes);
/// True if both certainly hold the same bytes (same place); false proves nothing.
bool same_place(const Content& a, const Content& b);
/// Reads `buffer.size()` bytes at `offset`. Throws Error naming the file, including when the file is no
/// longer in the recorded state.
void read_content(const Content& content, uint64_t offset, std::span<char> buffer);
/// Reads all bytes. Throws Error if there are more than `limit`.
std::string read_content(const Content& content, uint64_t limit);

enum class NodeType : uint8_t { directory, file, symlink, character_device, block_device, fifo };

using Xattrs = std::vector<std::pair<std::string, std::string>>;  // sorted by name

/// One entry of a tree.
struct Node {
  NodeType type = NodeType::file;
  uint32_t mode = 0644;  // permission bits and setuid, setgid, sticky: at most 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime = 0;        // seconds since 1970
  uint64_t link_group = 0;  // files of a tree with the same number other than 0 are one file (hard links)
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string target;  // of a symbolic link
  Xattrs xattrs;
  Content content;  // of a file
};
Node directory_node(int64_t mtime, uint32_t mode = 0755);
Node symlink_node(std::string target, int64_t mtime);
Node file_node(Content content, int64_t mtime, uint32_t mode = 0644);

/// Nodes by path. A path is relative to the root, without leading, trailing or doubled `/`, `.` or `..`; the
/// root itself is not in the tree. Parents come before their content.
class FileTree {
 public:
  using Nodes = std::map<std::string, Node, std::less<>>;

  const Nodes& nodes() const { return nodes_; }
  bool empty() const { return nodes_.empty(); }
  size_t size() const { return nodes_.size(); }
  /// The node at exactly this path, without following symbolic links; null if there is none.
  const Node* find(std::string_view path) const;
  Node* find(std::string_view path);

  /// Follows the symbolic links of all parents inside the root, and of the last component too if
  /// `follow_last`. The result need not exist. Throws Error after 40 links, or if a parent is not a
  /// directory.
  std::string resolve(std::string_view path, bool follow_last = false) const;

  /// Puts `node` at exactly `path`. It replaces what was there, with everything below it unless both are
  /// directories. Missing parents are created as directories with 0755, 0:0 and `mtime`.
  void put(const std::string& path, Node node, int64_t mtime);
  /// Removes a node and everything below it.
  void remove(std::string_view path);
  /// A number for `Node::link_group` that no node of this tree has.
  uint64_t new_link_group() { return ++last_link_group_; }
  /// Ensures that later groups differ from `group`.
  void reserve_link_group(uint64_t group) { last_link_group_ = std::max(last_link_group_, group); }

 private:
  Nodes nodes_;
  uint64_t last_link_group_ = 0;
};

/// `path` in the form that FileTree uses, with `.` and `..` resolved lexically and never above the root.
std::string normalise(std::string_view path);
/// Joins `a` and `b` to `a/b`; either may be empty.
std::string join_path(std::string_view directory, std::string_view name);
/// The path without its last component; empty at the top.
std::string_view directory_of(std::string_view path);
std::string_view name_of(std::string_view path);
/// True if `path` is `directory` or below it.
bool is_within(std::string_view path, std::string_view directory);

/// Calls `visit(path, node)` for the nodes below `directory` (all if it is empty), in order.
template <typename Visit>
void for_each_below(const FileTree& tree, std::string_view directory, Visit visit) {
  if (directory.empty()) {
    for (const auto& [path, node] : tree.nodes()) visit(path, node);
    return;
  }
  const std::string prefix = std::string(directory) + "/";
  for (auto it = tree.nodes().lower_bound(prefix); it != tree.nodes().end() && it->first.starts_with(prefix);
       ++it)
    visit(it->first, it->second);
}

/// The tree as text, one line per node in order, for tests and for people:
/// `TYPE MODE UID:GID MTIME PATH [-> TARGET | SIZE sha256:… | MAJOR,MINOR] [xattr NAME=HEX]…`.
std::string dump(const FileTree& tree);

}  // namespace minibuild::tree
