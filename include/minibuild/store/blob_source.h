// Where the blobs of one image are found: files of a layout, entries of an archive, a registry.
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
  /// The bytes of a small file by its name in the layout, such as `index.json`; std::nullopt if it does not
  /// exist.
  virtual std::optional<std::string> file(const std::string& name, size_t limit) const = 0;
  /// The path of a file with exactly the bytes of `name`, verified against `want` if that is given. Sets
  /// `digest`.
  virtual std::string blob(const std::string& name, const std::optional<oci::Descriptor>& want, Cache& cache,
                           oci::Digest* digest) const = 0;
  /// The bytes of a manifest, index or config, which the caller must check; std::nullopt if it does not
  /// exist. For a layout this also finds index.json itself, by its digest: it is an index like any other.
  virtual std::optional<std::string> document(const oci::Descriptor& want) const;
  /// Whether the content exists; does not read it.
  virtual bool holds(const oci::Descriptor& want) const = 0;
  /// The repository behind this source, if it is one.
  virtual std::optional<oci::Reference> origin() const { return std::nullopt; }
  /// The paths of the layers' blobs, verified, in order.
  virtual std::vector<std::string> layers(const std::vector<oci::Descriptor>& wanted, Cache& cache) const;
};

/// The blob's path in a layout: `blobs/ALGORITHM/HEX` (image-layout.md).
std::string blob_name(const oci::Digest& digest);
/// The bytes of a manifest, index or config, checked against its descriptor. Throws Error saying what is
/// wrong and, unless `namer` is empty, that `namer` names it.
std::string read_document(const BlobSource& source, const oci::Descriptor& want, const std::string& namer);

std::unique_ptr<BlobSource> open_directory(const std::string& directory);
/// Reads the archive's table of contents. A compressed archive is first decompressed into the cache, for as
/// long as the result lives.
std::unique_ptr<BlobSource> open_tar(const std::string& path, const Cache& cache);

}  // namespace minibuild::store
