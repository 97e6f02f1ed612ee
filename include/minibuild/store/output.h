// Writing images to disk in every form. A destination appears complete or stays unchanged.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "minibuild/base/file.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/graph.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

/// What to write.
struct Product {
  const ImageSet* set = nullptr;
  std::vector<oci::Reference> names;     // for tags
  const tree::FileTree* tree = nullptr;  // merged, for tar: and dir:; null if there are several platforms
  int64_t mtime = 0;                     // of what archives hold besides layers
  /// Written as it is, instead of `set`, to layouts, archives of layouts and registries.
  const Graph* graph = nullptr;
};

/// The graph to write: the product's own, or that of its images, stored in `made`.
const Graph& graph_of(const Product& product, Graph& made);

/// Writes to one destination:
/// - `oci:DIR[:TAG]` adds to an existing layout or creates one; an image with the same tag is replaced in
///   index.json;
/// - `oci-archive:FILE[:TAG]`, `docker-archive:FILE`, `tar:FILE` replace the file;
/// - `dir:DIR` creates the directory, or replaces one that minibuild made; owners are set only when run as
///   root.
/// Throws Error `cannot write DEST: cause`; the destination is then unchanged.
void write_output(const oci::ImageLocation& destination, const Product& product, Cache& cache);

/// Checks a destination before any work is done: throws Error as `write_output` would.
void check_output(const oci::ImageLocation& destination);

/// Waits until nobody else is writing to the layout, and keeps others waiting until the result is destroyed.
/// The lock is on the directory itself and leaves nothing behind. Removes what killed writers left.
base::Fd lock_layout(const std::string& directory);

struct LayoutCleaning {
  size_t blobs = 0;    // removed
  uint64_t freed = 0;  // bytes
};
/// Replaces index.json with `index_json`, all or nothing, then removes the blobs that are not `needed`. The
/// caller holds the layout's lock.
LayoutCleaning clean_layout(const std::string& directory, const std::string& index_json,
                            const std::set<oci::Digest>& needed);

}  // namespace minibuild::store
