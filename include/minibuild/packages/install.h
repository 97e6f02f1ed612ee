// Installs packages into trees, as values: nothing is unpacked and no scripts run.
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
  tree::FileTree tree;  // its data as contained in the package
};

/// Which files of a package are installed: those that match `only` (all if empty) and do not match `except`.
/// Globs are relative to the root; the words `docs`, `man` and `locales` stand for the files they name
/// (copyright files are kept).
struct Choice {
  std::string package;  // `*`: all packages
  std::vector<std::string> only;
  std::vector<std::string> except;
};
/// Returns false for files that a choice excludes.
bool is_chosen(const std::vector<Choice>& choices, const std::string& package, const std::string& path);

struct Settings {
  Format format = Format::deb;
  std::string architecture;         // in the format's terms, such as `amd64`
  int64_t epoch = 0;                // files keep their mtime, capped at this one unless it is 0
  bool full_database = false;       // deb: var/lib/dpkg/status and info/ instead of status.d
  std::string state = "installed";  // in that database; `unpacked` before scripts have run
  std::vector<Choice> choices;
  std::vector<std::string> world;  // apk: the requested packages
};

/// The contents of one layer.
struct Group {
  std::string label;             // `glibc: libc6 2.41-12`
  std::vector<size_t> packages;  // indexes into the given list
  tree::FileTree tree;  // with all parents; directories have mtime 0, so that equal groups give equal layers
};

struct Installation {
  std::vector<Group> groups;             // at most 8, in layer order
  std::map<std::string, size_t> owners;  // path (not of a directory) to package index
  std::vector<std::string> removed;      // paths of base packages that were replaced by newer ones
  std::vector<std::string> warnings;     // what scripts would have done and is not done natively
};

/// Installs packages over `base`. Packages from the same source package form a group; the largest groups get
/// layers of their own, the others share one. The last group holds what maintainer scripts would have
/// generated (docs/packages.md) and the databases of all packages. A path below a symlink to a directory
/// lands in that directory. Throws Error if two packages have different content at the same path and neither
/// replaces the other.
Installation install(const tree::FileTree& base, const std::vector<Package>& packages,
                     const Settings& settings);

/// The indexes of the packages, each after its dependencies; cycles are broken at some point.
std::vector<size_t> dependency_order(const std::vector<Package>& packages, Format format);

/// The packages listed in an image's databases: dpkg's status and status.d, apk's installed.
std::vector<Facts> installed_packages(const tree::FileTree& tree, Format format);

/// The same with the paragraph or record itself, for details that the facts omit.
struct InstalledRecord {
  Facts facts;
  std::string text;
};
std::vector<InstalledRecord> installed_records(const tree::FileTree& tree, Format format);

/// The paths listed by the packages themselves: dpkg's and status.d's file lists and hashes, apk's database.
/// Symlinks in parent directories are followed.
std::set<std::string> packaged_files(const tree::FileTree& tree);

/// `NAME VERSION` of the package that owns the path according to apk's database; empty if there is none.
std::string apk_owner(const tree::FileTree& tree, const std::string& path);

/// Whether the tree has a package database of this format.
bool has_database(const tree::FileTree& tree, Format format);

}  // namespace minibuild::packages
