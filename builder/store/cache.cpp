#include "minibuild/store/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "builder/store/disk_usage.h"
#include "builder/store/table.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using base::fail;

namespace {

constexpr std::string_view result_magic = "minibuild result 1";
constexpr size_t max_result = size_t{256} << 20;
constexpr size_t max_known_hashes = 1'000'000;
constexpr size_t max_known_groups = 500'000;

// Blobs are written by builds alone, once: what could change one within a step of the clock is damage.
constexpr int64_t blob_settles_in = 20'000'000;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

uint32_t today() { return static_cast<uint32_t>(now_ns() / 1'000'000'000 / 86400); }

base::Hash stamp_key(std::string_view kind, const base::FileStamp& stamp, uint64_t offset, uint64_t length) {
  const std::array<uint64_t, 7> numbers = {stamp.device,
                                           stamp.inode,
                                           stamp.size,
                                           static_cast<uint64_t>(stamp.mtime_ns),
                                           static_cast<uint64_t>(stamp.ctime_ns),
                                           offset,
                                           length};
  return base::Sha256()
      .update(kind)
      .update({reinterpret_cast<const char*>(numbers.data()), sizeof numbers})
      .finish();
}

base::Hash slice_key(const tree::Slice& slice, uint64_t offset, uint64_t length) {
  // With holes an offset in the file is none in the archive; what starts at an offset is one file.
  const std::array<uint64_t, 3> numbers = {slice.extents ? slice.offset : slice.offset + offset, length,
                                           offset};
  const size_t used = slice.extents ? 3 : 2;
  return base::Sha256()
      .update(slice.extents ? "slice with holes" : "slice")
      .update(base::as_bytes(slice.archive->sha256))
      .update({reinterpret_cast<const char*>(numbers.data()), used * sizeof numbers[0]})
      .finish();
}

// The byte of a file that stands for a hash in locks.
uint64_t byte_of(const base::Hash& hash) {
  uint64_t byte = 0;
  for (size_t i = 0; i < sizeof byte; ++i) byte = byte << 8U | hash[i];
  return byte >> 2U;
}

std::string result_path(const std::string& directory, const base::Hash& key) {
  const std::string hex = base::to_hex(key);
  return fmt::format("{}/results/{}/{}", directory, hex.substr(0, 2), hex);
}

// Stages leave sources there, and programs that run with their owner's rights: for nobody else. The directory
// itself may be one that others use, such as /tmp: then what is ours in it is closed alone.
void close_to_others(const std::string& directory) {
  bool only_ours = true;
  const auto close = [](const std::string& path) {
    struct stat st {};
    if (base::lstat_path(path, st) && S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() &&
        (st.st_mode & 077U) != 0)
      ::chmod(path.c_str(), 0700);
  };
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (name == "lock") continue;
    const bool ours = name == "blobs" || name == "results" || name == "tables" || name == "mounts" ||
                      name == "tmp" || name == "work" || name == "locks";
    if (ours) close(directory + "/" + name);
    only_ours = only_ours && ours;
  }
  if (only_ours) close(directory);
}

}  // namespace

Cache::Cache(std::string directory, bool fresh) : directory_(std::move(directory)), fresh_(fresh) {
  for (const char* part :
       {"/blobs/sha256", "/blobs/sha512", "/results", "/tables", "/mounts", "/tmp", "/work", "/locks"})
    base::make_directories(directory_ + part);
  close_to_others(directory_);
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::shared);
  base::remove_stale_temporaries(directory_ + "/tmp");
  base::remove_stale_temporaries(directory_ + "/tables");
  hashes_ = std::make_unique<Table>(directory_ + "/tables/hashes");
  groups_ = std::make_unique<Table>(directory_ + "/tables/groups");
  // After a power failure a blob may have its stamp but not its bytes; another boot makes it be read again.
  try {
    boot_id_ = base::read_file("/proc/sys/kernel/random/boot_id", 100);
  } catch (const base::Error&) {
    boot_id_ = "unknown";
  }
}

Cache::~Cache() = default;

std::string Cache::mount_path(std::string_view name) const {
  return mounts_directory() + "/" + base::to_hex(base::sha256(name));
}

std::optional<base::FileLock> Cache::try_lock_mount(const base::Hash& id) {
  std::optional<base::FileLock> lock = base::FileLock::try_lock(directory_ + "/locks/mounts", byte_of(id));
  if (!lock) return lock;
  // Used: `gc` looks at it.
  ::utimensat(AT_FDCWD, (mounts_directory() + "/" + base::to_hex(id)).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  mounts_used_ = true;
  return lock;
}

std::string Cache::blob_path(const oci::Digest& digest) const {
  return fmt::format("{}/blobs/{}/{}", directory_, oci::algorithm_of(digest), oci::hex(digest));
}

std::optional<std::string> Cache::find_blob(const oci::Digest& digest) {
  std::string path = blob_path(digest);
  struct stat st {};
  if (!base::lstat_path(path, st)) return std::nullopt;
  if (file_has_digest(path, digest)) return path;
  base::remove_tree(path);
  return std::nullopt;
}

void Cache::forget_blob(const oci::Digest& digest) { ::unlink(blob_path(digest).c_str()); }

bool Cache::file_has_digest(const std::string& path, const oci::Digest& digest) {
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  const base::FileStamp stamp = base::stamp_of(st);
  const base::Hash key = blob_key(stamp, digest);
  if (const auto known = hashes_->find(key); known && known->hash == digest.hash) return true;
  base::FdSource source(fd.get(), path);
  oci::Digester hash(digest);
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t n = source.read(buffer)) hash.update({buffer.data(), n});
  if (hash.finish() != digest) return false;
  if (base::is_settled(stamp, blob_settles_in)) hashes_->insert(key, {digest.hash, today()});
  return true;
}

void Cache::note_file_digest(const std::string& path, const oci::Digest& digest) {
  struct stat st {};
  if (!base::lstat_path(path, st) || !S_ISREG(st.st_mode)) return;
  const base::FileStamp stamp = base::stamp_of(st);
  // Small files are read again sooner than this waits.
  if (stamp.size < (uint64_t{4} << 20U)) return;
  // A clock that stands still or was set back must not hold a build up.
  for (int i = 0; i < 25 && !base::is_settled(stamp, blob_settles_in) && now_ns() >= stamp.ctime_ns; ++i)
    ::usleep(2000);
  if (base::is_settled(stamp, blob_settles_in))
    hashes_->insert(blob_key(stamp, digest), {digest.hash, today()});
}

base::Hash Cache::blob_key(const base::FileStamp& stamp, const oci::Digest& digest) const {
  const std::string_view kind = digest.rest ? "blob of sha512" : "blob";
  return stamp_key(std::string(kind) + boot_id_, stamp, 0, stamp.size);
}

base::FileLock Cache::lock_blob(const oci::Digest& digest) const {
  // Nobody holds two; if two blobs met in one byte, one would wait for the other.
  return {directory_ + "/locks/blobs", byte_of(digest.hash)};
}

base::FileLock Cache::lock_lists(const std::string& name) const {
  return lock_blob({base::sha256("lists of " + name)});
}

void Cache::keep_blob(base::AtomicFile& file, const oci::Digest& digest) {
  base::clear_unless_file(blob_path(digest));
  file.commit_as(blob_path(digest), false);
  struct stat st {};
  if (::fstat(file.fd(), &st) == 0) written_ += disk_usage(st);
}

oci::Digest Cache::keep_blob(base::AtomicFile& file) {
  if (::lseek(file.fd(), 0, SEEK_SET) != 0) fail("cannot read {}: {}", file.temporary(), base::errno_text());
  base::FdSource source(file.fd(), file.temporary());
  base::Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t n = source.read(buffer)) hash.update({buffer.data(), n});
  const oci::Digest digest{hash.finish()};
  keep_blob(file, digest);
  return digest;
}

oci::Digest Cache::put_blob(base::Source& source, const std::optional<oci::Digest>& want,
                            const std::string& what) {
  base::AtomicFile file(temporary_directory() + "/blob", 0444);
  oci::Digester hash(want);
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t n = source.read(buffer)) {
    hash.update({buffer.data(), n});
    file.write({buffer.data(), n});
  }
  const oci::Digest digest = hash.finish();
  if (want && digest != *want)
    fail("cannot use {}: its content has the digest {}, want {}", what, oci::to_string(digest),
         oci::to_string(*want));
  keep_blob(file, digest);
  return digest;
}

// A result on disk: magic, hash of all that follows, kind, digests, an empty line, the value.
std::optional<Result> Cache::find_result(const base::Hash& key) {
  if (fresh_) return std::nullopt;
  const std::string path = result_path(directory_, key);
  std::string bytes;
  try {
    if (!base::exists(path)) return std::nullopt;
    bytes = base::read_file(path, max_result);
  } catch (const base::Error&) {
    return std::nullopt;
  }
  std::string_view rest = bytes;
  const auto line = [&rest]() -> std::string_view {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return text;
  };
  const bool right_magic = line() == result_magic;
  const std::string_view sum = line();
  if (!right_magic || base::to_hex(base::sha256(rest)) != sum) {
    base::remove_tree(path);
    return std::nullopt;
  }
  Result result;
  result.kind = std::string(line());
  for (std::string_view text = line(); !text.empty(); text = line()) {
    const oci::Digest digest = oci::parse_digest(text, path);
    if (!find_blob(digest)) {
      base::remove_tree(path);
      return std::nullopt;
    }
    result.blobs.push_back(digest);
  }
  result.value = std::string(rest);
  struct stat st {};
  if (base::lstat_path(path, st) && now_ns() / 1'000'000'000 - st.st_mtim.tv_sec > 3600)
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);  // used: `gc` looks at it
  return result;
}

void Cache::put_result(const base::Hash& key, const Result& result) {
  std::string body = result.kind + "\n";
  for (const oci::Digest& digest : result.blobs) body += oci::to_string(digest) + "\n";
  body += "\n" + result.value;
  const std::string path = result_path(directory_, key);
  base::make_directories(base::parent_path(path));
  base::clear_unless_file(path);
  base::AtomicFile file(temporary_directory() + "/result");
  file.write(fmt::format("{}\n{}\n", result_magic, base::to_hex(base::sha256(body))));
  file.write(body);
  file.commit_as(path, false);
  written_ += std::max<uint64_t>(4096, body.size());
}

std::optional<base::Hash> Cache::known_hash(const tree::Content& content, uint64_t offset, uint64_t length) {
  if (const auto* bytes = std::get_if<tree::InlineBytes>(&content.where))
    return base::sha256(std::string_view(*bytes->bytes).substr(offset, length));
  base::Hash key;
  if (const auto* slice = std::get_if<tree::Slice>(&content.where))
    key = slice_key(*slice, offset, length);
  else
    key = stamp_key("file", std::get<tree::DiskFile>(content.where).stamp, offset, length);
  {
    const std::lock_guard lock(seen_now_mutex_);
    const auto it = seen_now_.find(key);
    if (it != seen_now_.end()) return it->second;
  }
  // Whoever wants everything anew does not trust what the stamps of files say.
  if (fresh_ && std::holds_alternative<tree::DiskFile>(content.where)) return std::nullopt;
  const auto found = hashes_->find(key);
  if (!found) return std::nullopt;
  if (today() > found->number + 7) hashes_->insert(key, {found->hash, today()});
  return found->hash;
}

void Cache::remember_hash(const tree::Content& content, uint64_t offset, uint64_t length,
                          const base::Hash& hash) {
  if (const auto* slice = std::get_if<tree::Slice>(&content.where)) {
    hashes_->insert(slice_key(*slice, offset, length), {hash, today()});
    return;
  }
  const auto* file = std::get_if<tree::DiskFile>(&content.where);
  if (file == nullptr) return;
  const base::Hash key = stamp_key("file", file->stamp, offset, length);
  const bool settled = base::is_settled(file->stamp);
  if (settled) hashes_->insert(key, {hash, today()});
  if (settled && !fresh_) return;
  // Good for this build, which checks the stamp again whenever it reads; not for the next.
  const std::lock_guard lock(seen_now_mutex_);
  seen_now_.insert_or_assign(key, hash);
}

bool Cache::is_known_fine(const base::Hash& key) const {
  const auto found = hashes_->find(key);
  if (!found || found->hash != key) return false;
  if (today() > found->number + 7) hashes_->insert(key, {key, today()});
  return true;
}

void Cache::note_fine(const base::Hash& key) { hashes_->insert(key, {key, today()}); }

void Cache::save() {
  hashes_->save(max_known_hashes);
  groups_->save(max_known_groups);
}

base::Hash content_id(const tree::Content& content, Cache& cache) { return content_id(content, cache, {}); }

base::Hash content_id(const tree::Content& content, Cache& cache,
                      const std::function<void(std::string_view)>& seen) {
  // One for each thread: a new one each time would cost as much as reading.
  thread_local std::vector<char> buffer;
  constexpr uint64_t part = uint64_t{4} << 20;
  const auto hash_of_part = [&](uint64_t offset, uint64_t length) {
    if (const auto known = cache.known_hash(content, offset, length)) return *known;
    if (buffer.size() < length) buffer.resize(length);
    tree::read_content(content, offset, std::span(buffer.data(), length));
    const std::string_view bytes(buffer.data(), length);
    const base::Hash hash = base::sha256(bytes);
    if (seen) seen(bytes);
    cache.remember_hash(content, offset, length, hash);
    return hash;
  };
  if (content.size == 0) return base::sha256("");
  if (content.size <= part) return hash_of_part(0, content.size);
  base::Sha256 all;
  for (uint64_t offset = 0; offset < content.size; offset += part)
    all.update(base::as_bytes(hash_of_part(offset, std::min(part, content.size - offset))));
  return all.finish();
}

}  // namespace minibuild::store
