// Files and directories that appear under their name only when they are complete.
//
// A temporary is locked (flock) as long as its maker lives; one that is not locked was left by a process that
// was killed, and whoever next writes to the directory removes it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/sha256.h"

namespace minibuild::base {

namespace {

constexpr std::string_view marker = ".minibuild-tmp-";

std::string temporary_name(const std::string& directory, std::string_view name) {
  return fmt::format("{}/.{}{}{}", directory, name.substr(0, 180), marker, random_name());
}

// True if the locked `fd` is still what lies at `path`: nobody took it for a leftover in between.
bool is_still_there(int fd, const std::string& path) {
  struct stat mine {};
  struct stat there {};
  return ::fstat(fd, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

}  // namespace

std::string random_name() {
  char bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) fail("cannot get random bytes: {}", errno_text());
  return to_hex(std::string_view(bytes, sizeof bytes));
}

AtomicFile::AtomicFile(std::string target, mode_t mode) : target_(std::move(target)) {
  while (true) {
    temporary_ = temporary_name(parent_path(target_), file_name(target_));
    fd_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_ && errno == EEXIST) continue;
    if (!fd_) fail("cannot write {}: {}", target_, errno_text());
    // Whoever took it for a leftover before it was locked has the lock for a moment, and then it is gone.
    while (::flock(fd_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
    if (is_still_there(fd_.get(), temporary_)) break;
  }
  // The mode is the same under every umask.
  if (::fchmod(fd_.get(), mode) != 0) fail("cannot write {}: {}", target_, errno_text());
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::commit(bool sync) { commit_as(target_, sync); }

void AtomicFile::commit_as(const std::string& target, bool sync) {
  if (sync && ::fsync(fd_.get()) != 0) fail("cannot write {} to disk: {}", target, errno_text());
  if (::rename(temporary_.c_str(), target.c_str()) != 0) fail("cannot write {}: {}", target, errno_text());
  temporary_.clear();
}

void write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  AtomicFile file(path, mode);
  file.write(bytes);
  file.commit();
}

TemporaryDirectory::TemporaryDirectory(const std::string& parent, std::string_view name) {
  while (true) {
    path_ = temporary_name(parent, name);
    if (::mkdir(path_.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      const int error = errno;
      const std::string path = std::exchange(path_, {});
      fail("cannot make a directory in {}: {}", parent, errno_text(error));
    }
    lock_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock_ && ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 && is_still_there(lock_.get(), path_)) break;
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {
    // The next writer tries again: the lock ends here.
    return;
  }
}

void remove_stale_temporaries(const std::string& directory,
                              const std::function<void(const std::string& path)>& remove) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') || name.find(marker) == std::string_view::npos) continue;
    const Fd fd(::openat(::dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    const std::string path = directory + "/" + entry->d_name;
    if (!is_still_there(fd.get(), path)) continue;
    try {
      remove(path);
    } catch (const Error&) {
      continue;
    }
  }
  ::closedir(dir);
}

namespace {

Fd open_for_lock(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) fail("cannot lock {}: {}", path, errno_text());
  return fd;
}

}  // namespace

FileLock::FileLock(const std::string& path, Mode mode) : fd_(open_for_lock(path)) {
  while (::flock(fd_.get(), mode == Mode::shared ? LOCK_SH : LOCK_EX) != 0)
    if (errno != EINTR) fail("cannot lock {}: {}", path, errno_text());
}

FileLock::FileLock(const std::string& path, uint64_t byte) : fd_(open_for_lock(path)) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  // The lock of an open file description (fcntl(2)), not of the process.
  while (::fcntl(fd_.get(), F_OFD_SETLKW, &range) != 0)
    if (errno != EINTR) fail("cannot lock {}: {}", path, errno_text());
}

}  // namespace minibuild::base
