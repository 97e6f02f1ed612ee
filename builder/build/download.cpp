#include "builder/build/download.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::fail;

namespace {

std::optional<oci::Digest> expected(const spec::Download& download, const Registries& registries) {
  if (download.digest) return download.digest;
  const auto pin = registries.pinned.find(download.url);
  return pin == registries.pinned.end() ? std::nullopt : std::optional(pin->second);
}

std::optional<Downloaded> cached(const std::optional<oci::Digest>& digest, store::Cache& cache) {
  if (!digest) return std::nullopt;
  const auto path = cache.find_blob(*digest);
  if (!path) return std::nullopt;
  struct stat st {};
  if (::stat(path->c_str(), &st) != 0) return std::nullopt;
  return Downloaded{*digest, static_cast<uint64_t>(st.st_size)};
}

// Where a URL is a file of this machine: `file:`, or below the prefix of a directory that stands for it.
std::optional<std::string> local_path(const std::string& url, const Registries& registries) {
  if (url.starts_with("file://")) return url.substr(7);
  const std::string_view bare = std::string_view(url).substr(url.find("://") + 3);
  for (const auto& [prefix, directory] : registries.directories) {
    if (!bare.starts_with(prefix) || (bare.size() > prefix.size() && bare[prefix.size()] != '/')) continue;
    std::string path = directory + std::string(bare.substr(prefix.size()));
    if (base::exists(path)) return path;
  }
  return std::nullopt;
}

// The server said that there is no such file.
class NotThere : public base::Error {
 public:
  using Error::Error;
};

Downloaded copy_local(const std::string& path, const std::optional<oci::Digest>& want, uint64_t limit,
                      base::AtomicFile& file) {
  if (!base::exists(path)) throw NotThere(base::Code::failed, "there is no file " + path);
  const base::Fd fd = base::open_file(path);  // a pipe would be waited for, a device has no end
  base::FdSource source(fd.get(), path);
  base::Sha256 hash;
  std::vector<char> buffer(size_t{256} << 10);
  while (const size_t n = source.read(buffer)) {
    hash.update({buffer.data(), n});
    file.write({buffer.data(), n});
    if (hash.size() <= limit) continue;
    if (want)
      fail("got more than {}, want that much with {}", base::human_size(limit), oci::to_string(*want));
    fail("it has more than {}", base::human_size(limit));
  }
  const oci::Digest digest{hash.finish()};
  if (want && digest != *want) fail("got {}, want {}", oci::to_string(digest), oci::to_string(*want));
  return {digest, hash.size()};
}

// What has no known end must not fill the disk; on a small one the message that it is full says more.
uint64_t limit_for(const std::string& directory, uint64_t limit) {
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0) return limit;
  return std::min(limit, std::max(uint64_t{1} << 30, uint64_t{space.f_bavail} * space.f_frsize / 4 * 3));
}

Downloaded fetch(const std::string& url, const std::optional<oci::Digest>& want, store::Cache& cache,
                 const Registries& registries, uint64_t limit) {
  base::AtomicFile file(cache.temporary_directory() + "/download", 0444);
  limit = limit_for(cache.temporary_directory(), limit);
  Downloaded done;
  if (const auto path = local_path(url, registries)) {
    done = copy_local(*path, want, limit, file);
  } else {
    if (registries.offline) fail("the cache does not hold it, and --offline forbids fetching it");
    if (!registries.client) fail("no server can be reached from here");
    const auto trying = [&](const std::string& place, bool mirror) {
      if (registries.note)
        registries.note("fetch", mirror ? fmt::format("{} from the mirror {}", url, place) : url);
    };
    try {
      const auto fetched = registries.client().fetch_url(url, want, limit, file.fd(), trying);
      done = {fetched.digest, fetched.size};
    } catch (const registry::Refused& refused) {
      if (refused.status() == 404) throw NotThere(base::Code::failed, refused.what());
      throw;
    }
  }
  cache.keep_blob(file, done.digest);
  cache.note_file_digest(cache.blob_path(done.digest), done.digest);
  return done;
}

base::Hash key_of(const char* kind, const oci::Digest& digest) {
  return base::Sha256().update(kind).update(base::as_bytes(digest.hash)).finish();
}

// The archive as a plain tar in the cache, made when it is first wanted.
oci::Digest plain_archive(const oci::Digest& archive, const std::string& url, store::Cache& cache) {
  const base::Hash key = key_of("unpacked archive 1", archive);
  if (const auto known = cache.find_result(key); known && known->blobs.size() == 1)
    return known->blobs.front();
  base::AtomicFile file(cache.temporary_directory() + "/unpacked", 0444);
  archive::unpack(cache.blob_path(archive), file, url);
  const oci::Digest plain = cache.keep_blob(file);
  cache.put_result(key, {"archive", url, {plain}});
  return plain;
}

tree::FileTree stripped(const tree::FileTree& tree, uint32_t parts) {
  tree::FileTree out;
  for (const auto& [path, node] : tree.nodes()) {
    size_t start = 0;
    for (uint32_t i = 0; i < parts && start != std::string::npos; ++i) {
      start = path.find('/', start);
      if (start != std::string::npos) ++start;
    }
    if (start != std::string::npos) out.put(path.substr(start), node, node.mtime);
  }
  return out;
}

}  // namespace

std::optional<Downloaded> find_download(const spec::Download& download, store::Cache& cache,
                                        const Registries& registries) {
  return cached(expected(download, registries), cache);
}

Downloaded fetch_file(const std::string& url, const std::optional<oci::Digest>& want, store::Cache& cache,
                      const Registries& registries, uint64_t limit) {
  if (const auto there = cached(want, cache)) return *there;
  const auto why = [&](const base::Error& error) {
    std::string_view text = error.what();
    if (text.starts_with(url + ": ")) text.remove_prefix(url.size() + 2);
    return fmt::format("cannot fetch {}: {}", url, text);
  };
  try {
    const auto lock = want ? std::optional(cache.lock_blob(*want)) : std::nullopt;
    if (const auto there = cached(want, cache)) return *there;
    const Downloaded fetched = fetch(url, want, cache, registries, limit);
    // The cache's collector drops what no result names.
    cache.put_result(key_of("download", fetched.digest), {"download", url, {fetched.digest}});
    return fetched;
  } catch (const NotThere& error) {
    throw NotThere(error.code(), why(error));
  } catch (const base::Error& error) {
    throw base::Error(error.code(), why(error));
  }
}

std::optional<Downloaded> find_file(const std::string& url, const std::optional<oci::Digest>& want,
                                    store::Cache& cache, const Registries& registries, uint64_t limit) {
  try {
    return fetch_file(url, want, cache, registries, limit);
  } catch (const NotThere&) {
    return std::nullopt;
  }
}

Downloaded fetch_download(const spec::Download& download, store::Cache& cache, const Registries& registries) {
  return fetch_file(download.url, expected(download, registries), cache, registries);
}

Root download_root(const spec::Copy& copy, store::Cache& cache, const Registries& registries) {
  const spec::Download& download = *copy.download;
  const Downloaded fetched = fetch_download(download, cache, registries);
  const auto archive_of = [&](const oci::Digest& digest) {
    return std::make_shared<const tree::Archive>(tree::Archive{cache.blob_path(digest), digest.hash});
  };
  if (download.extract) {
    tree::FileTree tree = archive::read_tar(archive_of(plain_archive(fetched.digest, download.url, cache)),
                                            download.url, archive::foreign_limits);
    return Root(download.strip == 0 ? std::move(tree) : stripped(tree, download.strip));
  }
  tree::FileTree tree;
  tree.put(tree::normalise(copy.from),
           tree::file_node({tree::Slice{archive_of(fetched.digest), 0}, fetched.size}, 0), 0);
  return Root(std::move(tree));
}

}  // namespace minibuild::build
