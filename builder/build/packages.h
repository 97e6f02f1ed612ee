// Packages of a lock file as values: fetched, verified, read, kept in the cache.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/packages/install.h"

namespace minibuild::build {

/// The format of a spec's packages.
packages::Format format_of(const spec::Spec& spec);
/// The platform in the words of a package format: amd64, x86_64 …; throws Error for one that it has no word
/// for.
std::string architecture_of(const oci::Platform& platform, packages::Format format);

/// True if there is something to resolve: entries besides those for all packages.
bool has_packages(const std::vector<spec::PackageEntry>& entries);
/// What a lock file notes of the entries and sources.
std::vector<std::string> request_texts(const std::vector<spec::PackageEntry>& entries);
std::vector<std::string> source_texts(const spec::Spec& spec);

/// The set for a stage, or for the image if `stage` is empty; null if there is none that fits.
const project::LockedPackages* find_set(const std::vector<project::LockedPackages>& sets,
                                        const std::string& spec, const std::string& stage,
                                        const oci::Platform& platform);

/// True if the package was read before, so that nothing is to be fetched.
bool is_package_cached(const project::LockedPackage& locked, store::Cache& cache);

/// Fetches what the cache lacks, several at once, and reads the packages. Throws Error naming the package.
std::vector<packages::Package> load_packages(const std::vector<project::LockedPackage>& locked,
                                             packages::Format format, store::Cache& cache,
                                             const Registries& registries);

/// What a set of a lock file has too much or lacks: `'app' needs 'musl', which is not there`; nothing if it
/// is what the entries make of it. `facts` are those of its packages, `present` those of what is there
/// besides; without those only what is too much is told.
std::optional<std::string> wrong_selection(const std::vector<const packages::Facts*>& facts,
                                           const std::optional<std::vector<packages::Facts>>& present,
                                           const std::vector<spec::PackageEntry>& entries,
                                           packages::Format format);
/// The facts of a set's packages as far as nothing has to be fetched; nothing otherwise.
std::optional<std::vector<packages::Facts>> known_facts(const project::LockedPackages& set,
                                                        packages::Format format, store::Cache& cache);

/// The packages of an image, or of the stage whose name is given, over `base`: as the lock says, fetched if
/// the cache lacks them. Nothing if the spec has none there. Those of a stage are unpacked, and wait for
/// their scripts.
struct Packaged {
  packages::Installation installation;
  std::vector<std::string> names;  // by the installation's numbers
  std::string id;                  // names all that it is made of
  std::vector<packages::Package> packages;
};
std::optional<Packaged> add_packages(const project::Project& project, const project::SpecFile& file,
                                     const spec::Stage* stage, const oci::Platform& platform,
                                     const tree::FileTree& base, int64_t epoch, const Options& options,
                                     store::Cache& cache);

/// Lays the groups into a tree, each over those before it.
void put_groups(const packages::Installation& installation, tree::FileTree& tree);
/// The same, and takes out what older versions of the base's packages had.
void put_packages(const packages::Installation& installation, tree::FileTree& tree);

/// Which of the indexes that packages were resolved from are in the cache, under this key.
base::Hash indexes_key(const std::string& source_text, const std::string& architecture);
/// The package of the sources that most likely has a shared library: apk by `so:`, deb by Debian's naming of
/// library packages. Empty if none is known or no index is in the cache.
std::string package_with_library(const std::string& library, const Options& options, store::Cache& cache);

}  // namespace minibuild::build
