// What an image's programs need but would not find: libraries, symbol versions, loaders, the right processor.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/store/cache.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/trust/policy.h"

namespace minibuild::build {

/// An image to examine.
struct LibrarySubject {
  const oci::ImageConfig& config;
  const tree::FileTree& tree;
  const tree::FileTree& below;        // files unchanged from here are examined only if they are started
  std::vector<std::string> search{};  // the directories of `closure`
  bool all = true;                    // examine every other ELF file too, not just what is started
};

/// Returns violations of `missing-library` and `architecture`; those in what the image starts come first and
/// are errors. `supplier` returns the package that provides a library, if known. Results are remembered by
/// diff IDs and by the parts of the config that determine what is started.
std::vector<trust::Violation> examine_libraries(
    const LibrarySubject& subject, store::Cache& cache,
    const std::function<std::string(const std::string& library)>& supplier);

}  // namespace minibuild::build
