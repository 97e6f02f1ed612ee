// Whether a list of packages, as of a lock file, is what requests and dependencies make of it.
#pragma once

#include <string>
#include <vector>

#include "minibuild/packages/solve.h"

namespace minibuild::packages {

/// What a package needs and nothing gives.
struct Gap {
  std::string package;  // empty: it was asked for
  std::string needs;
};

struct Selection {
  std::vector<Gap> missing;
  std::vector<std::string> unneeded;  // names, in order
};

/// Looks at names alone, not at versions: a list that a solver made has neither gaps nor more than is needed.
/// `present` is what is there besides. Whatever could meet a dependency counts as needed, and so do essential
/// packages and those with install_if. Where a package is omitted, dependencies that nothing meets are no
/// gaps: what it would have provided is not known.
Selection examine_selection(const std::vector<const Facts*>& chosen, const std::vector<Facts>& present,
                            const std::vector<Request>& requests, Format format);

}  // namespace minibuild::packages
