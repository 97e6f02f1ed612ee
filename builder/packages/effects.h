// What maintainer scripts would have done, done natively.
#pragma once

#include <string>
#include <vector>

#include "minibuild/packages/install.h"

namespace minibuild::packages {

/// Looks at the whole tree with all packages in it and puts what their scripts would have made into `made`.
void apply_effects(const tree::FileTree& whole, const std::vector<Package>& packages,
                   const Settings& settings, tree::FileTree& made, std::vector<std::string>& warnings);

}  // namespace minibuild::packages
