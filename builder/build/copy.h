// The keys that modify a tree: copy, files, accounts, remove.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "builder/build/root.h"
#include "minibuild/project/spec_file.h"
#include "minibuild/tree/accounts.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::build {

/// The directory of the spec, with its ignore file; read once, and only as far as needed.
class LocalSource {
 public:
  explicit LocalSource(const project::SpecFile& file);
  /// The files that one `copy` entry selects, as a root in which `from` has the same name as in the spec.
  Root select(const spec::Copy& copy) const;

 private:
  const project::SpecFile& file_;
  tree::IgnoreList ignore_;
  std::string ignore_name_;    // of the file; empty if there is none
  std::string ignore_errors_;  // rendered
};

/// The path in `root` from which the entry copies, and the pattern of what it copies below that (empty: the
/// path itself).
tree::GlobPlace source_place(const spec::Copy& copy, Root& root);

/// Where a copied node came from, in the terms of the spec: `src/main.c`, `stage build: /out/app`.
struct CopyOrigin {
  std::string path;  // in the target tree
  std::string source;
};

/// The closure of one `copy` entry, to be computed when everything is in place.
struct PendingClosure {
  const spec::Copy& copy;
  Root root;
  std::vector<tree::ClosureStart> starts;
};

/// The tree that is modified, and its context.
struct Target {
  const project::SpecFile& file;
  tree::FileTree& tree;
  int64_t mtime = 0;
  tree::Accounts accounts;                     // for owners by name
  std::vector<CopyOrigin>* origins = nullptr;  // filled if given
  std::set<std::string>* written = nullptr;    // filled if given: every path that the spec itself creates
  std::vector<PendingClosure> closures{};      // of the entries so far
};

/// Copies what `copy` selects from `root`. Throws an Error at the entry's position in the spec if nothing
/// matches. A closure is left to `apply_closures`; `copy` must live until then.
void apply_copy(const spec::Copy& copy, Root root, Target& target);
void apply_files(const std::vector<spec::FileEntry>& files, Target& target);
/// Adds the libraries that `copy` entries with `closure` need and that the tree, as it is now, lacks.
void apply_closures(Target& target);
/// Adds the spec's accounts to the tree's /etc/passwd and /etc/group; existing lines are unchanged.
void apply_accounts(const spec::Spec& spec, Target& target);
/// The accounts in which owners and `user` are looked up.
tree::Accounts all_accounts(const tree::FileTree& tree, const project::SpecFile& file);
/// Removes what the globs match; returns the globs that match nothing.
std::vector<std::string> apply_remove(const std::vector<std::string>& globs, tree::FileTree& tree);

/// Why no image can contain this path, assuming that its directories are valid; empty if one can.
std::string why_not_in_image(std::string_view path);

}  // namespace minibuild::build
