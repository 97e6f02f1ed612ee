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
  /// The bytes of a manifest, index or config; they are checked by the caller. Nothing if it is not there. Of
  /// a layout also index.json itself, by its digest: it is an index like others.
  virtual std::optional<std::string> document(const oci::Descriptor& want) const;
  /// Whether the content is there, unread.
  virtual bool holds(const oci::Descriptor& want) const = 0;
  /// The repository that it is, if it is one.
  virtual std::optional<oci::Reference> origin() const { return std::nullopt; }
  /// The paths of the layers' blobs, verified, in order.
  virtual std::vector<std::string> layers(const std::vector<oci::Descriptor>& wanted, Cache& cache) const;
};

/// Where a layout keeps it: `blobs/ALGORITHM/HEX` (image-layout.md).
std::string blob_name(const oci::Digest& digest);
/// The bytes of a manifest, index or config, checked against its descriptor. Throws Error saying what is
/// wrong, and that `namer` names it (if it is not empty).
std::string read_document(const BlobSource& source, const oci::Descriptor& want, const std::string& namer);

std::unique_ptr<BlobSource> open_directory(const std::string& directory);
/// Reads the archive's table of contents. What is compressed is decompressed into the cache first, for as
/// long as the result lives.
std::unique_ptr<BlobSource> open_tar(const std::string& path, const Cache& cache);

}  // namespace minibuild::store
