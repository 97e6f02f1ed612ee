// The inner process: enters the namespaces, and as their first process runs the commands and packs the
// result.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>

#include "builder/sandbox/eyes.h"
#include "builder/sandbox/fill.h"
#include "builder/sandbox/inherited.h"
#include "builder/sandbox/mounts.h"
#include "builder/sandbox/orders.h"
#include "builder/sandbox/system_calls.h"
#include "builder/sandbox/uplink.h"
#include "builder/sandbox/watch.h"
#include "minibuild/base/error.h"
#include "minibuild/sandbox/sandbox.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::sandbox {

using base::fail;

namespace {

void tell(const std::string& line) {
  const std::string text = line + "\n";
  ::send(control_fd, text.data(), text.size(), MSG_NOSIGNAL);
}

void die_with_parent() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

void wait_for_maps() {
  tell("ready");
  char go = 0;
  if (::recv(control_fd, &go, 1, 0) != 1) ::_exit(1);
}

void become_root() {
  ::setgroups(0, nullptr);  // not allowed with a single uid: then there are none to lose
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
    fail("cannot become the sandbox's root: {}", base::errno_text());
  die_with_parent();  // a change of user takes it back
}

// What root in a container usually has; all else is given up for good.
constexpr int kept_capabilities[] = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE,     CAP_FOWNER,  CAP_FSETID,     CAP_KILL,  CAP_SETGID,      CAP_SETUID,
    CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_MKNOD, CAP_AUDIT_WRITE, CAP_SETFCAP};

// Raw packets could name a destination that is not the one by which they found their way out.
void drop_raw_packets() { ::prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0); }

void drop_capabilities() {
  for (int capability = 0; capability <= 63; ++capability) {
    bool keep = false;
    for (const int kept : kept_capabilities) keep = keep || kept == capability;
    if (!keep && ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1)
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void bring_up_loopback() {
  const base::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!fd || ::ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ::ioctl(fd.get(), SIOCSIFFLAGS, &request);
}

[[noreturn]] void exec_command(const std::vector<std::string>& argv, const Orders& orders,
                               SystemCallFilter& filter) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir(orders.workdir.c_str()) != 0) {
    fmt::print(stderr, "cannot enter {}: {}\n", orders.workdir, base::errno_text());
    ::_exit(126);
  }
  if (orders.network) drop_raw_packets();
  drop_capabilities();
  const rlimit processes{orders.limits.processes, orders.limits.processes};
  ::setrlimit(RLIMIT_NPROC, &processes);
  ::close_range(3, ~0U, 0);
  std::vector<char*> arguments;
  for (const std::string& one : argv) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& one : orders.env) {
    environment.push_back(const_cast<char*>(one.c_str()));
    if (one.starts_with("PATH=")) path = one.substr(5);
  }
  environment.push_back(nullptr);
  ::setenv("PATH", path.c_str(), 1);  // for the search alone
  try {
    filter.apply();
  } catch (const base::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    std::fflush(stderr);
    ::_exit(126);
  }
  ::execvpe(arguments[0], arguments.data(), environment.data());
  const int error = errno;
  fmt::print(stderr, "cannot run {}: {}\n", argv[0], base::errno_text(error));
  std::fflush(stderr);
  ::_exit(error == ENOENT ? 127 : 126);
}

int run_command(const std::vector<std::string>& argv, const Orders& orders, SystemCallFilter& filter,
                Watch& watch) {
  const pid_t child = ::fork();
  if (child < 0) fail("cannot start a command: {}", base::errno_text());
  if (child == 0) exec_command(argv, orders, filter);
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGCHLD);
  constexpr timespec pause{0, 200'000'000};
  timespec looked{};
  bool stopped = false;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) fail("cannot wait for a command: {}", base::errno_text());
    if (ended == child) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (ended != 0) continue;  // an orphan
    ::sigtimedwait(&ends, nullptr, &pause);
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    if ((now.tv_sec - looked.tv_sec) * 1'000'000'000 + now.tv_nsec - looked.tv_nsec < pause.tv_nsec) continue;
    looked = now;
    if (const std::string limit = stopped ? "" : watch.passed(); !limit.empty()) {
      tell("limit " + limit);
      stopped = true;
    }
    if (stopped) ::kill(-1, SIGKILL);
  }
}

void kill_all_others() {
  ::kill(-1, SIGKILL);
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

// The first process of the namespaces.
int first_process(const Orders& orders) {
  make_mounts_private();
  const base::Fd clean(::open(staged_clean, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!clean) fail("cannot open the stage's directory: {}", base::errno_text());
  if (orders.remove_only) {
    base::empty_directory(clean.get(), "a stage's directory");
    tell("done");
    return 0;
  }
  ::sethostname(host_name.data(), host_name.size());
  if (!orders.shared) bring_up_loopback();
  {
    base::FdSource source(tree_fd, "the stage's file system");
    unpack_tree(source, clean.get(), orders.times);
  }
  ::close(tree_fd);
  Stubs stubs;
  mount_all(orders, stubs);
  SystemCallFilter filter;
  Watch watch(orders.limits, clean.get());
  // Waited for with an end.
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  bool ok = true;
  for (size_t i = 0; i < orders.commands.size() && ok; ++i) {
    const int status = run_command(orders.commands[i], orders, filter, watch);
    ok = status == 0;
    if (!ok && watch.was_full()) tell("limit processes");
    if (!ok) tell(fmt::format("failed {} {}", i, status));
  }
  kill_all_others();
  // What is kept lies on the host, where others may reach it.
  for (size_t i = 0; i < orders.caches.size(); ++i)
    if (const base::Fd kept(::open(("/" + tree::normalise(orders.caches[i].first)).c_str(),
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        kept)
      settle_kept(kept.get());
  unmount_all();
  if (ok) {
    stubs.remove(clean.get());
    pack_tree_sparsely(clean.get(), result_fd);
  }
  base::empty_directory(clean.get(), "a stage's directory");
  if (ok) tell("done");
  return 0;
}

// The permissions of the commands at once: nothing is executed that would get them.
void keep_commands_capabilities() {
  drop_capabilities();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (const int kept : kept_capabilities) data[kept / 32].permitted |= 1U << (kept % 32U);
  for (auto& half : data) half.effective = half.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) fail("cannot give up capabilities: {}", base::errno_text());
}

// Sees what the commands of a stage on `base: host` would, and tells the caller of it.
int look() {
  if (::unshare(CLONE_NEWUSER) != 0) fail("{}{}", namespaces_refused, base::errno_text());
  wait_for_maps();
  become_root();
  mount_host_alone();
  keep_commands_capabilities();
  // The thread of the caller's that started this may end; the end of the socket ends it.
  ::prctl(PR_SET_PDEATHSIG, 0);
  tell("looking");
  answer_questions(control_fd);
  return 0;
}

// False if there is no way out, and the caller was told.
bool reach_out(Uplink& uplink, Orders& orders) {
  if (!uplink.connect()) {
    tell("unconnected " + uplink.failure());
    return false;
  }
  if (!orders.ports.empty() && !uplink.has_ports())
    tell(
        "warning the proxy on this machine's loopback is not reached by slirp4netns; install the package "
        "passt");
  try {
    orders.name_servers = uplink.name_servers(base::read_file("/etc/resolv.conf", size_t{1} << 20));
  } catch (const base::Error&) {
    return true;  // the machine has none
  }
  return true;
}

int enter(Orders orders) {
  if (orders.look_only) return look();
  if (orders.stage_as_root) stage_directories(orders);
  if (::unshare(CLONE_NEWUSER) != 0) fail("{}{}", namespaces_refused, base::errno_text());
  wait_for_maps();
  become_root();
  forget_keys();
  if (!orders.stage_as_root) stage_directories(orders);
  std::optional<Uplink> uplink;
  if (orders.network && !orders.shared) uplink.emplace(orders.ports);
  const int network = orders.shared ? 0 : CLONE_NEWNET;
  if (::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | network) != 0)
    fail("{}{}", namespaces_refused, base::errno_text());
  if (uplink && !reach_out(*uplink, orders)) return 1;
  // The first process begins only while this one lives: it dies with it.
  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", base::errno_text());
  const pid_t child = ::fork();
  if (child < 0) fail("cannot start the sandbox: {}", base::errno_text());
  if (child == 0) {
    die_with_parent();
    ::close(gate[1]);
    char go = 0;
    if (::read(gate[0], &go, 1) != 1) ::_exit(1);
    ::close(gate[0]);
    try {
      ::_exit(first_process(orders));
    } catch (const std::exception& error) {
      tell(std::string("error ") + error.what());
      ::_exit(1);
    }
  }
  ::close(gate[0]);
  if (::write(gate[1], "g", 1) != 1) return 1;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

void helper_main() {
  die_with_parent();
  ::signal(SIGPIPE, SIG_IGN);
  forget_caller();
  for (const int fd : {orders_fd, control_fd, result_fd, tree_fd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  try {
    base::FdSource source(orders_fd, "the sandbox's orders");
    Orders orders = read_orders(base::read_all(source, size_t{64} << 20, "the sandbox's orders"));
    ::close(orders_fd);
    ::_exit(enter(std::move(orders)));  // nothing of this process is to run on
  } catch (const std::exception& error) {
    tell(std::string("error ") + error.what());
    ::_exit(1);
  }
}

}  // namespace minibuild::sandbox
