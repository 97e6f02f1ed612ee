// What an image's programs need and would not find: libraries, symbol versions, loaders, the right processor.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/store/cache.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/trust/policy.h"

namespace minibuild::build {

/// An image to look at.
struct LibrarySubject {
  const oci::ImageConfig& config;
  const tree::FileTree& tree;
  const tree::FileTree& below;        // what is the same there is looked at only as far as it is started
  std::vector<std::string> search{};  // directories of `closure`
  bool all = true;                    // besides what is started, every other ELF file
};

/// Violations of `missing-library` and `architecture`; those of what the image starts come first and are
/// errors. `supplier` names the package that has a library, if one is known. Remembered by diff ids and by
/// what the config says of starting.
std::vector<trust::Violation> examine_libraries(
    const LibrarySubject& subject, store::Cache& cache,
    const std::function<std::string(const std::string& library)>& supplier);

}  // namespace minibuild::build
