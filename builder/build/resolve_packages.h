// From what a spec asks for to packages with hashes: signed indexes, the solver, the lock file.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/lock.h"

namespace minibuild::build {

struct ResolvedPackages {
  std::vector<LockedPackages> sets;  // by spec, stage, platform
  std::vector<std::string> changes;  // `libc6 2.36-1 -> 2.36-2`
};

/// The sets of a spec and of those that it stands on, for all platforms. Those of `before` that still fit
/// stay, unless `mode` is `update` and `update_names` is empty or names one of their sources or packages. For
/// specs below, their own lock files are asked before anything is resolved. Throws Error at the spec's place.
ResolvedPackages resolve_packages(const std::string& spec_path, const Options& options, LockMode mode,
                                  const std::vector<LockedPackages>& before,
                                  const std::vector<std::string>& update_names, store::Cache& cache);

}  // namespace minibuild::build
