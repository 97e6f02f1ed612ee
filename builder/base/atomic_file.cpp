// Files and directories that appear under their name only when they are complete.
//
// A temporary is locked (flock) as long as its maker lives; one that is not locked was left by a process that
// was killed, and whoever next writes to the directory removes it. Where a file system knows no locks,
// nothing is locked and nothing removed.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/wait.h"

namespace minibuild::base {

namespace {

constexpr std::string_view marker = ".minibuild-tmp-";

std::string temporary_name(const std::string& directory, std::string_view name) {
  return fmt::format("{}/.{}{}{}", directory, name.substr(0, 180), marker, random_name());
}

// True if the locked `fd` is what lies at `path`.
bool is_still_there(int fd, const std::string& path) {
  struct stat mine {};
  struct stat there {};
  return ::fstat(fd, &mine) == 0 && ::lstat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

// A name with 64 random bits is free, and nobody has it for a leftover twice: what fails more often never
// works.
constexpr int max_tries = 20;

bool knows_no_locks(int error) {
  return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == EBADF;
}

bool is_busy(int error) { return error == EWOULDBLOCK || error == EAGAIN || error == EACCES; }

// Asks for the lock until it is there; false where the file system knows no locks.
template <typename Attempt>
bool wait_for_lock(const std::string& path, Attempt attempt) {
  Wait wait(fmt::format("waiting for another minibuild, which holds the lock on {}", path));
  while (attempt() != 0) {
    if (errno == EINTR) continue;
    if (knows_no_locks(errno)) return false;
    if (!is_busy(errno)) fail("cannot lock {}: {}", path, errno_text());
    wait.pause();
  }
  return true;
}

// Files only: a rename would put one in place of the device or pipe that is there.
void refuse_special(const std::string& target) {
  struct stat st {};
  if (::stat(target.c_str(), &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) return;
  fail("cannot write {}: it is {}, not a file; name a file", target, kind_of_file(st.st_mode));
}

}  // namespace

void sync_to_disk(int fd, const std::string& what) {
  if (::fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return;
  fail("cannot write {} to disk: {}", what, errno_text());
}

bool rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) fail("{}", errno_text());
  if (exists(to)) return false;
  // Whoever comes between has made a directory with something in it, which is not replaced, or an empty one.
  if (::rename(from.c_str(), to.c_str()) == 0) return true;
  if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) return false;
  fail("{}", errno_text());
}

void exchange(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) fail("{}", errno_text());
  const std::string aside = temporary_name(parent_path(to), file_name(to));
  if (::rename(to.c_str(), aside.c_str()) != 0) fail("{}", errno_text());
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    if (::rename(aside.c_str(), to.c_str()) != 0)
      fail("{}; what was there is now {}", errno_text(error), aside);
    fail("{}", errno_text(error));
  }
  if (::rename(aside.c_str(), from.c_str()) != 0) fail("{} is still there: {}", aside, errno_text());
}

void lock_file(int fd, const std::string& path) {
  wait_for_lock(path, [fd] { return ::flock(fd, LOCK_EX | LOCK_NB); });
}

std::string random_name() {
  char bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) fail("cannot get random bytes: {}", errno_text());
  return to_hex(std::string_view(bytes, sizeof bytes));
}

AtomicFile::AtomicFile(std::string target, mode_t mode) : target_(std::move(target)) {
  refuse_special(target_);
  for (int tries = 1;; ++tries) {
    temporary_ = temporary_name(parent_path(target_), file_name(target_));
    fd_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    const int error = errno;
    if (fd_) {
      // Whoever took it for a leftover before it was locked has the lock for a moment, and then it is gone.
      lock_file(fd_.get(), temporary_);
      if (exists(temporary_)) break;
    }
    if ((!fd_ && error != EEXIST) || tries == max_tries)
      fail("cannot write {}: {}", target_,
           fd_ ? "a new file beside it is removed at once" : errno_text(error));
  }
  // The mode is the same under every umask.
  if (::fchmod(fd_.get(), mode) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail("cannot write {}: {}", target_, errno_text(error));
  }
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::commit(bool sync) { commit_as(target_, sync); }

void AtomicFile::commit_as(const std::string& target, bool sync) {
  if (sync) sync_to_disk(fd_.get(), target);
  if (::rename(temporary_.c_str(), target.c_str()) != 0) fail("cannot write {}: {}", target, errno_text());
  temporary_.clear();
}

void write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  AtomicFile file(path, mode);
  file.write(bytes);
  file.commit();
}

TemporaryDirectory::TemporaryDirectory(const std::string& parent, std::string_view name) {
  for (int tries = 1;; ++tries) {
    std::string path = temporary_name(parent, name);
    if (::mkdir(path.c_str(), 0700) != 0) {
      if (errno == EEXIST && tries < max_tries) continue;
      fail("cannot make a directory in {}: {}", parent, errno_text());
    }
    lock_ = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int error = lock_ ? 0 : errno;
    if (lock_) lock_file(lock_.get(), path);
    if (lock_ && exists(path)) {
      path_ = std::move(path);
      return;
    }
    if ((lock_ || error == ENOENT) && tries < max_tries) continue;
    ::rmdir(path.c_str());
    fail("cannot make a directory in {}: {}", parent,
         error != 0 ? errno_text(error) : "a new one is removed at once");
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

Fd try_lock(const std::string& path) {
  Fd fd = open_for_lock(path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return fd;
}

FileLock::FileLock(const std::string& path, Mode mode) : fd_(open_for_lock(path)) {
  const int how = mode == Mode::shared ? LOCK_SH : LOCK_EX;
  const bool locked = wait_for_lock(path, [&] { return ::flock(fd_.get(), how | LOCK_NB); });
  // Who only uses what is there goes on; who removes it must know that nobody does.
  if (!locked && mode == Mode::exclusive)
    fail("cannot lock {}: its file system knows no locks, so what is in use cannot be told", path);
}

namespace {

// The lock of an open file description (fcntl(2)), not of the process.
int lock_byte(int fd, uint64_t byte) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  return ::fcntl(fd, F_OFD_SETLK, &range);
}

}  // namespace

FileLock::FileLock(const std::string& path, uint64_t byte) : fd_(open_for_lock(path)) {
  wait_for_lock(path, [&] { return lock_byte(fd_.get(), byte); });
}

std::optional<FileLock> FileLock::try_lock(const std::string& path, uint64_t byte) {
  FileLock lock(open_for_lock(path));
  if (lock_byte(lock.fd_.get(), byte) == 0 || knows_no_locks(errno)) return lock;
  if (is_busy(errno) || errno == EINTR) return std::nullopt;
  fail("cannot lock {}: {}", path, errno_text());
}

}  // namespace minibuild::base
