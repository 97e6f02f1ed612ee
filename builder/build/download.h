// Files from servers as inputs: fetched once, kept in the cache under their digest, unpacked on request.
#pragma once

#include "builder/build/root.h"
#include "minibuild/build/images.h"
#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// Size limit, in bytes, if nothing else says how large a file may be.
inline constexpr uint64_t max_download = uint64_t{32} << 30;

/// A download with its size.
struct Downloaded {
  oci::Digest digest;
  uint64_t size = 0;
};

/// Returns the download if its digest is known and it is in the cache.
std::optional<Downloaded> find_download(const spec::Download& download, store::Cache& cache,
                                        const Registries& registries);

/// Brings a download into the cache unless it is already there. Its digest must be the spec's, else the one
/// in `registries.pinned`; otherwise any digest is accepted. Throws Error `cannot fetch URL: cause`.
Downloaded fetch_download(const spec::Download& download, store::Cache& cache, const Registries& registries);

/// Like `fetch_download`, for any URL, including `file:///PATH`. With `want`, the bytes must have that
/// digest. At most `limit` bytes: documents are small.
Downloaded fetch_file(const std::string& url, const std::optional<oci::Digest>& want, store::Cache& cache,
                      const Registries& registries, uint64_t limit = max_download);
/// The same; std::nullopt if the server has no such file.
std::optional<Downloaded> find_file(const std::string& url, const std::optional<oci::Digest>& want,
                                    store::Cache& cache, const Registries& registries,
                                    uint64_t limit = max_download);

/// The download as the source of a `copy`: a single file named after the last component of the URL, or the
/// contents of the archive.
Root download_root(const spec::Copy& copy, store::Cache& cache, const Registries& registries);

}  // namespace minibuild::build
