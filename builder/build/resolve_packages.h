// From the packages that specs ask for to the sets of a lock file.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/lock.h"

namespace minibuild::build {

/// For whom packages are resolved.
struct PackageScope {
  std::vector<oci::Platform> images;
  std::vector<oci::Platform> machines;  // on which stages run: this one first
  /// The image is for no other platform than those of `images`.
  bool no_others = false;
};

struct ResolvedPackages {
  std::vector<project::LockedPackages> sets;  // by spec, stage, platform
  std::vector<std::string> changes;           // `libc6 2.36-1 -> 2.36-2`
  std::vector<std::string> warnings;
  std::vector<std::string> dropped;  // `the packages of the stage 'x' for linux/arm64`
};

/// The sets of a spec and of those that it stands on, for all of `scope`. Those of `before` that still fit
/// stay, unless `mode` is `update` and `update_names` is empty or names one of their sources or packages.
/// Sets for other platforms stay as they are if the spec asks for packages there. For specs below, their own
/// lock files are asked before anything is resolved. Throws Error at the spec's place, also for a set of
/// `before` whose packages cannot come from the spec's sources.
ResolvedPackages resolve_packages(const project::Project& project, const Options& options, LockMode mode,
                                  const PackageScope& scope,
                                  const std::vector<project::LockedPackages>& before,
                                  const std::vector<std::string>& update_names, store::Cache& cache);

/// What is wrong with the packages of the lock file `lock`, as far as that can be said without fetching
/// anything: sets that are missing or stale (rule `unpinned`, a warning), and packages that cannot come from
/// the spec's sources (rule `lock`, an error).
spec::Diagnostics examine_locked_packages(const project::Project& project, const Options& options,
                                          const project::Lock& lock, store::Cache& cache);

}  // namespace minibuild::build
