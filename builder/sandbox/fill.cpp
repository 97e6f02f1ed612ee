#include "builder/sandbox/fill.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::sandbox {

using archive::TarEntry;
using base::fail;

namespace {

// A directory of the tree, opened component by component without following links.
base::Fd open_below(int root, std::string_view path) {
  base::Fd fd(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (fd && !path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    fd = base::Fd(::openat(fd.get(), std::string(path.substr(0, slash)).c_str(),
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  if (!fd) fail("cannot open a directory of the stage: {}", base::errno_text());
  return fd;
}

// A file in which zeros, many at once, take no place.
class SparseSink : public base::Sink {
 public:
  SparseSink(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, piece);
      bytes.remove_prefix(part.size());
      if (part.size() >= least && part.front() == 0 &&
          std::memcmp(part.data(), part.data() + 1, part.size() - 1) == 0)
        hole(part.size());
      else
        base::write_all(fd_, part, what_);
    }
  }

  void hole(uint64_t size) {
    if (::lseek(fd_, static_cast<off_t>(size), SEEK_CUR) < 0)
      fail("cannot write {}: {}", what_, base::errno_text());
  }

  // A hole at the end has no byte behind it that would make the file so long.
  void finish() {
    const off_t size = ::lseek(fd_, 0, SEEK_CUR);
    if (size < 0 || ::ftruncate(fd_, size) != 0) fail("cannot write {}: {}", what_, base::errno_text());
  }

 private:
  static constexpr size_t piece = size_t{64} << 10;
  static constexpr size_t least = 4096;
  int fd_;
  std::string what_;
};

class Unpacker {
 public:
  Unpacker(base::Source& source, int root, const std::map<std::string, int64_t>& times)
      : reader_(source, "the stage's file system", archive::stage_limits), root_(root), times_(times) {}

  void run() {
    TarEntry entry;
    while (reader_.next(entry)) {
      if (entry.path.empty()) continue;
      const std::string parent(tree::directory_of(entry.path));
      if (!parent_ || parent != parent_path_) {
        parent_ = open_below(root_, parent);
        parent_path_ = parent;
      }
      make(entry, std::string(tree::name_of(entry.path)));
    }
    // Directories last, deepest first: what is made in them changes their times, and they may be read-only.
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
      const base::Fd above = open_below(root_, tree::directory_of(it->first));
      finish(above.get(), it->first, it->second);
    }
  }

 private:
  [[noreturn]] static void failed(const TarEntry& entry) {
    fail("cannot make /{} in the stage: {}", entry.path, base::errno_text());
  }

  void make(TarEntry& entry, const std::string& name) {
    const int at = parent_.get();
    const char* path = name.c_str();
    switch (entry.kind) {
      case TarEntry::Kind::directory:
        if (::mkdirat(at, path, 0700) != 0) failed(entry);
        directories_.emplace_back(entry.path, entry.node);
        return;
      case TarEntry::Kind::file:
        make_file(entry, name);
        break;
      case TarEntry::Kind::symlink:
        if (::symlinkat(entry.target.c_str(), at, path) != 0) failed(entry);
        break;
      case TarEntry::Kind::hard_link: {
        const base::Fd from = open_below(root_, tree::directory_of(entry.target));
        if (::linkat(from.get(), std::string(tree::name_of(entry.target)).c_str(), at, path, 0) != 0)
          failed(entry);
        return;
      }
      case TarEntry::Kind::fifo:
        if (::mkfifoat(at, path, 0600) != 0) failed(entry);
        break;
      case TarEntry::Kind::character_device:
      case TarEntry::Kind::block_device:
        return;  // a sandbox makes no devices
    }
    finish(at, entry.path, entry.node);
  }

  void make_file(const TarEntry& entry, const std::string& name) {
    const base::Fd fd(
        ::openat(parent_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) failed(entry);
    SparseSink sink(fd.get(), "a file of the stage");
    buffer_.resize(size_t{256} << 10);
    while (const size_t n = reader_.read(buffer_)) sink.write({buffer_.data(), n});
    sink.finish();
  }

  void finish(int at, const std::string& whole, const tree::Node& node) const {
    const std::string name(tree::name_of(whole));
    const char* path = name.c_str();
    if (::fchownat(at, path, node.uid, node.gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != EPERM)
      fail("cannot set the owner of {} in the stage: {}", name, base::errno_text());
    if (node.type != tree::NodeType::symlink) {
      const base::Fd fd(::openat(at, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
      const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
      if (!fd || ::chmod(self.c_str(), node.mode) != 0)
        fail("cannot set the mode of {} in the stage: {}", name, base::errno_text());
      for (const auto& [key, value] : node.xattrs) {
        const bool set = ::setxattr(self.c_str(), key.c_str(), value.data(), value.size(), 0) == 0;
        if (!set && errno != EPERM && errno != ENOTSUP && errno != EINVAL)
          fail("cannot set {} of {}: {}", key, name, base::errno_text());
      }
    }
    timespec time{node.mtime, 0};
    if (const auto own = times_.find(whole); own != times_.end())
      time = {own->second / 1'000'000'000, own->second % 1'000'000'000};
    const timespec times[2] = {time, time};
    ::utimensat(at, path, times, AT_SYMLINK_NOFOLLOW);
  }

  archive::TarReader reader_;
  int root_;
  const std::map<std::string, int64_t>& times_;
  base::Fd parent_;
  std::string parent_path_;
  std::vector<std::pair<std::string, tree::Node>> directories_;
  std::vector<char> buffer_;
};

constexpr int max_depth_filled = 1000;  // of directories

struct Found {
  std::string path;
  struct stat st;
};

class Packer {
 public:
  // `hole` takes the place of that many zeros.
  Packer(int root, base::Sink& sink, std::function<void(uint64_t)> hole)
      : root_(root), sink_(sink), hole_(std::move(hole)) {}

  void run() {
    find_all();
    std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) { return a.path < b.path; });
    for (const Found& one : found_) write(one);
    sink_.write(std::string(archive::tar_end_size, '\0'));
  }

 private:
  // Directories are opened one at a time: a deep tree needs no more descriptors than a flat one.
  void find_all() {
    std::vector<std::pair<std::string, int>> open = {{"", 0}};
    while (!open.empty()) {
      const auto [path, depth] = std::move(open.back());
      open.pop_back();
      if (depth > max_depth_filled)
        fail("the directory /{} of the stage is nested more than {} deep", path, max_depth_filled);
      base::Fd fd = open_below(root_, path);
      const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
      if (!dir) fail("cannot read the directory /{} of the stage: {}", path, base::errno_text());
      static_cast<void>(fd.release());
      while (const dirent* entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        Found one{tree::join_path(path, name), {}};
        if (::fstatat(::dirfd(dir.get()), entry->d_name, &one.st, AT_SYMLINK_NOFOLLOW) != 0)
          fail("cannot read /{} of the stage: {}", one.path, base::errno_text());
        if (S_ISDIR(one.st.st_mode)) open.emplace_back(one.path, depth + 1);
        if (!S_ISSOCK(one.st.st_mode)) found_.push_back(std::move(one));
      }
    }
  }

  void write(const Found& one) {
    tree::Node node;
    node.mode = one.st.st_mode & 07777U;
    node.uid = one.st.st_uid;
    node.gid = one.st.st_gid;
    node.mtime = one.st.st_mtim.tv_sec;
    const base::Fd above = open_below(root_, tree::directory_of(one.path));
    const std::string name(tree::name_of(one.path));
    if (S_ISREG(one.st.st_mode) && one.st.st_nlink > 1) {
      const auto [first, is_first] = links_.try_emplace({one.st.st_dev, one.st.st_ino}, one.path);
      if (!is_first) return sink_.write(archive::tar_header(one.path, node, first->second));
    }
    switch (one.st.st_mode & S_IFMT) {
      case S_IFDIR:
        node.type = tree::NodeType::directory;
        break;
      case S_IFIFO:
        node.type = tree::NodeType::fifo;
        break;
      case S_IFCHR:
      case S_IFBLK:
        node.type = S_ISCHR(one.st.st_mode) ? tree::NodeType::character_device : tree::NodeType::block_device;
        node.device_major = major(one.st.st_rdev);
        node.device_minor = minor(one.st.st_rdev);
        break;
      case S_IFLNK: {
        node.type = tree::NodeType::symlink;
        char target[PATH_MAX];
        const ssize_t n = ::readlinkat(above.get(), name.c_str(), target, sizeof target);
        if (n < 0) fail("cannot read the link /{} of the stage: {}", one.path, base::errno_text());
        node.target.assign(target, static_cast<size_t>(n));
        break;
      }
      default:
        return write_file(one, above.get(), name, node);
    }
    sink_.write(archive::tar_header(one.path, node));
  }

  void write_file(const Found& one, int above, const std::string& name, tree::Node& node) {
    const base::Fd fd(::openat(above, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd) fail("cannot read /{} of the stage: {}", one.path, base::errno_text());
    for (const char* key : {"security.capability"}) {
      char value[256];
      const ssize_t n = ::fgetxattr(fd.get(), key, value, sizeof value);
      if (n > 0) node.xattrs.emplace_back(key, std::string(value, static_cast<size_t>(n)));
    }
    node.content.size = static_cast<uint64_t>(one.st.st_size);
    sink_.write(archive::tar_header(one.path, node));
    buffer_.resize(size_t{256} << 10);
    const uint64_t size = node.content.size;
    const bool sparse = static_cast<uint64_t>(one.st.st_blocks) * 512 < size;
    for (uint64_t at = 0; at < size;) {
      if (const uint64_t data = sparse ? next_data(fd.get(), at, size) : at; data > at) {
        hole_(data - at);
        at = data;
        continue;
      }
      const auto n = static_cast<size_t>(std::min<uint64_t>(size - at, buffer_.size()));
      base::read_at(fd.get(), {buffer_.data(), n}, at, "/" + one.path + " of the stage");
      sink_.write({buffer_.data(), n});
      at += n;
    }
    sink_.write(std::string(archive::tar_padding(node.content.size), '\0'));
  }

  // Where the hole at `at` ends, if there is one.
  static uint64_t next_data(int fd, uint64_t at, uint64_t size) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data >= 0) return std::min(static_cast<uint64_t>(data), size);
    return errno == ENXIO ? size : at;  // else the file system does not know
  }

  int root_;
  base::Sink& sink_;
  std::function<void(uint64_t)> hole_;
  std::vector<Found> found_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::vector<char> buffer_;
};

}  // namespace

void unpack_tree(base::Source& source, int directory, const std::map<std::string, int64_t>& times) {
  Unpacker(source, directory, times).run();
}

void pack_tree(int directory, base::Sink& sink) {
  const std::string zeros(size_t{64} << 10, '\0');
  Packer(directory, sink, [&](uint64_t size) {
    for (; size > 0; size -= std::min<uint64_t>(size, zeros.size()))
      sink.write(
          std::string_view(zeros).substr(0, static_cast<size_t>(std::min<uint64_t>(size, zeros.size()))));
  }).run();
}

void pack_tree_sparsely(int directory, int file) {
  SparseSink sink(file, "the stage's result");
  Packer(directory, sink, [&sink](uint64_t size) { sink.hole(size); }).run();
  sink.finish();
}

void settle_kept(int directory) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::vector<std::string> open = {""};
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    base::Fd fd = open_below(directory, path);
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
    if (!dir) fail("cannot read a kept directory: {}", base::errno_text());
    static_cast<void>(fd.release());
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat st {};
      if (::fstatat(::dirfd(dir.get()), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISDIR(st.st_mode)) {
        open.push_back(tree::join_path(path, name));
      } else if (S_ISREG(st.st_mode) && (st.st_mode & (S_ISUID | S_ISGID)) != 0 &&
                 ::fchmodat(::dirfd(dir.get()), entry->d_name, st.st_mode & 01777U, 0) != 0) {
        fail("cannot take setuid off a file of a kept directory: {}", base::errno_text());
      }
      if (st.st_mtim.tv_sec > now.tv_sec) {
        const timespec times[2] = {now, now};
        ::utimensat(::dirfd(dir.get()), entry->d_name, times, AT_SYMLINK_NOFOLLOW);
      }
    }
  }
}

}  // namespace minibuild::sandbox
