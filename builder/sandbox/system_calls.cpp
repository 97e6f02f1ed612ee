#include "builder/sandbox/system_calls.h"

#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::sandbox {

using base::fail;

namespace {

// Allowed whatever their arguments. A name that this machine's architecture or this libseccomp does not know
// is left out: its call gives ENOSYS, and libraries do without it.
constexpr const char* allowed[] = {
    // files
    "access", "chdir", "chmod", "chown", "chown32", "chroot", "close", "close_range", "copy_file_range",
    "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64",
    "arm_fadvise64_64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32",
    "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr",
    "fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64",
    "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listxattr",
    "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "mkdir", "mkdirat",
    "mknod", "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pipe", "pipe2",
    "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile",
    "sendfile64", "setxattr", "splice", "stat", "stat64", "statfs", "statfs64", "statx", "symlink",
    "symlinkat", "sync", "sync_file_range", "sync_file_range2", "syncfs", "tee", "truncate", "truncate64",
    "ugetrlimit", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimensat_time64", "utimes",
    "vmsplice", "write", "writev",
    // events and asynchronous input; io_uring is not among them
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "io_cancel", "io_destroy", "io_getevents",
    "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "_newselect", "poll", "ppoll",
    "ppoll_time64", "pselect6", "pselect6_time64", "select", "signalfd", "signalfd4",
    // memory
    "brk", "madvise", "membarrier", "memfd_create", "memfd_secret", "mincore", "mlock", "mlock2", "mlockall",
    "mmap", "mmap2", "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc",
    "pkey_free", "pkey_mprotect", "process_madvise", "process_mrelease", "remap_file_pages",
    // processes and what they may know of each other
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "get_robust_list",
    "get_thread_area", "getcpu", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32",
    "getgroups", "getgroups32", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid",
    "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid", "gettid", "getuid",
    "getuid32", "ioprio_get", "ioprio_set", "kcmp", "kill", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "modify_ldt", "pause", "pidfd_getfd", "pidfd_open", "pidfd_send_signal",
    "prctl", "prlimit64", "process_vm_readv", "process_vm_writev", "ptrace", "rseq", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr",
    "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "set_robust_list", "set_thread_area",
    "set_tid_address", "set_tls", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32",
    "setgroups", "setgroups32", "setpgid", "setpriority", "setregid", "setregid32", "setresgid",
    "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid", "setuid",
    "setuid32", "sysinfo", "tgkill", "tkill", "uname", "vfork", "wait4", "waitid", "waitpid",
    "arm_sync_file_range", "breakpoint", "cacheflush", "riscv_flush_icache", "riscv_hwprobe", "swapcontext",
    // signals, locks, time
    "alarm", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "futex", "futex_time64", "futex_waitv", "getitimer", "getrandom",
    "gettimeofday", "nanosleep", "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "setitimer", "sigaction", "sigaltstack", "signal", "sigpending", "sigprocmask",
    "sigreturn", "sigsuspend", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime",
    "timerfd_gettime64", "timerfd_settime", "timerfd_settime64", "times",
    // messages; which sockets can be made is said below
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "ipc", "listen",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend",
    "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "recv", "recvfrom",
    "recvmmsg", "recvmmsg_time64", "recvmsg", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64",
    "send", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shmat", "shmctl", "shmdt", "shmget", "shutdown"};

// What there is, and is not for a stage: EPERM, as without the right to it. Programs take ENOSYS, which
// everything else gives, for an older kernel.
constexpr const char* forbidden[] = {"acct",
                                     "add_key",
                                     "adjtimex",
                                     "bpf",
                                     "clock_adjtime",
                                     "clock_adjtime64",
                                     "clock_settime",
                                     "clock_settime64",
                                     "create_module",
                                     "delete_module",
                                     "fanotify_init",
                                     "fanotify_mark",
                                     "finit_module",
                                     "fsconfig",
                                     "fsmount",
                                     "fsopen",
                                     "fspick",
                                     "get_kernel_syms",
                                     "get_mempolicy",
                                     "init_module",
                                     "ioperm",
                                     "iopl",
                                     "kexec_file_load",
                                     "kexec_load",
                                     "keyctl",
                                     "lookup_dcookie",
                                     "mbind",
                                     "migrate_pages",
                                     "mount",
                                     "mount_setattr",
                                     "move_mount",
                                     "move_pages",
                                     "nfsservctl",
                                     "open_by_handle_at",
                                     "open_tree",
                                     "perf_event_open",
                                     "pivot_root",
                                     "query_module",
                                     "quotactl",
                                     "quotactl_fd",
                                     "reboot",
                                     "request_key",
                                     "set_mempolicy",
                                     "setdomainname",
                                     "sethostname",
                                     "setns",
                                     "settimeofday",
                                     "stime",
                                     "swapoff",
                                     "swapon",
                                     "_sysctl",
                                     "syslog",
                                     "umount",
                                     "umount2",
                                     "uselib",
                                     "userfaultfd",
                                     "vhangup",
                                     "vm86",
                                     "vm86old"};

// Allowed by name, refused below for some of their arguments.
constexpr const char* looked_into[] = {"clone", "ioctl", "socket", "socketpair", "unshare"};

using Filter = std::unique_ptr<void, decltype(&::seccomp_release)>;
using Arguments = std::vector<scmp_arg_cmp>;

void check(int error, const char* what) {
  if (error != 0) fail("cannot make the filter of system calls ({}): {}", what, base::errno_text(-error));
}

// Machines run programs of a second architecture, as gcc -m32 makes them. Anything else, x32 too, gets
// ENOSYS.
Filter make_filter(uint32_t action) {
  Filter filter(::seccomp_init(action), &::seccomp_release);
  if (!filter) fail("cannot make the filter of system calls: there is no memory");
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "foreign calls");
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "its form");
#if defined(__x86_64__)
  check(::seccomp_arch_add(filter.get(), SCMP_ARCH_X86), "32 bits");
#elif defined(__aarch64__)
  check(::seccomp_arch_add(filter.get(), SCMP_ARCH_ARM), "32 bits");
#endif
  return filter;
}

void add(const Filter& filter, uint32_t action, const char* name, const Arguments& arguments = {}) {
  const int number = ::seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return;
  check(::seccomp_rule_add_array(filter.get(), action, number, static_cast<unsigned>(arguments.size()),
                                 arguments.data()),
        name);
}

// The kernel looks at 32 bits of these arguments, whatever a caller leaves in the others.
scmp_arg_cmp argument_is(unsigned number, scmp_datum_t value, scmp_datum_t mask = 0xffffffff) {
  return {number, SCMP_CMP_MASKED_EQ, mask, value};
}

Filter by_name() {
  Filter filter = make_filter(SCMP_ACT_ERRNO(ENOSYS));
  for (const char* name : allowed) add(filter, SCMP_ACT_ALLOW, name);
  for (const char* name : looked_into) add(filter, SCMP_ACT_ALLOW, name);
  for (const char* name : forbidden) add(filter, SCMP_ACT_ERRNO(EPERM), name);
  for (const scmp_datum_t persona :
       {0UL, 0UL + PER_LINUX32, 0UL + UNAME26, 0UL + PER_LINUX32 + UNAME26, 0UL + ADDR_NO_RANDOMIZE,
        0UL + PER_LINUX32 + ADDR_NO_RANDOMIZE, 0xffffffffUL /* asks only */})
    add(filter, SCMP_ACT_ALLOW, "personality", {argument_is(0, persona)});
  return filter;
}

Filter by_argument() {
  Filter filter = make_filter(SCMP_ACT_ALLOW);
  // No namespaces: a new user namespace gives every right over what is in it, and the kernel's code behind
  // those. clone3 keeps its flags in memory, where a filter cannot look, and is not allowed by name; without
  // it libc uses clone. The time namespace is for unshare alone: clone has the signal at its place.
#ifdef __s390__
  constexpr unsigned clone_flags = 1;
#else
  constexpr unsigned clone_flags = 0;
#endif
  for (const scmp_datum_t flag : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                                  CLONE_NEWPID, CLONE_NEWNET}) {
    add(filter, SCMP_ACT_ERRNO(EPERM), "clone", {argument_is(clone_flags, flag, flag)});
    add(filter, SCMP_ACT_ERRNO(EPERM), "unshare", {argument_is(0, flag, flag)});
  }
  constexpr scmp_datum_t time_namespace = 0x80;
  add(filter, SCMP_ACT_ERRNO(EPERM), "unshare", {argument_is(0, time_namespace, time_namespace)});

  // What is typed into the terminal of whoever started us.
  for (const scmp_datum_t request : {0UL + TIOCSTI, 0UL + TIOCLINUX})
    add(filter, SCMP_ACT_ERRNO(EPERM), "ioctl", {argument_is(1, request)});

  // Families that stay in the sandbox's own network namespace and that builds use: unix, IPv4, IPv6, netlink
  // for routes. Others (vsock, alg, packet, bluetooth …) reach hypervisors and devices, or code of the kernel
  // that few look at.
  constexpr uint32_t no_family = SCMP_ACT_ERRNO(EAFNOSUPPORT);
  for (scmp_datum_t family = 0; family < AF_NETLINK; ++family)
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
      add(filter, no_family, "socket", {argument_is(0, family)});
  add(filter, no_family, "socket", {{0, SCMP_CMP_GT, AF_NETLINK, 0}});
  add(filter, no_family, "socket", {argument_is(0, AF_NETLINK), {2, SCMP_CMP_NE, NETLINK_ROUTE, 0}});
  add(filter, no_family, "socketpair", {{0, SCMP_CMP_NE, AF_UNIX, 0}});
#ifdef __x86_64__
  // The one call of i386 for all of sockets keeps its arguments in memory.
  for (const scmp_datum_t call : {1UL /* socket */, 8UL /* socketpair */})
    add(filter, SCMP_ACT_ERRNO(ENOSYS), "socketcall", {argument_is(0, call)});
#endif
  return filter;
}

// The program for the kernel.
std::vector<sock_filter> program(const Filter& filter) {
  const base::Fd file(::memfd_create("filter", MFD_CLOEXEC));
  if (!file) fail("cannot make the filter of system calls: {}", base::errno_text());
  check(::seccomp_export_bpf(filter.get(), file.get()), "its program");
  const std::string bytes = base::read_file(fmt::format("/proc/self/fd/{}", file.get()));
  std::vector<sock_filter> out(bytes.size() / sizeof(sock_filter));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(sock_filter));
  return out;
}

}  // namespace

SystemCallFilter::SystemCallFilter() : programs_{program(by_name()), program(by_argument())} {}

void SystemCallFilter::apply() {
  for (std::vector<sock_filter>& one : programs_) {
    const sock_fprog given{static_cast<unsigned short>(one.size()), one.data()};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &given) != 0)
      fail(
          "cannot filter the system calls of the stage's commands: {} (the kernel needs "
          "CONFIG_SECCOMP_FILTER)",
          base::errno_text());
  }
}

}  // namespace minibuild::sandbox
