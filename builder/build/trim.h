// Removes what an image does not need.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/build/started.h"
#include "minibuild/build/build.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

/// What determines how a tree is trimmed.
struct TrimSubject {
  const spec::Spec& spec;
  const StartedCommand& command;                // of the finished image
  const std::map<std::string, size_t>& owners;  // path to the index of a package in `names`
  const std::vector<std::string>& names;
  const std::set<std::string>& written;  // paths that the spec itself copied or wrote
  const tree::FileTree& base;
};

/// Removes from `tree` the files of packages that `keep` does not name and that neither the command nor a
/// copied or kept program needs: as interpreter, as library, through a link, or as a command in a shell
/// script. What the spec itself put there always stays, as do os-release and the copyright files of packages
/// that stay; databases lose the packages that are removed.
Trimmed trim(const TrimSubject& subject, tree::FileTree& tree);

}  // namespace minibuild::build
