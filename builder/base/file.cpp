#include "minibuild/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>

#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/wait.h"

namespace minibuild::base {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

FileStamp stamp_of(const struct stat& st) {
  const auto ns = [](const timespec& t) {
    return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
  };
  return {st.st_dev, st.st_ino, static_cast<uint64_t>(st.st_size), ns(st.st_mtim), ns(st.st_ctim)};
}

bool is_settled(const FileStamp& stamp, int64_t for_ns) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  // Every change sets ctime; mtime can be set to anything.
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec - stamp.ctime_ns > for_ns;
}

std::string kind_of_file(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a link";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

namespace {

// Whatever the path names: a pipe or device is opened at once, too.
Fd open_any(const std::string& path, struct stat& st) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENXIO)
    fail("cannot open {}: it is a socket or a device without a driver; name a file", path);
  if (!fd || ::fstat(fd.get(), &st) != 0) fail("cannot open {}: {}", path, errno_text());
  return fd;
}

// /dev/null is the usual name of an empty file.
bool may_be_read(const struct stat& st) {
  return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

// What the caller was given as a descriptor: `<(command)` of a shell, or its standard input.
bool names_a_descriptor(const std::string& path) {
  return path == "/dev/stdin" || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
}

// A pipe or terminal to its end. Whoever is at the other end may be slow, but not silent for ever.
class PipeSource : public Source {
 public:
  PipeSource(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  size_t read(std::span<char> buffer) override {
    Wait wait(fmt::format("waiting for something to read from {}", path_));
    while (wait.milliseconds() < longest_silence) {
      const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno == EAGAIN)
        wait.pause();
      else if (errno != EINTR)
        fail("cannot read {}: {}", path_, errno_text());
    }
    fail("cannot read {}: nothing came for {} s", path_, longest_silence / 1000);
  }

 private:
  static constexpr int longest_silence = 60'000;
  int fd_;
  std::string path_;
};

}  // namespace

Fd open_file(const std::string& path) {
  struct stat st {};
  Fd fd = open_any(path, st);
  if (!may_be_read(st)) fail("cannot open {}: it is {}, not a file", path, kind_of_file(st.st_mode));
  return fd;
}

bool lstat_path(const std::string& path, struct stat& st) {
  if (::lstat(path.c_str(), &st) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  fail("cannot read {}: {}", path, errno_text());
}

bool exists(const std::string& path) {
  struct stat st {};
  return lstat_path(path, st);
}

bool is_directory(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

size_t FdSource::read(std::span<char> buffer) {
  while (true) {
    const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) fail("cannot read {}: {}", what_, errno_text());
  }
}

uint64_t FdSource::skip(uint64_t count) {
  struct stat st {};
  if (::fstat(fd_, &st) != 0 || !S_ISREG(st.st_mode)) return Source::skip(count);
  const off_t at = ::lseek(fd_, 0, SEEK_CUR);
  if (at < 0) fail("cannot read {}: {}", what_, errno_text());
  const auto left = static_cast<uint64_t>(std::max<off_t>(0, st.st_size - at));
  const uint64_t step = std::min(count, left);
  if (::lseek(fd_, static_cast<off_t>(step), SEEK_CUR) < 0) fail("cannot read {}: {}", what_, errno_text());
  return step;
}

std::string read_file(const std::string& path, size_t limit) {
  struct stat st {};
  const Fd fd = open_any(path, st);
  const bool is_given = S_ISFIFO(st.st_mode) || ::isatty(fd.get()) == 1;
  if (is_given && names_a_descriptor(path)) {
    PipeSource pipe(fd.get(), path);
    return read_all(pipe, limit, path);
  }
  if (!may_be_read(st)) fail("cannot open {}: it is {}, not a file", path, kind_of_file(st.st_mode));
  FdSource source(fd.get(), path);
  return read_all(source, limit, path);
}

void read_at(int fd, std::span<char> buffer, uint64_t offset, std::string_view what) {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n =
        ::pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read {}: {}", what, errno_text());
    if (n == 0)
      fail("cannot read {}: it ends at byte {}, want {} more", what, offset + done, buffer.size() - done);
    done += static_cast<size_t>(n);
  }
}

void write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot write {}: {}", what, errno_text());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void make_directories(const std::string& path) {
  if (path.empty() || is_directory(path)) return;
  const std::string parent = parent_path(path);
  if (parent != path && parent != ".") make_directories(parent);
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    fail("cannot make the directory {}: {}", path, errno_text());
  if (!is_directory(path)) fail("cannot make the directory {}: a file of that name is there", path);
}

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  if (::realpath(path.c_str(), buffer) != nullptr) return buffer;
  if (errno != ENOENT) fail("cannot resolve {}: {}", path, errno_text());
  const std::string parent = parent_path(path);
  if (parent == path) return path;
  const std::string above = real_path(parent);
  return (above == "/" ? "" : above) + "/" + file_name(path);
}

std::string parent_path(const std::string& path) {
  std::string_view rest = path;
  while (rest.size() > 1 && rest.ends_with('/')) rest.remove_suffix(1);
  const size_t slash = rest.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(rest.substr(0, slash));
}

std::string file_name(const std::string& path) {
  std::string_view rest = path;
  while (rest.size() > 1 && rest.ends_with('/')) rest.remove_suffix(1);
  return std::string(rest.substr(rest.rfind('/') + 1));
}

namespace {

// One descriptor a level is held; what lies deeper than this is moved up to the top first.
constexpr int max_remove_depth = 100;

// Removes what is in the directory `fd`, or moves it to the directory `top`; the first error's number, or 0.
int remove_content(int fd, int depth, int top) {
  DIR* dir = ::fdopendir(fd);
  if (dir == nullptr) {
    ::close(fd);
    return errno;
  }
  int error = 0;
  while (error == 0) {
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(::dirfd(dir), entry->d_name, 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM && errno != EACCES) {
      error = errno;
      break;
    }
    int child = ::openat(::dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0 && errno == EACCES) {
      // A directory that may not be entered: permissions are given through a descriptor, never through a
      // link.
      const Fd handle(::openat(::dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (handle && ::chmod(fmt::format("/proc/self/fd/{}", handle.get()).c_str(), 0700) == 0)
        child = ::openat(::dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (child < 0) {
      error = errno;
      break;
    }
    ::fchmod(child, 0700);
    if (depth == max_remove_depth) {
      ::close(child);
      if (::renameat(::dirfd(dir), entry->d_name, top, random_name().c_str()) != 0) error = errno;
      continue;
    }
    error = remove_content(child, depth + 1, top);
    if (error == 0 && ::unlinkat(::dirfd(dir), entry->d_name, AT_REMOVEDIR) != 0) error = errno;
  }
  ::closedir(dir);
  return error;
}

bool is_empty(int fd) {
  const int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : ::fdopendir(copy);
  if (dir == nullptr) return true;
  int entries = 0;
  while (entries < 3 && ::readdir(dir) != nullptr) ++entries;
  ::closedir(dir);
  return entries < 3;  // . and ..
}

}  // namespace

void empty_directory(int fd, const std::string& what) {
  // Again as long as something is there: parts of a deep tree come up while it is taken down.
  for (bool empty = false; !empty;) {
    const int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) fail("cannot remove {}: {}", what, errno_text());
    const int error = remove_content(copy, 0, fd);
    if (error != 0) fail("cannot remove what is in {}: {}", what, errno_text(error));
    empty = is_empty(fd);
  }
}

void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  ::chmod(path.c_str(), 0700);
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail("cannot remove {}: {}", path, errno_text());
  const Fd directory(fd);
  empty_directory(fd, path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) fail("cannot remove {}: {}", path, errno_text());
}

void clear_unless_file(const std::string& path) {
  struct stat st {};
  if (lstat_path(path, st) && !S_ISREG(st.st_mode)) remove_tree(path);
}

}  // namespace minibuild::base
