// Attempts of a stage's command to get out by system calls: each prints its name and what the kernel answered.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void answer(const char* name, long result) {
  printf("%s %s\n", name, result >= 0 ? "done" : strerrorname_np(errno));
}

#define TRY(...) TRY_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define TRY_(name, number, a, b, c, d, e, ...) answer(name, syscall(number, a, b, c, d, e, 0))

#ifdef __x86_64__
static long as_i386(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  if (result < 0 && result > -4096) {
    errno = (int)-result;
    return -1;
  }
  return result;
}
#endif

int main(void) {
  char buffer[4096] = {0};
  TRY("keyctl", SYS_keyctl, 0, -3, 1);
  TRY("add_key", SYS_add_key, "user", "name", "x", 1, -3);
  TRY("request_key", SYS_request_key, "user", "name", 0, -3);
  TRY("bpf", SYS_bpf, 0, buffer, sizeof buffer);
  TRY("perf_event_open", SYS_perf_event_open, buffer, 0, -1, -1, 0);
  TRY("userfaultfd", SYS_userfaultfd, 1);
  TRY("io_uring_setup", SYS_io_uring_setup, 1, buffer);
  TRY("io_uring_enter", SYS_io_uring_enter, 0);
  TRY("mount", SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
  TRY("umount", SYS_umount2, "/proc", 2);
  TRY("fsopen", SYS_fsopen, "tmpfs", 0);
  TRY("open_tree", SYS_open_tree, AT_FDCWD, "/", 1);
  TRY("move_mount", SYS_move_mount, -1, "", -1, "", 0);
  TRY("mount_setattr", SYS_mount_setattr, AT_FDCWD, "/", 0, buffer, 32);
  TRY("pivot_root", SYS_pivot_root, ".", ".");
  TRY("setns", SYS_setns, 0, 0);
  TRY("open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, buffer, 0);
  TRY("kexec_load", SYS_kexec_load, 0, 0, 0, 0);
  TRY("init_module", SYS_init_module, buffer, 0, "");
  TRY("finit_module", SYS_finit_module, 0, "", 0);
  TRY("swapon", SYS_swapon, "/tmp", 0);
  TRY("reboot", SYS_reboot, 0, 0, 0, 0);
  TRY("syslog", SYS_syslog, 3, buffer, 100);
  TRY("fanotify_init", SYS_fanotify_init, 0, 0);
  TRY("unshare user", SYS_unshare, CLONE_NEWUSER);
  TRY("unshare net", SYS_unshare, CLONE_NEWNET);
  TRY("unshare mount", SYS_unshare, CLONE_NEWNS | CLONE_FS);
  TRY("unshare time", SYS_unshare, 0x80);
  TRY("unshare files", SYS_unshare, CLONE_FILES);
  TRY("clone user", SYS_clone, CLONE_NEWUSER | 17, 0);
  TRY("clone pid and high bits", SYS_clone, CLONE_NEWPID | 17 | (1L << 40), 0);
  TRY("clone3", SYS_clone3, buffer, 88);
  TRY("TIOCSTI", SYS_ioctl, 0, TIOCSTI, "x");
  TRY("high bits and TIOCSTI", SYS_ioctl, 0, TIOCSTI | (1L << 32), "x");
  TRY("TIOCLINUX", SYS_ioctl, 0, 0x541c, "\3");
  TRY("personality READ_IMPLIES_EXEC", SYS_personality, READ_IMPLIES_EXEC);
  TRY("personality query", SYS_personality, 0xffffffff);
  TRY("personality ADDR_NO_RANDOMIZE", SYS_personality, ADDR_NO_RANDOMIZE);
  TRY("unknown call", 4000);
  for (int family = 0; family < 50; ++family) {
    snprintf(buffer, sizeof buffer, "family %d", family);
    TRY(buffer, SYS_socket, family, SOCK_DGRAM, 0);
  }
  TRY("vsock and high bits", SYS_socket, 40 | (1L << 32), SOCK_STREAM, 0);
  TRY("netlink audit", SYS_socket, AF_NETLINK, SOCK_RAW, 9);
  TRY("netlink uevents", SYS_socket, AF_NETLINK, SOCK_RAW, 15);
  int pair[2];
  TRY("pair unix", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
  TRY("pair tipc", SYS_socketpair, 30, SOCK_STREAM, 0, pair);
#ifdef __x86_64__
  answer("x32 socket", syscall(0x40000000 | 41, 40, SOCK_STREAM, 0));
  answer("x32 unshare", syscall(0x40000000 | 272, CLONE_NEWUSER));
  answer("i386 socket", as_i386(359, 40, SOCK_STREAM, 0));
  static int arguments[3] = {40, SOCK_STREAM, 0};  // below 4 GiB in a program that is not relocated
  answer("i386 socketcall", as_i386(102, 1, (long)arguments, 0));
  answer("i386 unshare", as_i386(310, CLONE_NEWUSER, 0, 0));
  answer("i386 clone", as_i386(120, CLONE_NEWUSER | 17, 0, 0));
  answer("i386 mount", as_i386(21, 0, 0, 0));
  answer("i386 getpid", as_i386(20, 0, 0, 0));
#endif
  return 0;
}
