// Where the blobs of one image are found: a layout's files, parts of an archive, a registry.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

/// An interface at the edge: files of a layout directory, entries of a tar, a repository.
class BlobSource {
 public:
  virtual ~BlobSource() = default;
  /// The bytes of a small file by its name in the layout, such as `index.json`; nothing if there is none.
  virtual std::optional<std::string> file(const std::string& name, size_t limit) const = 0;
  /// The path of a file with exactly the bytes of `name`, verified against `digest` where that is known.
  virtual std::string blob(const std::string& name, const std::optional<oci::Descriptor>& want, Cache& cache,
                           oci::Digest* digest) const = 0;
  /// The bytes of a manifest, index or config; they are checked by the caller. Nothing if it is not there.
  virtual std::optional<std::string> document(const oci::Descriptor& want) const;
  /// The paths of the layers' blobs, verified, in order.
  virtual std::vector<std::string> layers(const std::vector<oci::Descriptor>& wanted, Cache& cache) const;
};

std::unique_ptr<BlobSource> open_directory(const std::string& directory);
/// Reads the archive's table of contents. Compressed archives are refused.
std::unique_ptr<BlobSource> open_tar(const std::string& path);

}  // namespace minibuild::store
