// The cache: blobs by digest, results by key, and what is known about files. Several builds may use it at the
// same time.
//
//   blobs/sha256/HEX   bytes, verified whenever they are used
//   results/HE/HEX     a result under the key of everything that it depends on, with the blobs that it needs
//   tables/            hashes of files by stamp; layers by the groups that they contain; the cache's size
//   mounts/HEX         directories that stages keep between builds
//   tmp/               files being written
//   work/              file systems of running stages
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/archive/layer.h"
#include "minibuild/base/file.h"
#include "minibuild/oci/digest.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::store {

class Table;

/// A stored result: its bytes, and the blobs without which it is useless.
struct Result {
  std::string kind;  // one word, for `cache ls`
  std::string value;
  std::vector<oci::Digest> blobs;
};

struct CacheEntry {
  std::string kind;
  std::string name;
  uint64_t size = 0;      // in bytes, blobs included
  int64_t last_used = 0;  // seconds since 1970
};

struct GcReport {
  uint64_t removed = 0;  // files
  uint64_t freed = 0;    // bytes
  uint64_t kept = 0;     // bytes
};

/// What is known of the cache's size without scanning it; times are seconds since 1970, 0 for never.
struct CacheUse {
  uint64_t used = 0;  // bytes on disk
  int64_t measured = 0;
  int64_t collected = 0;
  uint64_t freed = 0;  // bytes, by the last collection
};

/// The default limit of a cache: 10 GB, or a fifth of its disk if that is less.
constexpr uint64_t most_cached = 10'000'000'000;
uint64_t default_cache_limit(const std::string& directory);

/// Removes a directory, including files in it that users of the sandbox own.
using RemoveTree = std::function<void(const std::string& path)>;

class Cache : public archive::LayerMemory {
 public:
  /// Opens or creates the cache; removes what killed builds left in tmp/. Throws Error naming the directory.
  /// With `fresh`, existing results and hashes of files are not used, but new ones are stored.
  explicit Cache(std::string directory, bool fresh = false);
  ~Cache() override;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  Cache(Cache&&) = delete;
  Cache& operator=(Cache&&) = delete;

  const std::string& directory() const { return directory_; }
  std::string temporary_directory() const { return directory_ + "/tmp"; }
  std::string work_directory() const { return directory_ + "/work"; }
  /// Where the kept directories are.
  std::string mounts_directory() const { return directory_ + "/mounts"; }
  /// The path of a stage's kept directory, whether it exists yet or not; `name` is hashed, so that no name
  /// can lead elsewhere.
  std::string mount_path(std::string_view name) const;
  /// A lock on a kept directory, `id` being the hash of its name; std::nullopt while somebody else holds it.
  std::optional<base::FileLock> try_lock_mount(const base::Hash& id);

  /// The path of a blob if it exists and its bytes are correct; a corrupt blob is removed.
  std::optional<std::string> find_blob(const oci::Digest& digest);
  std::string blob_path(const oci::Digest& digest) const;
  /// Stores a finished temporary file as a blob; `digest` must be that of its bytes.
  void keep_blob(base::AtomicFile& file, const oci::Digest& digest);
  /// The same for a file whose digest is not known yet.
  oci::Digest keep_blob(base::AtomicFile& file);
  /// Stores all of `source`. Throws Error if `want` is given and the bytes have another digest; nothing is
  /// stored then.
  oci::Digest put_blob(base::Source& source, const std::optional<oci::Digest>& want, const std::string& what);

  /// Removes a blob that turned out to be unacceptable.
  void forget_blob(const oci::Digest& digest);

  /// True if the path is a regular file with exactly these bytes. Remembers the answer by the file's stamp.
  bool file_has_digest(const std::string& path, const oci::Digest& digest);
  /// Records that the file, which this program has just written, has these bytes.
  void note_file_digest(const std::string& path, const oci::Digest& digest);

  /// A result whose blobs all exist and are correct.
  std::optional<Result> find_result(const base::Hash& key);
  void put_result(const base::Hash& key, const Result& result);
  /// A fact that later builds need not establish again: that something with this key was checked and is fine.
  bool is_known_fine(const base::Hash& key) const;
  void note_fine(const base::Hash& key);
  /// Held while a blob is being fetched, so that one process fetches it and the others wait.
  base::FileLock lock_blob(const oci::Digest& digest) const;
  /// Held while the lists of what belongs to the images of a repository or layout are read and rewritten.
  base::FileLock lock_lists(const std::string& name) const;

  // LayerMemory
  std::optional<base::Hash> known_hash(const tree::Content& content, uint64_t offset,
                                       uint64_t length) override;
  void remember_hash(const tree::Content& content, uint64_t offset, uint64_t length,
                     const base::Hash& hash) override;
  std::optional<archive::StoredLayer> find_layer(const base::Hash& key) override;
  std::optional<std::pair<std::shared_ptr<const archive::StoredLayer>, size_t>> find_group(
      const base::Hash& key) override;
  std::unique_ptr<NewBlob> new_blob() override;

  /// Writes the tables. Call it at the end of a build, whether it succeeded or failed.
  void save();

  std::vector<CacheEntry> list() const;
  /// Removes the least recently used content until the cache has at most `max_size` bytes. Waits for running
  /// builds. `remove` removes kept directories.
  GcReport collect(uint64_t max_size, const RemoveTree& remove = base::remove_tree);
  /// Call it at the end of a command. Collects if the cache has grown beyond `limit` bytes and nobody else is
  /// using it; otherwise leaves that to the next command. Returns std::nullopt if nothing was removed.
  std::optional<GcReport> keep_within(uint64_t limit, const RemoveTree& remove = base::remove_tree);
  CacheUse use() const;

 private:
  class CacheBlob;
  std::shared_ptr<const archive::StoredLayer> load_layer(const base::Hash& key);
  base::Hash blob_key(const base::FileStamp& stamp, const oci::Digest& digest) const;
  GcReport collect_alone(uint64_t max_size, const RemoveTree& remove);
  std::optional<GcReport> collect_unless_used(uint64_t max_size, const RemoveTree& remove);
  uint64_t measure() const;
  void note_use(const CacheUse& use);
  void keep_layer(base::AtomicFile& file, const base::Hash& key, const archive::Layer& layer);

  std::string directory_;
  bool fresh_;
  std::unique_ptr<base::FileLock> in_use_;
  std::unique_ptr<Table> hashes_;
  std::unique_ptr<Table> groups_;
  std::mutex seen_now_mutex_;
  std::map<base::Hash, base::Hash> seen_now_;  // hashes of files that are valid for this build only
  std::mutex mutex_;
  std::map<base::Hash, std::shared_ptr<const archive::StoredLayer>> layers_;
  std::string boot_id_;
  std::atomic<uint64_t> written_ = 0;  // bytes on disk since the use was last recorded
  std::atomic<bool> mounts_used_ = false;
};

/// The SHA-256 of all bytes of `content`, looked up if it is known. For files above 4 MiB it is the hash of
/// the hashes of their parts: it identifies the content, but is not what sha256sum prints.
base::Hash content_id(const tree::Content& content, Cache& cache);
/// The same, but passes the bytes that had to be read to `seen`, in order. What is known already is not read.
base::Hash content_id(const tree::Content& content, Cache& cache,
                      const std::function<void(std::string_view)>& seen);

}  // namespace minibuild::store
