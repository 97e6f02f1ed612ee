// The directories that stages keep between builds.
#pragma once

#include <string>

#include "minibuild/store/cache.h"

namespace minibuild::build {

/// Removes a kept directory, including files in it that are owned by sandbox users. `helper` is the
/// executable for sandbox::run.
void remove_kept(const std::string& path, const store::Cache& cache, const std::string& helper);

}  // namespace minibuild::build
