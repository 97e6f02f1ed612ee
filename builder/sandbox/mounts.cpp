#include "builder/sandbox/mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "builder/sandbox/host.h"
#include "builder/sandbox/uplink.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::sandbox {

using base::fail;

namespace {

void mount_or_fail(const std::string& what, const std::string& source, const std::string& target,
                   const char* type, unsigned long flags, const char* data = nullptr) {
  if (::mount(source.c_str(), target.c_str(), type, flags, data) != 0)
    fail("{}cannot mount {} in the sandbox: {}", errno == EPERM || errno == EACCES ? namespaces_refused : "",
         what, base::errno_text());
}

// Read-only and without setuid programs and devices, everything mounted below it too.
void make_read_only(const std::string& path, bool allow_exec) {
  mount_attr attributes{};
  attributes.attr_set =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (allow_exec ? 0U : MOUNT_ATTR_NOEXEC);
  if (::syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), AT_RECURSIVE, &attributes, sizeof attributes) != 0)
    fail("cannot make {} read-only in the sandbox: {} (Linux 5.12 or newer is needed)", path,
         base::errno_text());
}

bool is_dir(const std::string& path) { return base::is_directory(path); }

}  // namespace

void make_mounts_private() { mount_or_fail("/", "none", "/", nullptr, MS_REC | MS_PRIVATE); }

void stage_directories(const Orders& orders) {
  if (::unshare(CLONE_NEWNS) != 0) fail("{}{}", namespaces_refused, base::errno_text());
  make_mounts_private();
  // Opened before /tmp is covered: they may lie in it.
  const auto open_path = [](const std::string& path) {
    base::Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) fail("cannot open {}: {}", path, base::errno_text());
    return fd;
  };
  const base::Fd root = open_path(orders.work + "/root");
  std::vector<base::Fd> caches;
  for (const auto& [path, host] : orders.caches) caches.push_back(open_path(host));
  if (orders.network && orders.stage_as_root) share_tunnel_device();
  mount_or_fail("/tmp", "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m");
  const auto bind = [](const base::Fd& fd, const std::string& target) {
    if (::mkdir(target.c_str(), 0755) != 0) fail("cannot make {}: {}", target, base::errno_text());
    mount_or_fail(target, fmt::format("/proc/self/fd/{}", fd.get()), target, nullptr, MS_BIND);
  };
  bind(root, staged_root);
  bind(root, staged_clean);
  for (size_t i = 0; i < caches.size(); ++i) bind(caches[i], fmt::format("/tmp/cache{}", i));
  // For what is written by the sandbox's own root.
  if (::mkdir("/tmp/own", 0777) != 0 || ::chmod("/tmp/own", 0777) != 0)
    fail("cannot make /tmp/own: {}", base::errno_text());
}

namespace {

// The directory above `path`, made where missing; nothing of the root is followed.
base::Fd open_parent(int root, std::string_view path, std::vector<std::pair<std::string, bool>>* made) {
  base::Fd fd(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string done;
  std::string_view rest = tree::directory_of(path);
  while (fd && !rest.empty()) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string part(rest.substr(0, slash));
    done = tree::join_path(done, part);
    if (made != nullptr && ::mkdirat(fd.get(), part.c_str(), 0755) == 0) {
      ::fchmodat(fd.get(), part.c_str(), 0755, 0);
      made->emplace_back(done, true);
    }
    fd = base::Fd(::openat(fd.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  if (!fd) fail("cannot make /{} in the sandbox: {} (is a part of it a link?)", path, base::errno_text());
  return fd;
}

}  // namespace

void Stubs::directory(int root, const std::string& path, mode_t mode) {
  const base::Fd parent = open_parent(root, path, &made_);
  const std::string name(tree::name_of(path));
  if (::mkdirat(parent.get(), name.c_str(), mode) == 0) {
    ::fchmodat(parent.get(), name.c_str(), mode, 0);
    made_.emplace_back(path, true);
  } else if (errno != EEXIST) {
    fail("cannot make /{} in the sandbox: {}", path, base::errno_text());
  }
}

void Stubs::file(int root, const std::string& path) {
  const base::Fd parent = open_parent(root, path, &made_);
  const base::Fd fd(::openat(parent.get(), std::string(tree::name_of(path)).c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd)
    made_.emplace_back(path, false);
  else if (errno != EEXIST)
    fail("cannot make /{} in the sandbox: {}", path, base::errno_text());
}

void Stubs::link(int root, const std::string& path, const std::string& target) {
  if (::symlinkat(target.c_str(), root, path.c_str()) == 0) made_.emplace_back(path, false);
}

void Stubs::text(int root, const std::string& path, const std::string& text) {
  const base::Fd parent = open_parent(root, path, &made_);
  const base::Fd fd(::openat(parent.get(), std::string(tree::name_of(path)).c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd && errno == EEXIST) return;
  if (!fd) fail("cannot make /{} in the sandbox: {}", path, base::errno_text());
  base::write_all(fd.get(), text, "/" + path);
  ::fchmod(fd.get(), 0644);
  made_.emplace_back(path, false);
  texts_[path] = text;
}

namespace {

bool holds(int parent, const std::string& name, const std::string& text) {
  const base::Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  std::string there(text.size() + 1, '\0');
  const ssize_t n = fd ? ::read(fd.get(), there.data(), there.size()) : -1;
  return n == static_cast<ssize_t>(text.size()) && there.compare(0, text.size(), text) == 0;
}

}  // namespace

void Stubs::remove(int clean) const {
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) {
    try {
      const base::Fd parent = open_parent(clean, it->first, nullptr);
      const std::string name(tree::name_of(it->first));
      const auto text = texts_.find(it->first);
      if (text != texts_.end() && !holds(parent.get(), name, text->second)) continue;
      ::unlinkat(parent.get(), name.c_str(), it->second ? AT_REMOVEDIR : 0);
    } catch (const base::Error&) {
      continue;  // a command replaced a directory on the way
    }
  }
}

namespace {

// mountinfo writes spaces and backslashes in octal.
std::string unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Where something is mounted, later ones after those that they may lie upon.
std::vector<std::string> mount_points() {
  std::vector<std::string> points;
  // Each line: ID PARENT MAJOR:MINOR ROOT TARGET …
  for (const std::string& line : base::split(base::read_file("/proc/self/mountinfo"), '\n')) {
    const std::vector<std::string> fields = base::split(line, ' ');
    if (fields.size() > 4) points.push_back(unescape(fields[4]));
  }
  return points;
}

constexpr const char* empty_directory = "/tmp/own/empty";

// One sandbox's mounts on the staged root, before it is the root.
class Mounter {
 public:
  Mounter(const Orders& orders, Stubs& stubs) : orders_(orders), stubs_(stubs) {
    // A mount of this namespace's own: those that came from outside are locked and cannot become the root.
    mount_or_fail("the root", staged_root, staged_root, nullptr, MS_BIND);
    root_ = base::Fd(::open(staged_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) fail("cannot open the sandbox's root: {}", base::errno_text());
  }

  void run() {
    if (orders_.host_tools) {
      mount_host();
      write_settings();
    } else {
      // For `localhost`. Not mounted: what commands unpack or install may bring one.
      stubs_.text(root_.get(), "etc/hosts", own_hosts());
    }
    mount_proc();
    mount_dev();
    for (const auto& [path, mode] :
         {std::pair<const char*, mode_t>{"tmp", 01777}, {"var/tmp", 01777}, {"root", 0700}})
      stubs_.directory(root_.get(), path, mode);
    if (orders_.network) mount_network_settings();
    if (!orders_.certificates.empty())
      bind_memory_file(std::string(certificates_file).substr(1), orders_.certificates, 0444);
    for (size_t i = 0; i < orders_.caches.size(); ++i) {
      const std::string path = tree::normalise(orders_.caches[i].first);
      stubs_.directory(root_.get(), path);
      mount_or_fail("the cache /" + path, fmt::format("/tmp/cache{}", i), at(path), nullptr, MS_BIND);
    }
    mount_secrets();
    make_workdir();
    change_root();
  }

  void run_host_alone() {
    mount_host();
    change_root();
  }

 private:
  static std::string at(const std::string& path) { return std::string(staged_root) + "/" + path; }

  void bind_file_read_only(const std::string& source, const std::string& path) {
    stubs_.file(root_.get(), path);
    mount_or_fail("/" + path, source, at(path), nullptr, MS_BIND);
    make_read_only(at(path), false);
  }

  // A directory of the host whose sockets and pipes lead to nobody: neither a read-only mount nor the owner
  // of a file keeps a command from connecting to a socket that everybody may write to. Seen through an
  // overlay they are other sockets and pipes, without a process behind them, those too that are made later.
  void show_host_directory(const std::string& path, bool allow_exec = true) {
    stubs_.directory(root_.get(), path);
    if (!overlay("/" + path, at(path), allow_exec)) {
      mount_or_fail("/" + path, "/" + path, at(path), nullptr, MS_BIND | MS_REC);
      make_read_only(at(path), allow_exec);
      return cover_sockets(path);
    }
    // What is mounted in it an overlay does not show.
    std::set<std::string> seen;
    for (const std::string& mounted : mount_points()) {
      if (mounted.size() < 2 || mounted.substr(1) == path || !tree::is_within(mounted.substr(1), path) ||
          !seen.insert(mounted).second)
        continue;
      const std::string target = at(mounted.substr(1));
      struct stat st {};
      if (::stat(mounted.c_str(), &st) != 0) continue;  // below another mount, or not for the sandbox's users
      if (S_ISDIR(st.st_mode) && overlay(mounted, target, allow_exec)) continue;
      if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) continue;
      if (::mount(mounted.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) continue;
      make_read_only(target, allow_exec);
      if (S_ISDIR(st.st_mode)) cover_sockets(mounted.substr(1));
    }
  }

  // False if the kernel or the file system will not have it.
  bool overlay(const std::string& source, const std::string& target, bool allow_exec) {
    ::mkdir(empty_directory, 0755);
    const base::Fd fd(::open(source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    // By its descriptor: colons and commas in a path would mean something.
    const std::string options = fmt::format("lowerdir=/proc/self/fd/{}:{}", fd.get(), empty_directory);
    if (!fd ||
        ::mount("overlay", target.c_str(), "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return false;
    make_read_only(target, allow_exec);
    return true;
  }

  // Where no overlay can be had: what is there now, one by one.
  void cover_sockets(const std::string& path) {
    std::vector<std::string> open = {at(path)};
    while (!open.empty()) {
      const std::string directory = std::move(open.back());
      open.pop_back();
      const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), &::closedir);
      while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        const std::string inside = directory + "/" + std::string(name);
        unsigned char type = entry->d_type;
        struct stat st {};
        if (type == DT_UNKNOWN && ::lstat(inside.c_str(), &st) == 0) type = IFTODT(st.st_mode);
        if (type == DT_DIR) open.push_back(inside);
        if (type == DT_SOCK || type == DT_FIFO)
          mount_or_fail(inside.substr(std::strlen(staged_root)), "/dev/null", inside, nullptr, MS_BIND);
      }
    }
  }

  void mount_host() {
    for (const std::string& path : host_directories())
      if (is_dir("/" + path)) show_host_directory(path);
    for (const std::string& path : host_links()) {
      char target[PATH_MAX];
      const ssize_t n = ::readlink(("/" + path).c_str(), target, sizeof target);
      if (n > 0)
        stubs_.link(root_.get(), path, std::string(target, static_cast<size_t>(n)));
      else if (is_dir("/" + path))
        show_host_directory(path);
    }
    for (const std::string& path : host_settings()) {
      struct stat st {};
      if (::stat(("/" + path).c_str(), &st) != 0) continue;
      if (S_ISDIR(st.st_mode)) show_host_directory(path, false);
      if (S_ISREG(st.st_mode)) bind_file_read_only("/" + path, path);
    }
  }

  void write_settings() {
    own_file("etc/passwd",
             "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    own_file("etc/group", "root:x:0:\nnogroup:x:65534:\n");
    own_file("etc/hosts", own_hosts());
    own_file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  }

  // With the sandbox's own name: Java and others ask for its address.
  static std::string own_hosts() {
    return fmt::format("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 {}\n", host_name);
  }

  // A file of ours in memory, unless the root has one.
  void own_file(const std::string& path, const std::string& text, mode_t mode = 0444) {
    struct stat st {};
    if (::lstat(at(path).c_str(), &st) == 0) return;
    bind_memory_file(path, text, mode);
  }

  void bind_memory_file(const std::string& path, const std::string& text, mode_t mode) {
    const std::string source = fmt::format("/tmp/own/{}", counter_++);
    {
      const base::Fd fd(::open(source.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!fd) fail("cannot write /{} for the sandbox: {}", path, base::errno_text());
      base::write_all(fd.get(), text, "/" + path);
      ::fchmod(fd.get(), mode);
    }
    bind_file_read_only(source, path);
  }

  void mount_proc() {
    stubs_.directory(root_.get(), "proc");
    if (::mount("proc", at("proc").c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
      fail("cannot mount /proc in the sandbox: {}{}", base::errno_text(),
           errno == EPERM ? "; a container that hides parts of its /proc cannot have another: start it with "
                            "--security-opt systempaths=unconfined (Docker), --security-opt unmask=ALL "
                            "(Podman) or procMount: Unmasked (Kubernetes)"
                          : "");
    for (const char* path : {"proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs"})
      if (::mount(at(path).c_str(), at(path).c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0)
        make_read_only(at(path), false);
    // What tells of the machine and its users: names of keys, addresses and timers of the kernel.
    for (const char* path : {"proc/keys", "proc/key-users", "proc/kcore", "proc/interrupts",
                             "proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
                             "proc/acpi", "proc/asound", "proc/scsi"}) {
      const std::string target = at(path);
      struct stat st {};
      if (::stat(target.c_str(), &st) != 0) continue;
      if (S_ISDIR(st.st_mode))
        mount_or_fail("/" + std::string(path), "tmpfs", target, "tmpfs",
                      MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "mode=0555,size=4k");
      else
        mount_or_fail("/" + std::string(path), "/dev/null", target, nullptr, MS_BIND);
    }
  }

  void mount_dev() {
    stubs_.directory(root_.get(), "dev");
    mount_or_fail("/dev", "tmpfs", at("dev"), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m");
    for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
      const std::string path = at(std::string("dev/") + name);
      const base::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
      mount_or_fail(std::string("/dev/") + name, std::string("/dev/") + name, path, nullptr, MS_BIND);
    }
    for (const auto& [path, target] : {std::pair<const char*, const char*>{"dev/fd", "/proc/self/fd"},
                                       {"dev/stdin", "/proc/self/fd/0"},
                                       {"dev/stdout", "/proc/self/fd/1"},
                                       {"dev/stderr", "/proc/self/fd/2"},
                                       {"dev/ptmx", "pts/ptmx"}})
      if (::symlink(target, at(path).c_str()) != 0) fail("cannot make /{}: {}", path, base::errno_text());
    ::mkdir(at("dev/pts").c_str(), 0755);
    ::mkdir(at("dev/shm").c_str(), 01777);
    mount_or_fail("/dev/pts", "devpts", at("dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC,
                  "newinstance,ptmxmode=0666,mode=0620");
    mount_or_fail("/dev/shm", "tmpfs", at("dev/shm"), "tmpfs", MS_NOSUID | MS_NODEV,
                  fmt::format("mode=1777,size={},nr_inodes=65536",
                              std::min(orders_.limits.memory / 4, uint64_t{1} << 30))
                      .c_str());
  }

  void mount_network_settings() {
    for (const char* path : {"/etc/resolv.conf", "/etc/hosts"}) {
      std::string text;
      try {
        text = base::read_file(path, size_t{1} << 20);
      } catch (const base::Error&) {
        continue;
      }
      const std::string name = path + 1;
      if (name == "etc/resolv.conf" && !orders_.name_servers.empty()) text = orders_.name_servers;
      // The machine's names, and ours first, which a resolver takes.
      if (name == "etc/hosts") text = own_hosts() + text;
      struct stat st {};
      // A link such as systemd's, or a file of the base: what is mounted covers it; a link cannot be covered.
      if (::lstat(at(name).c_str(), &st) == 0 && S_ISLNK(st.st_mode)) continue;
      bind_memory_file(name, text, 0444);
    }
  }

  void mount_secrets() {
    for (const auto& [path, value] : orders_.secrets) bind_memory_file(tree::normalise(path), value, 0400);
  }

  void make_workdir() {
    // The working directory stays: it is the user's, not a stub.
    Stubs kept;
    const std::string path = tree::normalise(orders_.workdir);
    struct stat st {};
    if (!path.empty() && ::stat(at(path).c_str(), &st) != 0) kept.directory(root_.get(), path);
  }

  void change_root() {
    if (::fchdir(root_.get()) != 0 || ::chdir(staged_root) != 0)
      fail("cannot enter the sandbox's root: {}", base::errno_text());
    if (::syscall(SYS_pivot_root, ".", ".") != 0)
      fail("{}cannot change to the sandbox's root: {}", errno == EPERM ? namespaces_refused : "",
           base::errno_text());
    if (::umount2(".", MNT_DETACH) != 0) fail("cannot leave the host's root: {}", base::errno_text());
    if (::chdir("/") != 0) fail("cannot enter the sandbox's root: {}", base::errno_text());
  }

  const Orders& orders_;
  Stubs& stubs_;
  base::Fd root_;
  int counter_ = 0;
};

}  // namespace

void mount_host_alone() {
  if (::unshare(CLONE_NEWNS) != 0) fail("namespaces: {}", base::errno_text());
  make_mounts_private();
  mount_or_fail("/tmp", "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m");
  if (::mkdir(staged_root, 0755) != 0) fail("cannot make {}: {}", staged_root, base::errno_text());
  const Orders orders;
  Stubs stubs;
  Mounter(orders, stubs).run_host_alone();
}

void mount_all(const Orders& orders, Stubs& stubs) { Mounter(orders, stubs).run(); }

void unmount_all() {
  std::vector<std::string> targets = mount_points();
  std::erase(targets, "/");
  // What the machine has mounted below a directory of its own is locked to that in a user namespace: it goes
  // with it, not before.
  std::map<std::string, std::string> left;
  for (auto it = targets.rbegin(); it != targets.rend(); ++it) {
    if (::umount2(it->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
      std::erase_if(left, [&](const auto& one) { return one.first.starts_with(*it + "/"); });
    else
      left.emplace(*it, base::errno_text());
  }
  if (!left.empty()) fail("cannot unmount {} in the sandbox: {}", left.begin()->first, left.begin()->second);
}

}  // namespace minibuild::sandbox
