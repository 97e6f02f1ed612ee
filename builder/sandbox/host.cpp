// What of the host a stage on `base: host` sees.
#include "builder/sandbox/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <condition_variable>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <thread>

#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

const std::vector<std::string>& host_directories() {
  static const std::vector<std::string> paths = {"usr", "opt"};
  return paths;
}

const std::vector<std::string>& host_links() {
  static const std::vector<std::string> paths = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
  return paths;
}

const std::vector<std::string>& host_settings() {
  // What compilers, linkers, interpreters and TLS clients read. Nothing that holds a key, a password or a
  // host name.
  static const std::vector<std::string> paths = {"etc/alternatives",
                                                 "etc/ld.so.cache",
                                                 "etc/ld.so.conf",
                                                 "etc/ld.so.conf.d",
                                                 "etc/ssl/certs",
                                                 "etc/ssl/openssl.cnf",
                                                 "etc/pki/tls/certs",
                                                 "etc/ca-certificates",
                                                 "etc/ca-certificates.conf",
                                                 "etc/debian_version",
                                                 "etc/os-release",
                                                 "etc/lsb-release",
                                                 "etc/services",
                                                 "etc/protocols",
                                                 "etc/mime.types",
                                                 "etc/magic",
                                                 "etc/perl",
                                                 "etc/python3",
                                                 "etc/python3.11",
                                                 "etc/python3.12",
                                                 "etc/python3.13",
                                                 "etc/java-17-openjdk",
                                                 "etc/java-21-openjdk",
                                                 "etc/maven",
                                                 "etc/dpkg",
                                                 "etc/gai.conf",
                                                 "etc/host.conf",
                                                 "etc/terminfo",
                                                 "etc/xml",
                                                 "etc/sgml"};
  return paths;
}

bool may_show_host_path(std::string_view path) {
  if (path.empty()) return false;
  for (const auto* list : {&host_directories(), &host_links(), &host_settings()})
    for (const std::string& one : *list)
      if (tree::is_within(path, one) || tree::is_within(one, path)) return true;
  return false;
}

bool shows_host_path(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  const auto covers = [&](const std::vector<std::string>& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const std::string& one) { return tree::is_within(path, one); });
  };
  return path == "etc" || path == "etc/ssl" || covers(host_directories()) || covers(host_links()) ||
         covers(host_settings());
}

namespace {

// What nothing that is built can be made of, and what is most of the files: only the names are looked at.
bool names_alone(const std::string& directory) {
  for (const char* one : {"/usr/share/doc", "/usr/share/man", "/usr/share/info", "/usr/share/locale"})
    if (tree::is_within(directory, one)) return true;
  return false;
}

uint64_t first_bytes(const base::Hash& hash) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof value; ++i) value = value << 8U | hash[i];
  return value;
}

// Another number each time for what changed a moment ago: it may change again and keep its stamp.
uint64_t salt_of(const base::FileStamp& stamp) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const int64_t ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  return std::abs(ns - stamp.ctime_ns) > 2'000'000'000 ? 0 : static_cast<uint64_t>(ns);
}

std::string stamp_text(const struct stat& st) {
  const base::FileStamp stamp = base::stamp_of(st);
  const std::array<uint64_t, 6> numbers = {stamp.inode,
                                           stamp.size,
                                           static_cast<uint64_t>(stamp.mtime_ns),
                                           static_cast<uint64_t>(stamp.ctime_ns),
                                           st.st_mode,
                                           salt_of(stamp)};
  return {reinterpret_cast<const char*>(numbers.data()), sizeof numbers};
}

// Walks through directories on a few threads: most of the time goes into system calls.
class Walk {
 public:
  explicit Walk(std::vector<std::string> start) : open_(std::move(start)) {}

  std::map<std::string, uint64_t> run() {
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 1; i < std::clamp(std::thread::hardware_concurrency(), 1U, 8U); ++i)
        threads.emplace_back([this] { work(); });
      work();
    }
    return std::move(found_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !open_.empty() || busy_ == 0; });
      if (open_.empty()) break;
      const std::string directory = std::move(open_.back());
      open_.pop_back();
      ++busy_;
      lock.unlock();
      std::vector<std::string> below;
      const uint64_t state = look_at(directory, below);
      lock.lock();
      --busy_;
      found_[directory] = state;
      for (std::string& one : below) open_.push_back(std::move(one));
      changed_.notify_all();
    }
    changed_.notify_all();
  }

  static uint64_t look_at(const std::string& directory, std::vector<std::string>& below) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
    if (!dir) return 0;  // not readable here, nor in the sandbox
    const bool files = !names_alone(directory);
    std::vector<std::string> entries;
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      // What Python keeps of its sources is made by whoever runs it, and compared with them.
      if (name == "." || name == ".." || name == "__pycache__") continue;
      std::string text(name);
      text.push_back('\0');
      unsigned char type = entry->d_type;
      struct stat st {};
      const bool need = type == DT_UNKNOWN || (files && type == DT_REG);
      if (need && ::fstatat(::dirfd(dir.get()), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (type == DT_UNKNOWN) type = IFTODT(st.st_mode);
        if (files && type == DT_REG) text += stamp_text(st);
      }
      // A link cannot be changed, only replaced.
      if (files && type == DT_LNK) {
        char target[PATH_MAX];
        const ssize_t n = ::readlinkat(::dirfd(dir.get()), entry->d_name, target, sizeof target);
        if (n > 0) text.append(target, static_cast<size_t>(n));
      }
      if (type == DT_DIR) below.push_back(directory + "/" + std::string(name));
      entries.push_back(std::move(text));
    }
    std::sort(entries.begin(), entries.end());
    base::Sha256 hash;
    for (const std::string& entry : entries)
      hash.update(std::to_string(entry.size())).update(":").update(entry);
    return first_bytes(hash.finish());
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> open_;
  int busy_ = 0;
  std::map<std::string, uint64_t> found_;
};

// The file of a directory that changed last; the directory itself if that is later.
std::string newest_in(const std::string& directory) {
  struct stat st {};
  if (::lstat(directory.c_str(), &st) != 0) return directory;
  int64_t newest = base::stamp_of(st).ctime_ns;
  std::string path = directory;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir) return path;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (::fstatat(::dirfd(dir.get()), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(st.st_mode))
      continue;
    // The name of a new file is told, not that its directory has one more.
    if (const int64_t time = base::stamp_of(st).ctime_ns; time + 1'000'000'000 > newest) {
      newest = std::max(newest, time);
      path = directory + "/" + entry->d_name;
    }
  }
  return path;
}

}  // namespace

HostState host_state() {
  HostState state;
  std::vector<std::string> directories;
  const auto add = [&](const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return;
    if (S_ISDIR(st.st_mode))
      directories.push_back(path);
    else
      state.directories[path] = first_bytes(base::sha256(stamp_text(st)));
  };
  for (const std::string& path : host_directories()) add("/" + path);
  for (const std::string& path : host_settings()) add("/" + path);
  state.directories.merge(Walk(std::move(directories)).run());
  return state;
}

base::Hash hash_of(const HostState& state) {
  base::Sha256 hash;
  hash.update("host 2");
  for (const auto& [path, value] : state.directories)
    hash.update({path.c_str(), path.size() + 1}).update(fmt::format("{:016x}", value));
  return hash.finish();
}

std::string to_text(const HostState& state) {
  std::string text;
  for (const auto& [path, value] : state.directories) text += fmt::format("{:016x} {}\n", value, path);
  return text;
}

HostState parse_host_state(std::string_view text) {
  HostState state;
  for (const std::string& line : base::split(text, '\n'))
    if (line.size() > 17) {
      uint64_t value = 0;
      std::from_chars(line.data(), line.data() + 16, value, 16);
      state.directories[line.substr(17)] = value;
    }
  return state;
}

std::string changed_in(const HostState& before, const HostState& now) {
  std::vector<std::string> changed;
  for (const auto& [path, value] : now.directories) {
    const auto old = before.directories.find(path);
    if (old == before.directories.end() || old->second != value) changed.push_back(path);
  }
  for (const auto& [path, value] : before.directories)
    if (!now.directories.contains(path)) changed.push_back(path);
  if (changed.empty()) return {};
  const std::string first = newest_in(changed.front());
  if (changed.size() == 1) return first;
  return fmt::format("{} and in {} other place{}", first, changed.size() - 1, changed.size() == 2 ? "" : "s");
}

}  // namespace minibuild::sandbox
