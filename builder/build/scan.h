// Directories of the machine as trees.
#pragma once

#include <string>

#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// The directory's content below `place` in the tree, which the directory itself is not in: nodes with the
/// modes, owners and times that they have on disk. `ignore` is asked about paths that begin with `prefix`,
/// the directory's own path below the place that the patterns are relative to. Symbolic links are never
/// followed; sockets are left out. Throws Error for what cannot be read.
void scan_directory(const std::string& directory, const tree::IgnoreList& ignore, const std::string& prefix,
                    const std::string& place, tree::FileTree& into);

/// One path of the machine as node; nothing if it is not there.
std::optional<tree::Node> scan_path(const std::string& path);

}  // namespace minibuild::build
