// Taking away what an image does not need, and finding what it needs and has not.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

struct Trimmed {
  size_t files = 0;
  uint64_t bytes = 0;
  std::vector<std::string> packages;  // of which nothing stays, by name
};

/// Takes out of `tree` the files of packages (`owners`: path to the number of a package in `names`) that
/// neither `keep` names nor the entrypoint, a copied program or a kept one needs: by its interpreter and its
/// libraries. Copyright files of packages that stay are kept; databases lose the packages that go.
Trimmed trim(const spec::Spec& spec, const std::vector<std::string>& entrypoint,
             const std::map<std::string, size_t>& owners, const std::vector<std::string>& names,
             const tree::FileTree& base, tree::FileTree& tree);

/// A line `LIBRARY PATH` for each library or interpreter that a program of `tree` needs and does not find
/// there. Programs that `below` has in the same state are not looked at.
std::vector<std::string> missing_libraries(const tree::FileTree& tree, const tree::FileTree& below);

}  // namespace minibuild::build
