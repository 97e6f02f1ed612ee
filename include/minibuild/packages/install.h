// Packages into trees, as values: nothing is unpacked and no script runs.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "minibuild/packages/facts.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::packages {

struct Package {
  Facts facts;
  PackageFile file;
  tree::FileTree tree;  // its data as it is in the package
};

/// Which files of a package are taken: those that match `only` (all if empty) and not `except`. Globs are
/// from the root; the words `docs`, `man` and `locales` stand for what their names say (copyright files
/// stay).
struct Choice {
  std::string package;  // `*`: of all packages
  std::vector<std::string> only;
  std::vector<std::string> except;
};
/// False for files that a choice leaves out.
bool is_chosen(const std::vector<Choice>& choices, const std::string& package, const std::string& path);

struct Settings {
  Format format = Format::deb;
  std::string architecture;         // in the format's words, as `amd64`
  int64_t epoch = 0;                // files keep their mtime, at most this one if it is not 0
  bool full_database = false;       // deb: var/lib/dpkg/status and info/ in the place of status.d
  std::string state = "installed";  // in that database; `unpacked` before scripts have run
  std::vector<Choice> choices;
  std::vector<std::string> world;  // apk: what was asked for
};

/// What becomes one layer.
struct Group {
  std::string label;             // `glibc: libc6 2.41-12`
  std::vector<size_t> packages;  // numbers in the list that was given
  tree::FileTree tree;  // with all parents; directories have mtime 0, so that equal groups are equal layers
};

struct Installation {
  std::vector<Group> groups;             // at most 8, in the order of the layers
  std::map<std::string, size_t> owners;  // of paths that are not directories: the number of the package
  std::vector<std::string> removed;      // paths of packages of the base that were replaced by newer ones
  std::vector<std::string> warnings;     // what scripts would have done and is not done natively
};

/// Lays packages over `base`. Packages of one source make a group, the largest alone, the others in one; what
/// maintainer scripts would have made (docs/packages.md) and databases of all packages are in the last one. A
/// path below a link to a directory lands in that directory. Throws Error if two packages have different
/// things at one path and neither replaces the other.
Installation install(const tree::FileTree& base, const std::vector<Package>& packages,
                     const Settings& settings);

/// The numbers of the packages, each after those that it depends on; circles are cut somewhere.
std::vector<size_t> dependency_order(const std::vector<Package>& packages, Format format);

/// The packages that an image's databases name: dpkg's status and status.d, apk's installed.
std::vector<Facts> installed_packages(const tree::FileTree& tree, Format format);

/// The same with the paragraph or record itself, for what the facts leave out.
struct InstalledRecord {
  Facts facts;
  std::string text;
};
std::vector<InstalledRecord> installed_records(const tree::FileTree& tree, Format format);

/// The paths that the packages' own lists name: lists and hashes of dpkg and status.d, apk's database. Links
/// of their parents are followed.
std::set<std::string> packaged_files(const tree::FileTree& tree);

/// `NAME VERSION` of the package to which apk's database gives the path; empty if it has none.
std::string apk_owner(const tree::FileTree& tree, const std::string& path);

/// What a tree says it is made of: which format its package databases have.
bool has_database(const tree::FileTree& tree, Format format);

}  // namespace minibuild::packages
