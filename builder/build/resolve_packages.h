// Resolves the packages that specs request into the sets of a lock file.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/lock.h"

namespace minibuild::build {

/// The platforms for which packages are resolved.
struct PackageScope {
  std::vector<oci::Platform> images;
  std::vector<oci::Platform> machines;  // on which stages run: this one first
  /// The image is for no platforms other than `images`.
  bool no_others = false;
};

struct ResolvedPackages {
  std::vector<project::LockedPackages> sets;  // by spec, stage, platform
  std::vector<std::string> changes;           // `libc6 2.36-1 -> 2.36-2`
  std::vector<std::string> warnings;
  std::vector<std::string> dropped;  // `the packages of the stage 'x' for linux/arm64`
};

/// The sets of a spec and of the specs that it is based on, for all of `scope`. Sets in `before` that still
/// match are kept, unless `mode` is `update` and `update_names` is empty or contains one of their sources or
/// packages. Sets for other platforms are kept if the spec requests packages there. For specs below, their
/// own lock files are consulted before anything is resolved. Throws Error located in the spec, also if
/// packages of a set in `before` cannot come from the spec's sources.
ResolvedPackages resolve_packages(const project::Project& project, const Options& options, LockMode mode,
                                  const PackageScope& scope,
                                  const std::vector<project::LockedPackages>& before,
                                  const std::vector<std::string>& update_names, store::Cache& cache);

/// What is wrong with the packages in the lock file `lock`, as far as this can be determined without fetching
/// anything: sets that are missing or stale (rule `unpinned`, a warning), and packages that cannot come from
/// the spec's sources (rule `lock`, an error).
spec::Diagnostics examine_locked_packages(const project::Project& project, const Options& options,
                                          const project::Lock& lock, store::Cache& cache);

}  // namespace minibuild::build
