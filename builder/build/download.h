// Files of servers as inputs: fetched once, kept in the cache under their digest, unpacked if asked for.
#pragma once

#include "builder/build/root.h"
#include "minibuild/build/images.h"
#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// In bytes, where nothing says how large a file may be.
inline constexpr uint64_t max_download = uint64_t{32} << 30;

/// A download with its size.
struct Downloaded {
  oci::Digest digest;
  uint64_t size = 0;
};

/// The download if its digest is known and the cache holds it.
std::optional<Downloaded> find_download(const spec::Download& download, store::Cache& cache,
                                        const Registries& registries);

/// Brings a download into the cache if it is not there. Its digest is the spec's, else the one in
/// `registries.pinned`, else whatever comes. Throws Error `cannot fetch URL: cause`.
Downloaded fetch_download(const spec::Download& download, store::Cache& cache, const Registries& registries);

/// As `fetch_download` for any URL, `file:///PATH` too. With `want` the bytes have that digest. At most
/// `limit` bytes: documents are small.
Downloaded fetch_file(const std::string& url, const std::optional<oci::Digest>& want, store::Cache& cache,
                      const Registries& registries, uint64_t limit = max_download);
/// The same; nothing if the server has no such file.
std::optional<Downloaded> find_file(const std::string& url, const std::optional<oci::Digest>& want,
                                    store::Cache& cache, const Registries& registries,
                                    uint64_t limit = max_download);

/// The download as the source of a `copy`: one file with the URL's last part as its name, or what the archive
/// holds.
Root download_root(const spec::Copy& copy, store::Cache& cache, const Registries& registries);

}  // namespace minibuild::build
