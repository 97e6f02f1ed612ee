// Files on disk: descriptors, size-limited reads of whole files, and all-or-nothing writes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "minibuild/base/stream.h"

namespace minibuild::base {

/// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Distinguishes one state of a file from another without reading the file.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const struct stat& st);
/// Returns false if the file changed less than `for_ns` nanoseconds ago. Its next change could then leave the
/// same stamp, so nothing known about its content may be remembered. Two seconds cover file systems with
/// timestamps in whole seconds, and pages of a mapped file that are written again before they reach the disk.
bool is_settled(const FileStamp& stamp, int64_t for_ns = 2'000'000'000);

/// Opens a file for reading. Throws Error `cannot open PATH: cause`.
Fd open_file(const std::string& path);
/// lstat; returns false if nothing exists at `path`. Throws Error on any other failure.
bool lstat_path(const std::string& path, struct stat& st);
bool exists(const std::string& path);
bool is_directory(const std::string& path);

/// Returns the content of a file of at most `limit` bytes. Throws Error naming the path.
std::string read_file(const std::string& path, size_t limit = size_t{64} << 20);
/// Reads exactly `buffer.size()` bytes at `offset`. Throws Error naming `what` if there are fewer.
void read_at(int fd, std::span<char> buffer, uint64_t offset, std::string_view what);
void write_all(int fd, std::string_view bytes, std::string_view what);

/// Creates a directory and its missing parents with mode 0755 (subject to the umask).
void make_directories(const std::string& path);
/// Removes a tree without following symbolic links. Directories that cannot be entered are made accessible
/// first. Throws Error if anything remains.
void remove_tree(const std::string& path);
/// Removes whatever is at `path`, however it got there, unless it is a regular file: only a file belongs
/// there.
void clear_unless_file(const std::string& path);
/// Removes the content of an open directory in the same way.
void empty_directory(int fd, const std::string& what);
/// Returns `path` as an absolute path, with symbolic links resolved as far as it exists.
std::string real_path(const std::string& path);
/// The part before the last `/` (`.` if there is none), and the part after it.
std::string parent_path(const std::string& path);
std::string file_name(const std::string& path);

class FdSink : public Sink {
 public:
  FdSink(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}
  void write(std::string_view bytes) override { write_all(fd_, bytes, what_); }

 private:
  int fd_;
  std::string what_;
};

/// Reads from the descriptor's current position. Skips parts of a regular file without reading them.
class FdSource : public Source {
 public:
  FdSource(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}
  size_t read(std::span<char> buffer) override;
  uint64_t skip(uint64_t count) override;

 private:
  int fd_;
  std::string what_;
};

/// A new file next to `target`, under a random name, locked while it is being written. `commit` moves it over
/// the target; without a commit it is removed. If the writer was killed, the next writer to the directory
/// removes the file.
class AtomicFile : public Sink {
 public:
  /// Throws Error `cannot write TARGET: cause`.
  explicit AtomicFile(std::string target, mode_t mode = 0644);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  AtomicFile(AtomicFile&&) = delete;
  AtomicFile& operator=(AtomicFile&&) = delete;
  void write(std::string_view bytes) override { write_all(fd_.get(), bytes, target_); }
  int fd() const { return fd_.get(); }
  const std::string& temporary() const { return temporary_; }
  /// Flushes to disk if `sync` is set, then renames to the target, or to the given `target` in the same
  /// directory.
  void commit(bool sync = true);
  void commit_as(const std::string& target, bool sync = true);

 private:
  std::string target_;
  std::string temporary_;
  Fd fd_;
};

void write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// A new, locked directory next to `target` under a random name. It is removed with its content unless it has
/// been renamed.
class TemporaryDirectory {
 public:
  /// `name` is the prefix of the random name inside `parent`.
  TemporaryDirectory(const std::string& parent, std::string_view name);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  TemporaryDirectory(TemporaryDirectory&&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  const std::string& path() const { return path_; }
  /// Hands the directory over to the caller.
  void release() { path_.clear(); }

 private:
  std::string path_;
  Fd lock_;
};

/// Removes what killed processes left in `directory`: entries named `.*.minibuild-tmp-*` that no process
/// holds locked. Does nothing if the directory cannot be read. `remove` is remove_tree, or a function that
/// can remove more than remove_tree can.
void remove_stale_temporaries(const std::string& directory,
                              const std::function<void(const std::string& path)>& remove = remove_tree);

/// A random name component of 16 hexadecimal digits.
std::string random_name();

/// A lock on a file, which is created if missing. It is held until the object is destroyed or the process
/// dies.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  FileLock(const std::string& path, Mode mode);
  /// An exclusive lock on one byte of the file; the byte need not exist. One file thus serves any number of
  /// locks, which are independent of a lock on the whole file. `byte` is below 2^62. Threads exclude one
  /// another just as processes do.
  FileLock(const std::string& path, uint64_t byte);
  /// Takes the same lock if nobody else holds it; returns std::nullopt otherwise. Does not wait.
  static std::optional<FileLock> try_lock(const std::string& path, uint64_t byte);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace minibuild::base
