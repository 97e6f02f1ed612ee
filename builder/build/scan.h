// The machine's directories as trees.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// Adds the directory's content below `place` in the tree, without the directory itself: nodes with the
/// modes, owners and times that they have on disk. `ignore` is matched against paths that start with
/// `prefix`, the directory's own path relative to the root of the patterns. Symbolic links are never
/// followed; sockets are skipped. Throws Error for anything that cannot be read.
void scan_directory(const std::string& directory, const tree::IgnoreList& ignore, const std::string& prefix,
                    const std::string& place, tree::FileTree& into);

/// The file at `path`, described by `st`, as a node whose bytes are those of the observed state; `target` is
/// a symlink's target. std::nullopt for a socket. The node is in no link group.
std::optional<tree::Node> node_of(const struct stat& st, std::string target, const std::string& path);

/// Numbers the files of one tree that have several names; a file is identified by device and inode.
class LinkGroups {
 public:
  /// Returns 0 for a file with one name, and for anything that is not a file.
  uint64_t of(const struct stat& st, tree::FileTree& tree);

 private:
  std::map<std::pair<dev_t, ino_t>, uint64_t> groups_;
};

/// One path of the machine as a node; std::nullopt if it does not exist.
std::optional<tree::Node> scan_path(const std::string& path);

}  // namespace minibuild::build
