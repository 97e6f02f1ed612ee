#include "builder/build/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <optional>

#include "minibuild/base/error.h"

namespace minibuild::build {

using base::fail;
using tree::Node;
using tree::NodeType;

namespace {

// Empty for what is no link.
std::string read_link(const struct stat& st, int directory, const char* name, const std::string& path) {
  if (!S_ISLNK(st.st_mode)) return {};
  char buffer[PATH_MAX];
  const ssize_t n = ::readlinkat(directory, name, buffer, sizeof buffer);
  if (n < 0) fail("cannot read the link {}: {}", path, base::errno_text());
  return {buffer, static_cast<size_t>(n)};
}

}  // namespace

std::optional<Node> node_of(const struct stat& st, std::string target, const std::string& path) {
  Node node;
  node.mode = st.st_mode & 07777U;
  node.uid = st.st_uid;
  node.gid = st.st_gid;
  node.mtime = st.st_mtim.tv_sec;
  switch (st.st_mode & S_IFMT) {
    case S_IFREG:
      node.type = NodeType::file;
      node.content = {tree::DiskFile{path, base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)};
      return node;
    case S_IFDIR:
      node.type = NodeType::directory;
      return node;
    case S_IFLNK:
      node.type = NodeType::symlink;
      node.target = std::move(target);
      return node;
    case S_IFIFO:
      node.type = NodeType::fifo;
      return node;
    case S_IFCHR:
    case S_IFBLK:
      node.type = S_ISCHR(st.st_mode) ? NodeType::character_device : NodeType::block_device;
      node.device_major = major(st.st_rdev);
      node.device_minor = minor(st.st_rdev);
      return node;
    default:
      return std::nullopt;
  }
}

uint64_t LinkGroups::of(const struct stat& st, tree::FileTree& tree) {
  if (!S_ISREG(st.st_mode) || st.st_nlink < 2) return 0;
  const auto [group, is_new] = groups_.try_emplace({st.st_dev, st.st_ino}, 0);
  if (is_new) group->second = tree.new_link_group();
  return group->second;
}

namespace {

class Scanner {
 public:
  Scanner(const tree::IgnoreList& ignore, const std::string& prefix, const std::string& place,
          tree::FileTree& into)
      : ignore_(ignore), prefix_(prefix), place_(place), tree_(into) {}

  void scan(const std::string& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail("cannot read the directory {}: {}", directory, base::errno_text());
    walk(fd, directory, "", 0);
  }

 private:
  void walk(int fd, const std::string& directory, const std::string& path, int depth) {
    if (depth > 500) fail("cannot read {}: more than 500 directories deep", directory);
    DIR* dir = ::fdopendir(fd);
    if (dir == nullptr) {
      ::close(fd);
      fail("cannot read the directory {}: {}", directory, base::errno_text());
    }
    const auto close_dir = [](DIR* d) { ::closedir(d); };
    const std::unique_ptr<DIR, decltype(close_dir)> closer(dir, close_dir);
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(dir);
      if (entry == nullptr && errno != 0)
        fail("cannot read the directory {}: {}", directory, base::errno_text());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      visit(dir, entry->d_name, directory + "/" + entry->d_name, tree::join_path(path, name), depth);
    }
  }

  void visit(DIR* dir, const char* name, const std::string& full, const std::string& path, int depth) {
    struct stat st {};
    if (::fstatat(::dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      fail("cannot read {}: {}", full, base::errno_text());
    bool ignored = false;
    if (!ignore_.empty()) {
      const std::string asked = tree::join_path(prefix_, path);
      ignored = ignore_.ignores(asked);
      if (ignored && (!S_ISDIR(st.st_mode) || ignore_.ignores_all_below(asked))) return;
    }
    std::optional<Node> node = node_of(st, read_link(st, ::dirfd(dir), name, full), full);
    if (!node) return;
    node->link_group = links_.of(st, tree_);
    if (!ignored)
      tree_.put(tree::join_path(place_, path), std::move(*node),
                0);  // parents that are ignored come with what is below them
    if (!S_ISDIR(st.st_mode)) return;
    const int fd = ::openat(::dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) fail("cannot read the directory {}: {}", full, base::errno_text());
    walk(fd, full, path, depth + 1);
  }

  const tree::IgnoreList& ignore_;
  const std::string& prefix_;
  const std::string& place_;
  tree::FileTree& tree_;
  LinkGroups links_;
};

}  // namespace

void scan_directory(const std::string& directory, const tree::IgnoreList& ignore, const std::string& prefix,
                    const std::string& place, tree::FileTree& into) {
  Scanner(ignore, prefix, place, into).scan(directory);
}

std::optional<Node> scan_path(const std::string& path) {
  struct stat st {};
  if (!base::lstat_path(path, st)) return std::nullopt;
  return node_of(st, read_link(st, AT_FDCWD, path.c_str(), path), path);
}

}  // namespace minibuild::build
