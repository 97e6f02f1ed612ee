// Directories of the machine as trees.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// The directory's content below `place` in the tree, which the directory itself is not in: nodes with the
/// modes, owners and times that they have on disk. `ignore` is asked about paths that begin with `prefix`,
/// the directory's own path below the place that the patterns are relative to. Symbolic links are never
/// followed; sockets are left out. Throws Error for what cannot be read.
void scan_directory(const std::string& directory, const tree::IgnoreList& ignore, const std::string& prefix,
                    const std::string& place, tree::FileTree& into);

/// What `st` tells of the file at `path` as node, its bytes in the state that was seen; `target` is a link's.
/// Nothing for a socket. The node is in no link group.
std::optional<tree::Node> node_of(const struct stat& st, std::string target, const std::string& path);

/// Numbers for the files of one tree that have several names: one file is a device and an inode.
class LinkGroups {
 public:
  /// 0 for a file with one name, and for all that is no file.
  uint64_t of(const struct stat& st, tree::FileTree& tree);

 private:
  std::map<std::pair<dev_t, ino_t>, uint64_t> groups_;
};

/// One path of the machine as node; nothing if it is not there.
std::optional<tree::Node> scan_path(const std::string& path);

}  // namespace minibuild::build
