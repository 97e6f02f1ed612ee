// Checks whether a list of packages, such as a lock file's, matches the requests and dependencies.
#pragma once

#include <string>
#include <vector>

#include "minibuild/packages/solve.h"

namespace minibuild::packages {

/// A dependency that no package provides.
struct Gap {
  std::string package;  // empty: it was requested
  std::string needs;
};

struct Selection {
  std::vector<Gap> missing;
  std::vector<std::string> unneeded;  // names, in order
};

/// Considers names only, not versions: a list made by a solver has no gaps and nothing superfluous. `present`
/// is what is installed besides. Everything that could satisfy a dependency counts as needed, and so do
/// essential packages and those with install_if. If a package is omitted, unsatisfied dependencies are not
/// gaps: what it would have provided is unknown.
Selection examine_selection(const std::vector<const Facts*>& chosen, const std::vector<Facts>& present,
                            const std::vector<Request>& requests, Format format);

}  // namespace minibuild::packages
