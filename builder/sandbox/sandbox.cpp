// The caller's side: starts the inner process, gives it its ids, its file system and its orders, and listens.
#include "minibuild/sandbox/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "builder/sandbox/control_group.h"
#include "builder/sandbox/eyes.h"
#include "builder/sandbox/host.h"
#include "builder/sandbox/orders.h"
#include "builder/sandbox/redact.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::sandbox {

using base::fail;
using base::Fd;

namespace {

// The sandbox's users when the caller is root: ids that no account of the host has, so that its root owns
// nothing.
constexpr uid_t first_id = 0x70000000;
constexpr uint32_t id_count = 65536;

struct Pair {
  Fd ours;
  Fd theirs;
};

Fd above_targets(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 20)); }

Pair socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    fail("cannot make a socket: {}", base::errno_text());
  const Fd theirs(fds[1]);
  return {Fd(fds[0]), above_targets(theirs.get())};
}

Pair pipe_pair() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", base::errno_text());
  const Fd theirs(fds[1]);
  return {Fd(fds[0]), above_targets(theirs.get())};
}

// Orders travel in memory: arguments and environments of a process can be read by others.
Fd orders_file(const Orders& orders) {
  const Fd file(::memfd_create("orders", MFD_CLOEXEC));
  if (!file) fail("cannot make the sandbox's orders: {}", base::errno_text());
  base::write_all(file.get(), write_orders(orders), "the sandbox's orders");
  ::lseek(file.get(), 0, SEEK_SET);
  return above_targets(file.get());
}

class SocketSink : public base::Sink {
 public:
  explicit SocketSink(int fd) : fd_(fd) {}
  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        // The other side is gone, and says itself why.
        cut_off_ = errno == EPIPE || errno == ECONNRESET;
        fail("cannot fill the stage's file system: {}", base::errno_text());
      }
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  bool cut_off() const { return cut_off_; }

 private:
  int fd_;
  bool cut_off_ = false;
};

// The first range of subordinate ids that a file such as /etc/subuid gives the caller.
std::string subordinate_range(const char* file) {
  const passwd* entry = ::getpwuid(::getuid());
  const std::string name = entry != nullptr ? entry->pw_name : "";
  std::string text;
  try {
    text = base::read_file(file, size_t{1} << 20);
  } catch (const base::Error&) {
    return {};
  }
  for (const std::string& line : base::split(text, '\n')) {
    const std::vector<std::string> parts = base::split(line, ':');
    if (parts.size() != 3 || (parts[0] != name && parts[0] != std::to_string(::getuid()))) continue;
    const auto start = base::parse_number(parts[1], UINT32_MAX);
    const auto count = base::parse_number(parts[2], UINT32_MAX);
    if (start && count && *count >= 1000)
      return fmt::format("1 {} {}", *start, std::min<uint64_t>(*count, id_count - 1));
  }
  return {};
}

void write_proc(pid_t pid, const char* name, const std::string& text) {
  const std::string path = fmt::format("/proc/{}/{}", pid, name);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    fail("cannot write {}: {}", path, base::errno_text());
}

bool run_id_mapper(const char* program, pid_t pid, uint32_t own, const std::string& range) {
  std::vector<std::string> words = {program, std::to_string(pid), "0", std::to_string(own), "1"};
  for (const std::string& word : base::split(range, ' ')) words.push_back(word);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
  char* environment[] = {path, nullptr};
  pid_t child = 0;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const std::string file = std::string("/usr/bin/") + program;
  const int error = ::posix_spawn(&child, file.c_str(), &actions, nullptr, arguments.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return false;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void write_maps(pid_t pid, bool as_root) {
  if (as_root) {
    const std::string map = fmt::format("0 {} {}\n", first_id, id_count);
    write_proc(pid, "uid_map", map);
    write_proc(pid, "gid_map", map);
    return;
  }
  const std::string uids = subordinate_range("/etc/subuid");
  const std::string gids = subordinate_range("/etc/subgid");
  if (!uids.empty() && !gids.empty() && run_id_mapper("newuidmap", pid, ::getuid(), uids) &&
      run_id_mapper("newgidmap", pid, ::getgid(), gids))
    return;
  // One id only: all files belong to it.
  write_proc(pid, "setgroups", "deny");
  write_proc(pid, "uid_map", fmt::format("0 {} 1\n", ::geteuid()));
  write_proc(pid, "gid_map", fmt::format("0 {} 1\n", ::getegid()));
}

// True if root may give out ids at will: not so in most containers.
bool can_map_as_root() {
  if (::geteuid() != 0) return false;
  std::string text;
  try {
    text = base::read_file("/proc/self/uid_map", 4096);
  } catch (const base::Error&) {
    return false;
  }
  for (const std::string& line : base::split(text, '\n')) {
    std::vector<std::string> parts = base::split(line, ' ');
    std::erase(parts, "");
    if (parts.size() != 3) continue;
    const auto start = base::parse_number(parts[0]);
    const auto count = base::parse_number(parts[2]);
    if (start && count && *start <= first_id && *start + *count >= uint64_t{first_id} + id_count) return true;
  }
  return false;
}

std::string explain(const std::string& error) {
  if (!error.starts_with(namespaces_refused)) return error;
  return fmt::format(
      "cannot start a sandbox for the stage's commands: {}. They need user namespaces: check that sysctl "
      "user.max_user_namespaces is above 0 and, where "
      "they exist, that kernel.unprivileged_userns_clone is 1 and "
      "kernel.apparmor_restrict_unprivileged_userns is 0; in a container, allow them in its "
      "seccomp profile. Specs without 'run' need none of this",
      error.substr(std::string_view(namespaces_refused).size()));
}

uint64_t machine_memory() {
  const uint64_t pages = static_cast<uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Limits with_defaults(Limits limits, const std::string& work) {
  if (limits.memory == 0) limits.memory = machine_memory() / 4 * 3;
  if (limits.processes == 0) limits.processes = 2048;
  struct statvfs space {};
  if (limits.disk == 0)
    limits.disk =
        ::statvfs(work.c_str(), &space) == 0 ? uint64_t{space.f_bavail} * space.f_frsize / 4 * 3 : UINT64_MAX;
  return limits;
}

std::string explain_limit(const std::string& key, const Limits& limits) {
  const auto text = [&](const std::string& met, const std::string& twice) {
    return fmt::format("it met its limit of {}; if it needs more, write 'limits: {{ {}: {} }}' in the stage",
                       met, key, twice);
  };
  const auto megabytes = [](uint64_t bytes) {
    return fmt::format("{}MB", std::max<uint64_t>(bytes / 1000000, 1));
  };
  if (key == "memory")
    return text(base::human_size(limits.memory) + " of memory", megabytes(2 * limits.memory));
  if (key == "processes")
    return text(fmt::format("{} processes and threads", limits.processes),
                std::to_string(2 * limits.processes));
  if (key == "time")
    return text(base::human_seconds(static_cast<double>(limits.time)),
                fmt::format("{}m", limits.time / 30 + 1));
  return text(base::human_size(limits.disk) + " on disk, or what is left of the disk was needed",
              megabytes(2 * limits.disk));
}

std::string explain_shared(const std::string& why) {
  return fmt::format(
      "its commands reach loopback, addresses and abstract sockets of this machine: without 'pasta' they "
      "have "
      "no network of their own ({}); install the package passt, or slirp4netns",
      why);
}

// One inner process and what is heard of it.
class Run {
 public:
  Run(const Orders& orders, const std::string& helper, const tree::FileTree* root, int result,
      const std::vector<Secret>& secrets, OutputLine output,
      std::function<void(const std::string&)> warn = {})
      : as_root_(orders.stage_as_root),
        limits_(orders.limits),
        lines_(secrets, std::move(output)),
        warn_(std::move(warn)),
        control_(socket_pair()),
        output_(pipe_pair()),
        tree_(socket_pair()) {
    if (!orders.commands.empty()) group_ = ControlGroup::make(limits_);
    start(orders, helper, result);
    if (root != nullptr)
      filler_ = std::jthread([this, root] {
        SocketSink sink(tree_.ours.get());
        try {
          archive::write_tar(*root, sink);
        } catch (const base::Error& error) {
          if (!sink.cut_off()) fill_error_ = error.what();
        }
        ::shutdown(tree_.ours.get(), SHUT_WR);
      });
  }

  ~Run() { stop(); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  Run(Run&&) = delete;
  Run& operator=(Run&&) = delete;

  Outcome listen(const std::atomic<bool>* cancelled) {
    bool control_open = true;
    bool output_open = true;
    while (control_open || output_open) {
      pollfd fds[2] = {{control_open ? control_.ours.get() : -1, POLLIN, 0},
                       {output_open ? output_.ours.get() : -1, POLLIN, 0}};
      if (::poll(fds, 2, 100) < 0 && errno != EINTR)
        fail("cannot wait for the sandbox: {}", base::errno_text());
      if (cancelled != nullptr && *cancelled) throw base::Interrupted();
      if (fds[1].revents != 0) output_open = read_output();
      if (fds[0].revents != 0) control_open = read_control();
    }
    lines_.finish();
    filler_ = {};
    if (!unconnected_.empty()) return outcome_;
    // What the kernel ended may be a command, or the process that would have told of it.
    if (const std::string key = group_ ? group_->met() : ""; !key.empty() && !(done_ && outcome_.ok)) {
      outcome_.ok = false;
      if (outcome_.limit.empty()) outcome_.limit = explain_limit(key, limits_);
      return outcome_;
    }
    if (!error_.empty()) fail("{}", explain(!fill_error_.empty() ? fill_error_ : error_));
    if (!done_ && !fill_error_.empty()) fail("{}", fill_error_);
    if (!done_ && outcome_.ok)
      fail("the sandbox ended before its work was done (was it killed for want of memory?)");
    return outcome_;
  }

  // Why the stage can have no network of its own, if that is how it ended, before any command.
  const std::string& unconnected() const { return unconnected_; }

  // Until the inner process answers questions: from then on its socket is the caller's.
  int wait_for_eyes() {
    while (!looking_) {
      if (!error_.empty()) fail("{}", explain(error_));
      if (!read_control()) fail("cannot see what the sandbox sees: its process ended");
    }
    return control_.ours.get();
  }

 private:
  void start(const Orders& orders, const std::string& helper, int result) {
    const Fd file = orders_file(orders);
    const Fd out = above_targets(result >= 0 ? result : control_.theirs.get());
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    const std::pair<int, int> copies[] = {{output_.theirs.get(), 1}, {output_.theirs.get(), 2},
                                          {file.get(), orders_fd},   {control_.theirs.get(), control_fd},
                                          {out.get(), result_fd},    {tree_.theirs.get(), tree_fd}};
    for (const auto& [from, to] : copies) ::posix_spawn_file_actions_adddup2(&actions, from, to);
    std::string name = "minibuild";
    std::string argument(helper_argument);
    char* arguments[] = {name.data(), argument.data(), nullptr};
    char* environment[] = {nullptr};
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    const int error = ::posix_spawn(&child_, helper.c_str(), &actions, &attributes, arguments, environment);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      child_ = 0;
      fail("cannot start {}: {}", helper, base::errno_text(error));
    }
    control_.theirs = Fd();
    output_.theirs = Fd();
    tree_.theirs = Fd();
  }

  bool read_output() {
    char buffer[16384];
    const ssize_t n = ::read(output_.ours.get(), buffer, sizeof buffer);
    if (n > 0) lines_.add({buffer, static_cast<size_t>(n)});
    return n > 0 || (n < 0 && errno == EINTR);
  }

  bool read_control() {
    char buffer[4096];
    const ssize_t n = ::recv(control_.ours.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return n < 0 && errno == EINTR;
    heard_.append(buffer, static_cast<size_t>(n));
    for (size_t end = heard_.find('\n'); end != std::string::npos; end = heard_.find('\n')) {
      const std::string line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      hear(line);
    }
    return true;
  }

  void hear(const std::string& line) {
    if (line == "ready") {
      try {
        write_maps(child_, as_root_);
      } catch (const base::Error& error) {
        fail("{}", explain(std::string(namespaces_refused) + error.what()));
      }
      if (group_ && !group_->add(child_)) group_.reset();  // then the sandbox looks itself, as elsewhere
      ::send(control_.ours.get(), "g", 1, MSG_NOSIGNAL);
    } else if (line.starts_with("unconnected ")) {
      unconnected_ = line.substr(12);
    } else if (line.starts_with("warning ")) {
      if (warn_) warn_(line.substr(8));
    } else if (line == "looking") {
      looking_ = true;
    } else if (line == "done") {
      done_ = true;
    } else if (line.starts_with("failed ")) {
      const std::vector<std::string> parts = base::split(line, ' ');
      outcome_.ok = false;
      outcome_.failed_command = static_cast<size_t>(base::parse_number(parts.at(1)).value_or(0));
      outcome_.exit_status = static_cast<int>(base::parse_number(parts.at(2), 255).value_or(1));
    } else if (line.starts_with("limit ")) {
      if (outcome_.limit.empty()) outcome_.limit = explain_limit(line.substr(6), limits_);
    } else if (error_.empty()) {
      error_ = line.starts_with("error ") ? line.substr(6) : line;
    }
  }

  // Kills everything: the inner process takes its namespaces with it. The output ends when the last of them
  // is gone.
  void stop() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
      }
      child_ = 0;
    }
    ::shutdown(tree_.ours.get(), SHUT_RDWR);
    filler_ = {};
    char buffer[4096];
    while (::read(output_.ours.get(), buffer, sizeof buffer) > 0) {
    }
  }

  bool as_root_;
  Limits limits_;
  LineSplitter lines_;
  std::function<void(const std::string&)> warn_;
  Pair control_;
  Pair output_;
  Pair tree_;
  std::unique_ptr<ControlGroup> group_;
  pid_t child_ = 0;
  std::jthread filler_;
  std::string fill_error_;
  std::string heard_;
  std::string error_;
  std::string unconnected_;
  bool looking_ = false;
  bool done_ = false;
  Outcome outcome_{true, 0, 0};
};

void prepare_directory(const std::string& path, bool as_root) {
  base::make_directories(path);
  struct stat st {};
  if (as_root && ::lstat(path.c_str(), &st) == 0 && st.st_uid != first_id &&
      ::lchown(path.c_str(), first_id, first_id) != 0)
    fail("cannot give {} to the sandbox: {}{}", path, base::errno_text(),
         errno == EPERM ? "; root needs CAP_CHOWN, CAP_SETUID and CAP_SETGID for that; else be another user"
                        : "");
}

}  // namespace

Outcome run(const Request& request, const std::string& helper, const OutputLine& output) {
  Orders orders;
  orders.stage_as_root = can_map_as_root();
  orders.host_tools = request.host_tools;
  orders.network = request.network;
  orders.ports = request.ports;
  orders.certificates = request.certificates;
  orders.limits = with_defaults(request.limits, request.work);
  orders.work = request.work;
  orders.workdir = request.workdir;
  orders.times = request.times;
  for (const auto& [name, value] : request.env) orders.env.push_back(name + "=" + value);
  for (const Command& command : request.commands) orders.commands.push_back(command.argv);
  for (const Secret& secret : request.secrets) {
    if (!secret.env.empty()) orders.env.push_back(secret.env + "=" + secret.value);
    if (!secret.file.empty()) orders.secrets.emplace_back(secret.file, secret.value);
  }
  for (const CacheMount& cache : request.caches) {
    prepare_directory(cache.host, orders.stage_as_root);
    orders.caches.emplace_back(cache.path, cache.host);
  }
  prepare_directory(request.work + "/root", orders.stage_as_root);
  ::chmod((request.work + "/root").c_str(), 0755);
  try {
    {
      Run run(orders, helper, request.root, request.result_fd, request.secrets, output, request.warn);
      const Outcome outcome = run.listen(request.cancelled);
      if (run.unconnected().empty()) return outcome;
      if (request.warn) request.warn(explain_shared(run.unconnected()));
    }
    orders.shared = true;
    return Run(orders, helper, request.root, request.result_fd, request.secrets, output, request.warn)
        .listen(request.cancelled);
  } catch (...) {
    remove_work(request.work, helper);
    throw;
  }
}

void remove_work(const std::string& directory, const std::string& helper) {
  if (!base::is_directory(directory + "/root")) return;
  try {
    base::remove_tree(directory + "/root");
    return;
  } catch (const base::Error&) {
    // Some files belong to other users of the sandbox: its own root can remove them.
  }
  Orders orders;
  orders.remove_only = true;
  orders.stage_as_root = can_map_as_root();
  orders.work = directory;
  Run(orders, helper, nullptr, -1, {}, [](std::string_view) {}).listen(nullptr);
}

struct HostView::Process {
  explicit Process(const std::string& helper)
      : run(orders(), helper, nullptr, -1, {}, [](std::string_view) {}), socket(run.wait_for_eyes()) {}
  static Orders orders() {
    Orders orders;
    orders.look_only = true;
    orders.stage_as_root = can_map_as_root();
    return orders;
  }

  Run run;
  int socket;
};

HostView::HostView(std::string helper) : helper_(std::move(helper)) {}
HostView::~HostView() = default;

HostView::Process& HostView::process() {
  if (!process_) process_ = std::make_unique<Process>(helper_);
  return *process_;
}

std::optional<HostView::Seen> HostView::look(const std::string& path) {
  if (!may_show_host_path(path)) return std::nullopt;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto it = known_.find(path); it != known_.end()) return it->second;
  std::optional<Seen> found;
  ask(process().socket, Question::look, path,
      [&found](const std::string& /*path*/, const Seen& seen) { found = seen; });
  return known_.emplace(path, std::move(found)).first->second;
}

void HostView::for_each_below(const std::string& path,
                              const std::function<void(const std::string& path, const Seen& seen)>& visit) {
  if (!may_show_host_path(path)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  ask(process().socket, Question::below, path, visit);
}

}  // namespace minibuild::sandbox
