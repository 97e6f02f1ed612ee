// Writing images to disk in every form. A destination appears complete or stays as it was.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "minibuild/base/file.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/graph.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

/// What there is to write.
struct Product {
  const ImageSet* set = nullptr;
  std::vector<oci::Reference> names;     // for tags
  const tree::FileTree* tree = nullptr;  // merged, for tar: and dir:; null if there are several platforms
  int64_t mtime = 0;                     // of what archives hold besides layers
  /// What layouts, archives of them and registries get in the place of `set`, as it is.
  const Graph* graph = nullptr;
};

/// The graph of what is written: the product's own, or that of its images in `made`.
const Graph& graph_of(const Product& product, Graph& made);

/// Writes to one destination:
/// - `oci:DIR[:TAG]` adds to a layout that is there or makes one; an image with the same tag is replaced in
/// index.json;
/// - `oci-archive:FILE[:TAG]`, `docker-archive:FILE`, `tar:FILE` replace the file;
/// - `dir:DIR` makes the directory, or replaces one that minibuild made; owners are set only for root.
/// Throws Error `cannot write DEST: cause`; then the destination is as it was.
void write_output(const oci::ImageLocation& destination, const Product& product, Cache& cache);

/// Says what is wrong with a destination before any work is done: throws Error as `write_output` would.
void check_output(const oci::ImageLocation& destination);

/// Waits until nobody else writes to the layout, and keeps others waiting until the result is destroyed. The
/// lock is on the directory itself and leaves nothing behind. What killed writers left is removed.
base::Fd lock_layout(const std::string& directory);

struct LayoutCleaning {
  size_t blobs = 0;    // removed
  uint64_t freed = 0;  // bytes
};
/// Puts `index_json` in the place of index.json, whole or not at all, then removes the blobs that are not
/// `needed`. The caller holds the layout's lock.
LayoutCleaning clean_layout(const std::string& directory, const std::string& index_json,
                            const std::set<oci::Digest>& needed);

}  // namespace minibuild::store
