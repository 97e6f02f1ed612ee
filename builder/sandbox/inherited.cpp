#include "builder/sandbox/inherited.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::sandbox {

namespace {

struct Limit {
  __rlimit_resource_t resource;
  rlim_t soft;
  rlim_t hard;
};

constexpr rlim_t mebibyte = rlim_t{1} << 20;

// A core of one byte is none, also where the kernel gives cores to a program of the host: they could hold a
// secret.
constexpr Limit standard_limits[] = {
    {RLIMIT_CORE, 1, 1},
    {RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_LOCKS, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_MEMLOCK, 8 * mebibyte, 8 * mebibyte},
    {RLIMIT_MSGQUEUE, 819200, 819200},
    {RLIMIT_NICE, 0, 0},
    {RLIMIT_NOFILE, 65536, 65536},
    {RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY},  // lowered for the commands, in their own namespace
    {RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_RTPRIO, 0, 0},
    {RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_SIGPENDING, 8192, 8192},
    {RLIMIT_STACK, 8 * mebibyte, RLIM_INFINITY}};

void set_limits() {
  for (const auto& [resource, soft, hard] : standard_limits) {
    const rlimit wanted{soft, hard};
    rlimit now{};
    if (::setrlimit(resource, &wanted) == 0 || ::getrlimit(resource, &now) != 0) continue;
    const rlimit nearest{std::min(soft, now.rlim_max), std::min(hard, now.rlim_max)};
    ::setrlimit(resource, &nearest);
  }
}

// Those that a cgroup leaves; the kernel takes its share of what is asked for.
void use_all_processors() {
  cpu_set_t all[16];  // 16,384 of them
  std::memset(all, 0xff, sizeof all);
  ::sched_setaffinity(0, sizeof all, all);
}

}  // namespace

void forget_caller() {
  ::umask(022);
  ::personality(PER_LINUX);
  set_limits();
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_OTHER, &none);
  ::setpriority(PRIO_PROCESS, 0, 0);
  ::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0));
  use_all_processors();
  ::prctl(PR_SET_TIMERSLACK, 50000UL, 0, 0, 0);  // nanoseconds: what a process has at first
  // Before services of the machine, which may have protected the caller.
  const base::Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score) static_cast<void>(::write(score.get(), "500", 3));
}

void forget_keys() {
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return;
  // Without keyrings there is nothing to lose; where the caller itself may not use them, neither may we.
  if (errno != ENOSYS && errno != EPERM)
    base::fail("cannot give the sandbox a keyring of its own: {}", base::errno_text());
}

}  // namespace minibuild::sandbox
