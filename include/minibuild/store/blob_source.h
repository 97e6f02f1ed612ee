// Where the blobs of one image on disk are found: a layout's files, or parts of an archive.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

/// An interface at the edge: files of a layout directory or entries of a tar.
class BlobSource {
 public:
  virtual ~BlobSource() = default;
  /// The bytes of a small file by its name in the layout, such as `index.json`; nothing if there is none.
  virtual std::optional<std::string> file(const std::string& name, size_t limit) const = 0;
  /// The path of a file with exactly the bytes of `name`, verified against `digest` where that is known.
  virtual std::string blob(const std::string& name, const std::optional<oci::Descriptor>& want, Cache& cache,
                           oci::Digest* digest) const = 0;
};

std::unique_ptr<BlobSource> open_directory(const std::string& directory);
/// Reads the archive's table of contents. Compressed archives are refused.
std::unique_ptr<BlobSource> open_tar(const std::string& path);

}  // namespace minibuild::store
