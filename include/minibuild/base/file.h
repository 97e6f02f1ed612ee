// Files on disk: descriptors, whole reads with limits, and writes that happen completely or not at all.
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

/// What tells one state of a file from another without reading it.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const struct stat& st);
/// False if the file changed less than `for_ns` nanoseconds ago: its next change could leave the same stamp,
/// so what is known of its content must not be remembered. Two seconds cover file systems that count in them,
/// and pages of a mapped file that are written to a second time before they reach the disk.
bool is_settled(const FileStamp& stamp, int64_t for_ns = 2'000'000'000);

/// Opens for reading; throws Error `cannot open PATH: cause`.
Fd open_file(const std::string& path);
/// lstat; false if nothing is there; throws Error on any other failure.
bool lstat_path(const std::string& path, struct stat& st);
bool exists(const std::string& path);
bool is_directory(const std::string& path);

/// The bytes of a file of at most `limit` bytes. Throws Error naming the path.
std::string read_file(const std::string& path, size_t limit = size_t{64} << 20);
/// Reads exactly `buffer.size()` bytes at `offset`; throws Error naming `what` if there are fewer.
void read_at(int fd, std::span<char> buffer, uint64_t offset, std::string_view what);
void write_all(int fd, std::string_view bytes, std::string_view what);

/// Makes a directory and its missing parents with mode 0755 (less the umask).
void make_directories(const std::string& path);
/// Removes a tree without following symbolic links; directories that cannot be entered are made so first.
/// Throws Error if something stays.
void remove_tree(const std::string& path);
/// Removes what is at `path` unless it is a regular file or nothing: whoever put it there, a file belongs
/// there.
void clear_unless_file(const std::string& path);
/// Removes what is in an open directory, in the same way.
void empty_directory(int fd, const std::string& what);
/// `path` made absolute and free of symbolic links where it exists.
std::string real_path(const std::string& path);
/// The part before the last `/` (`.` if none), and the part after it.
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

/// Reads from the descriptor's position on; passes over parts of a regular file without reading them.
class FdSource : public Source {
 public:
  FdSource(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}
  size_t read(std::span<char> buffer) override;
  uint64_t skip(uint64_t count) override;

 private:
  int fd_;
  std::string what_;
};

/// A new file beside `target` under a random name, locked while it is written. It replaces `target` on
/// `commit` and is gone if that is not reached; a file whose writer was killed is removed by the next writer
/// to the directory.
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
  /// Flushes to disk if `sync`, then renames to the target, or to `target` in the same directory.
  void commit(bool sync = true);
  void commit_as(const std::string& target, bool sync = true);

 private:
  std::string target_;
  std::string temporary_;
  Fd fd_;
};

void write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// A new directory beside `target` under a random name, locked; removed with its content unless renamed away.
class TemporaryDirectory {
 public:
  /// `name` is a prefix for the random name inside `parent`.
  TemporaryDirectory(const std::string& parent, std::string_view name);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  TemporaryDirectory(TemporaryDirectory&&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  const std::string& path() const { return path_; }
  /// The directory now belongs to the caller.
  void release() { path_.clear(); }

 private:
  std::string path_;
  Fd lock_;
};

/// Removes what killed processes left in `directory`: entries named `.*.minibuild-tmp-*` that nobody holds
/// locked. Does nothing if the directory cannot be read. `remove` is remove_tree, or what removes more than
/// that can.
void remove_stale_temporaries(const std::string& directory,
                              const std::function<void(const std::string& path)>& remove = remove_tree);

/// A random name part of 16 hexadecimal digits.
std::string random_name();

/// A lock on a file, made if missing; held until destroyed, or until the process dies.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  FileLock(const std::string& path, Mode mode);
  /// An exclusive lock on one byte of it, which need not be there: one file for any number of locks, which
  /// know nothing of a lock on the whole. `byte` is below 2^62. Threads exclude one another as processes do.
  FileLock(const std::string& path, uint64_t byte);
  /// The same if nobody else has it; does not wait.
  static std::optional<FileLock> try_lock(const std::string& path, uint64_t byte);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace minibuild::base
