// Taking away what an image does not need.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/build/started.h"
#include "minibuild/build/build.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

/// What a tree is trimmed by.
struct TrimSubject {
  const spec::Spec& spec;
  const StartedCommand& command;                // of the finished image
  const std::map<std::string, size_t>& owners;  // path to the number of a package in `names`
  const std::vector<std::string>& names;
  const std::set<std::string>& written;  // paths that the spec itself copied or wrote
  const tree::FileTree& base;
};

/// Takes out of `tree` the files of packages that neither `keep` names nor the command, a copied program or a
/// kept one needs: by its interpreter, its libraries, a link, the commands of a shell script. What the spec
/// itself put there stays wherever it is, as do os-release and the copyright files of packages that stay;
/// databases lose the packages that go.
Trimmed trim(const TrimSubject& subject, tree::FileTree& tree);

}  // namespace minibuild::build
