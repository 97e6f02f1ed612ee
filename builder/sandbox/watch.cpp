#include "builder/sandbox/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::sandbox {

namespace {

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

uint64_t free_bytes(int root) {
  struct statvfs space {};
  return ::fstatvfs(root, &space) == 0 ? uint64_t{space.f_bavail} * space.f_frsize : UINT64_MAX;
}

// What the files below a directory take; what is nested too deep or vanishes meanwhile counts nothing.
uint64_t used_bytes(int above, const char* name, int depth) {
  base::Fd fd(::openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const Directory directory(fd ? ::fdopendir(fd.get()) : nullptr, &::closedir);
  if (!directory) return 0;
  static_cast<void>(fd.release());
  uint64_t sum = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view inside = entry->d_name;
    struct stat st {};
    if (inside == "." || inside == ".." ||
        ::fstatat(::dirfd(directory.get()), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    sum += static_cast<uint64_t>(st.st_blocks) * 512 /
           std::max<uint64_t>(S_ISDIR(st.st_mode) ? 1 : st.st_nlink, 1);
    if (S_ISDIR(st.st_mode) && depth < 200)
      sum += used_bytes(::dirfd(directory.get()), entry->d_name, depth + 1);
  }
  return sum;
}

}  // namespace

Watch::Watch(const Limits& limits, int root) : limits_(limits), root_(root), began_(seconds()) {
  free_at_first_ = free_then_ = free_bytes(root);
}

bool Watch::memory_and_processes(std::string& key) {
  const Directory directory(::opendir("/proc"), &::closedir);
  uint64_t pages = 0;
  uint64_t threads = 0;
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const std::string process = std::string("/proc/") + entry->d_name;
    struct stat st {};
    // A process that has ended since.
    if (::stat((process + "/task").c_str(), &st) != 0) continue;
    threads += std::max<uint64_t>(st.st_nlink, 3) - 2;
    try {
      const std::vector<std::string> fields = base::split(base::read_file(process + "/statm", 4096), ' ');
      const uint64_t resident = fields.size() > 2 ? base::parse_number(fields[1]).value_or(0) : 0;
      const uint64_t shared = fields.size() > 2 ? base::parse_number(fields[2]).value_or(0) : 0;
      pages += resident - std::min(resident, shared);
    } catch (const base::Error&) {
      continue;
    }
  }
  uint64_t memory = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  struct statvfs shm {};
  if (::statvfs("/dev/shm", &shm) == 0) memory += uint64_t{shm.f_blocks - shm.f_bfree} * shm.f_frsize;
  was_full_ = was_full_ || threads + 16 >= limits_.processes;
  // More than the kernel lets one user have: there are several.
  if (threads > limits_.processes + 16) key = "processes";
  if (memory > limits_.memory) key = "memory";
  return !key.empty();
}

// The files are counted only when the file system has lost so much that the stage could have used it up,
// since that takes time; and not all the time where something else fills the disk.
bool Watch::disk() {
  const uint64_t now = free_bytes(root_);
  constexpr uint64_t reserve = uint64_t{256} << 20;
  if (now < std::min(reserve, free_at_first_ / 20)) return true;
  if (used_then_ + (free_then_ - std::min(free_then_, now)) <= limits_.disk) return false;
  const double begin = seconds();
  if (begin < next_walk_) return false;
  used_then_ = used_bytes(root_, ".", 0);
  free_then_ = now;
  const double end = seconds();
  next_walk_ = end + 10 * (end - begin);
  return used_then_ > limits_.disk;
}

std::string Watch::passed() {
  if (limits_.time > 0 && seconds() - began_ > static_cast<double>(limits_.time)) return "time";
  std::string key;
  if (memory_and_processes(key)) return key;
  return disk() ? "disk" : "";
}

}  // namespace minibuild::sandbox
