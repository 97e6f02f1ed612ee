// Packages in a lock file as values: fetched, verified, read, kept in the cache.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/packages/install.h"

namespace minibuild::build {

/// The format of a spec's packages.
packages::Format format_of(const spec::Spec& spec);
/// The platform in the terms of a package format: amd64, x86_64 …; throws Error if the format has no term for
/// it.
std::string architecture_of(const oci::Platform& platform, packages::Format format);

/// Returns true if there is something to resolve: entries other than those for all packages.
bool has_packages(const std::vector<spec::PackageEntry>& entries);
/// How a lock file records the entries and sources.
std::vector<std::string> request_texts(const std::vector<spec::PackageEntry>& entries);
std::vector<std::string> source_texts(const spec::Spec& spec);

/// The set for a stage, or for the image if `stage` is empty; null if none matches.
const project::LockedPackages* find_set(const std::vector<project::LockedPackages>& sets,
                                        const std::string& spec, const std::string& stage,
                                        const oci::Platform& platform);

/// Returns true if the package was read before, so that nothing must be fetched.
bool is_package_cached(const project::LockedPackage& locked, store::Cache& cache);

/// Fetches what is not in the cache, several in parallel, and reads the packages. Throws Error naming the
/// package.
std::vector<packages::Package> load_packages(const std::vector<project::LockedPackage>& locked,
                                             packages::Format format, store::Cache& cache,
                                             const Registries& registries);

/// What is superfluous or missing in a lock file's set, such as `'app' needs 'musl', which is not there`;
/// std::nullopt if it matches the entries. `facts` are those of its packages, `present` those of what is
/// installed besides; without `present`, only superfluous packages are reported.
std::optional<std::string> wrong_selection(const std::vector<const packages::Facts*>& facts,
                                           const std::optional<std::vector<packages::Facts>>& present,
                                           const std::vector<spec::PackageEntry>& entries,
                                           packages::Format format);
/// The facts of a set's packages if nothing must be fetched for them; std::nullopt otherwise.
std::optional<std::vector<packages::Facts>> known_facts(const project::LockedPackages& set,
                                                        packages::Format format, store::Cache& cache);

/// The packages of an image, or of the given stage, installed over `base`: as locked, and fetched if the
/// cache lacks them. std::nullopt if the spec has none there. A stage's packages are unpacked, and their
/// scripts are still to be run.
struct Packaged {
  packages::Installation installation;
  std::vector<std::string> names;  // by the installation's indexes
  std::string id;                  // identifies everything that it is made from
  std::vector<packages::Package> packages;
};
std::optional<Packaged> add_packages(const project::Project& project, const project::SpecFile& file,
                                     const spec::Stage* stage, const oci::Platform& platform,
                                     const tree::FileTree& base, int64_t epoch, const Options& options,
                                     store::Cache& cache);

/// Applies the groups to a tree, in order.
void put_groups(const packages::Installation& installation, tree::FileTree& tree);
/// The same, and removes the files of older versions of the base's packages.
void put_packages(const packages::Installation& installation, tree::FileTree& tree);

/// The key under which the cache records the indexes that packages were resolved from.
base::Hash indexes_key(const std::string& source_text, const std::string& architecture);
/// The package in the sources that most likely provides a shared library: apk by `so:`, deb by Debian's
/// naming of library packages. Empty if unknown or if no index is in the cache.
std::string package_with_library(const std::string& library, const Options& options, store::Cache& cache);

}  // namespace minibuild::build
