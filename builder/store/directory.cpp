// A file tree as a directory. Everything is made in a new directory of ours, relative to open descriptors.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <dirent.h>

#include <algorithm>

#include "builder/store/output_forms.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"

namespace minibuild::store {

using base::fail;
using tree::Node;
using tree::NodeType;

namespace {

// Marks a directory that minibuild made and may replace.
constexpr const char* mark = "user.minibuild.output";

class TreeWriter {
 public:
  explicit TreeWriter(std::string root) : root_(std::move(root)), is_root_(::geteuid() == 0) {}

  void write(const tree::FileTree& tree) {
    for (const auto& [path, node] : tree.nodes()) make(path, node);
    // Directories last and deepest first: what is made in them changes their times, and they may be
    // read-only.
    for (auto it = tree.nodes().rbegin(); it != tree.nodes().rend(); ++it)
      if (it->second.type == NodeType::directory) finish(it->first, it->second);
  }

 private:
  std::string full(const std::string& path) const { return root_ + "/" + path; }

  [[noreturn]] static void failed(const std::string& path) {
    fail("cannot make /{}: {}", path, base::errno_text());
  }

  void make(const std::string& path, const Node& node) {
    const std::string name = full(path);
    switch (node.type) {
      case NodeType::directory:
        if (::mkdir(name.c_str(), 0700) != 0) failed(path);
        return;
      case NodeType::symlink:
        if (::symlink(node.target.c_str(), name.c_str()) != 0) failed(path);
        break;
      case NodeType::fifo:
        if (::mkfifo(name.c_str(), 0600) != 0) failed(path);
        break;
      case NodeType::character_device:
      case NodeType::block_device: {
        const mode_t type = node.type == NodeType::character_device ? S_IFCHR : S_IFBLK;
        if (::mknod(name.c_str(), type | 0600, makedev(node.device_major, node.device_minor)) != 0)
          failed(path);
        break;
      }
      case NodeType::file:
        if (make_file(path, name, node)) return;  // a link to a file that is finished
        break;
    }
    finish(path, node);
  }

  bool make_file(const std::string& path, const std::string& name, const Node& node) {
    if (node.link_group != 0) {
      const auto [first, is_first] = links_.try_emplace(node.link_group, name);
      if (!is_first) {
        if (::link(first->second.c_str(), name.c_str()) == 0) return true;
        // A file system without hard links, or with too many of this file: its content once more.
        if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP && errno != ENOSYS) failed(path);
      }
    }
    const base::Fd fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) failed(path);
    std::string buffer;
    for (uint64_t offset = 0; offset < node.content.size; offset += buffer.size()) {
      buffer.resize(std::min<uint64_t>(node.content.size - offset, uint64_t{1} << 20U));
      tree::read_content(node.content, offset, buffer);
      base::write_all(fd.get(), buffer, path);
    }
    return false;
  }

  void finish(const std::string& path, const Node& node) const {
    const std::string name = full(path);
    if (is_root_ && ::lchown(name.c_str(), node.uid, node.gid) != 0) failed(path);
    for (const auto& [key, value] : node.xattrs)
      if (::lsetxattr(name.c_str(), key.c_str(), value.data(), value.size(), 0) != 0 && is_root_ &&
          errno != ENOTSUP)
        failed(path);
    if (node.type != NodeType::symlink && ::chmod(name.c_str(), node.mode) != 0) failed(path);
    const timespec times[2] = {{node.mtime, 0}, {node.mtime, 0}};
    if (::utimensat(AT_FDCWD, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) failed(path);
  }

  std::string root_;
  bool is_root_;
  std::map<uint64_t, std::string> links_;
};

bool holds_nothing(const std::string& directory) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return false;
  size_t entries = 0;
  while (::readdir(dir) != nullptr) ++entries;
  ::closedir(dir);
  return entries <= 2;
}

}  // namespace

void check_directory(const std::string& directory) {
  struct stat st {};
  if (!base::lstat_path(directory, st)) return;
  if (!S_ISDIR(st.st_mode)) fail("something else of that name is there");
  if (::lgetxattr(directory.c_str(), mark, nullptr, 0) >= 0 || holds_nothing(directory)) return;
  fail("the directory holds files that minibuild did not write; remove it or name another");
}

void write_directory(const oci::ImageLocation& destination, const Product& product) {
  if (product.tree == nullptr)
    fail("it holds one file tree; this image has several platforms; choose one with --platform");
  const std::string& target = destination.path;
  check_directory(target);
  const std::string parent = base::parent_path(target);
  base::make_directories(parent);
  base::remove_stale_temporaries(parent);
  base::TemporaryDirectory directory(parent, base::file_name(target));
  TreeWriter(directory.path()).write(*product.tree);
  ::chmod(directory.path().c_str(), 0755);
  const bool marked = ::lsetxattr(directory.path().c_str(), mark, "1", 1, 0) == 0;
  static_cast<void>(
      marked);  // without the mark the directory is not replaced by a later build: the safe side
  const timespec times[2] = {{product.mtime, 0}, {product.mtime, 0}};
  ::utimensat(AT_FDCWD, directory.path().c_str(), times, 0);
  if (!base::exists(target)) {
    if (::rename(directory.path().c_str(), target.c_str()) != 0) fail("{}", base::errno_text());
    directory.release();
    return;
  }
  // The old one takes the temporary's name and goes with it.
  base::exchange(directory.path(), target);
}

}  // namespace minibuild::store
