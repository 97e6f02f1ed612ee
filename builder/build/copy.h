// The keys that put things into a tree: copy, files, accounts, remove.
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

/// The directory beside the spec, with its ignore file; read once, as far as it is needed.
class LocalSource {
 public:
  explicit LocalSource(const project::SpecFile& file);
  /// The selected files of one `copy` entry as a root in which `from` has the same name as in the spec.
  Root select(const spec::Copy& copy) const;

 private:
  const project::SpecFile& file_;
  tree::IgnoreList ignore_;
  std::string ignore_name_;    // of the file; empty if there is none
  std::string ignore_errors_;  // rendered
};

/// Where in `root` the entry begins to take, and the pattern of what it takes below (empty: that place).
tree::GlobPlace source_place(const spec::Copy& copy, Root& root);

/// Where a copied node came from, as the spec's reader knows it: `src/main.c`, `stage build: /out/app`.
struct CopyOrigin {
  std::string path;  // in the target tree
  std::string source;
};

/// The closure of one `copy` entry, to be worked out when everything is in place.
struct PendingClosure {
  const spec::Copy& copy;
  Root root;
  std::vector<tree::ClosureStart> starts;
};

/// What putting things into a tree needs to know.
struct Target {
  const project::SpecFile& file;
  tree::FileTree& tree;
  int64_t mtime = 0;
  tree::Accounts accounts;                     // for owners by name
  std::vector<CopyOrigin>* origins = nullptr;  // filled if given
  std::set<std::string>* written = nullptr;    // filled if given: every path that the spec itself puts there
  std::vector<PendingClosure> closures{};      // of the entries so far
};

/// Copies what `copy` selects of `root`. Throws an Error at the entry's place in the spec if nothing is
/// there. A closure is left for `apply_closures`; `copy` has to live until then.
void apply_copy(const spec::Copy& copy, Root root, Target& target);
void apply_files(const std::vector<spec::FileEntry>& files, Target& target);
/// Brings the libraries that `copy` entries with `closure` need and the tree, as it is now, does not have.
void apply_closures(Target& target);
/// Adds the spec's accounts to the tree's /etc/passwd and /etc/group; the lines that are there stay as they
/// are.
void apply_accounts(const spec::Spec& spec, Target& target);
/// The accounts that owners and `user` are looked up in.
tree::Accounts all_accounts(const tree::FileTree& tree, const project::SpecFile& file);
/// Takes out what the globs match; those that match nothing are given back.
std::vector<std::string> apply_remove(const std::vector<std::string>& globs, tree::FileTree& tree);

/// Why no image can have this path, whose directories can be there; empty if it can.
std::string why_not_in_image(std::string_view path);

}  // namespace minibuild::build
