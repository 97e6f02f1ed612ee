#include "builder/sandbox/uplink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <memory>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::sandbox {

using base::fail;

namespace {

constexpr const char* pasta_server = "169.254.1.1";
constexpr const char* slirp_server = "10.0.2.3";
// Below the tmpfs of stage_directories.
constexpr const char* ready_file = "/tmp/own/pasta-is-ready";
constexpr const char* space_file = "/tmp/own/network";
constexpr int most_seconds = 10;
constexpr int ready_fd = 3;

std::string bytes_of_address(const sockaddr* address) {
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    return {reinterpret_cast<const char*>(&in), sizeof in};
  }
  if (address->sa_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    return {reinterpret_cast<const char*>(&in), sizeof in};
  }
  return {};
}

// Those of this network namespace, loopback's as well.
std::vector<std::string> addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) fail("cannot list the machine's addresses: {}", base::errno_text());
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, &::freeifaddrs);
  std::vector<std::string> found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next)
    if (std::string bytes = bytes_of_address(one->ifa_addr); !bytes.empty())
      found.push_back(std::move(bytes));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

bool is_loopback(const std::string& address) {
  return address.size() == 4 ? address[0] == 127 : address == std::string(15, '\0') + '\1';
}

// The interface that the program made.
unsigned outward_interface() {
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(::if_nameindex(),
                                                                                  &::if_freenameindex);
  for (const auto* one = list.get(); one != nullptr && one->if_index != 0; ++one)
    if (std::strcmp(one->if_name, "lo") != 0) return one->if_index;
  fail("cannot find the interface that leads to the machine's network");
}

struct AddressMessage {
  nlmsghdr header{};
  ifaddrmsg what{};
  char attributes[128]{};
};

void put_attribute(AddressMessage& message, uint16_t type, const void* data, size_t size) {
  const size_t at = NLMSG_ALIGN(message.header.nlmsg_len);
  rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
  char* place = reinterpret_cast<char*>(&message) + at;
  std::memcpy(place, &attribute, sizeof attribute);
  std::memcpy(place + RTA_LENGTH(0), data, size);
  message.header.nlmsg_len = static_cast<uint32_t>(at + RTA_LENGTH(size));
}

// One more address of an interface, from which nothing is sent by itself.
void add_address(int netlink, unsigned interface, const std::string& address) {
  AddressMessage message;
  message.header.nlmsg_len = NLMSG_LENGTH(sizeof message.what);
  message.header.nlmsg_type = RTM_NEWADDR;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  message.what.ifa_family = address.size() == 4 ? AF_INET : AF_INET6;
  message.what.ifa_prefixlen = static_cast<unsigned char>(address.size() * 8);
  message.what.ifa_flags = address.size() == 4 ? 0 : IFA_F_NODAD;
  message.what.ifa_index = interface;
  put_attribute(message, IFA_LOCAL, address.data(), address.size());
  put_attribute(message, IFA_ADDRESS, address.data(), address.size());
  const ifa_cacheinfo times{0, UINT32_MAX, 0, 0};  // not preferred
  put_attribute(message, IFA_CACHEINFO, &times, sizeof times);
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[1024];
  } answer{};
  if (::send(netlink, &message, message.header.nlmsg_len, 0) < 0 ||
      ::recv(netlink, &answer, sizeof answer, 0) < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) ||
      answer.header.nlmsg_type != NLMSG_ERROR)
    fail("cannot keep the sandbox from the machine's own addresses: {}", base::errno_text());
  const int error = -answer.error.error;
  // The program gave it this one itself; or IPv6 is not to be had inside, and then not reached either.
  if (error == 0 || error == EEXIST || (address.size() == 16 && (error == EACCES || error == EOPNOTSUPP)))
    return;
  fail("cannot keep the sandbox from the machine's own addresses: {}", base::errno_text(error));
}

struct Pipe {
  base::Fd read;
  base::Fd write;
};

Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", base::errno_text());
  return {base::Fd(fds[0]), base::Fd(fds[1])};
}

struct Program {
  const char* name;
  std::vector<std::string> arguments;
};

std::vector<Program> programs(const std::string& space, const std::vector<uint16_t>& ports) {
  std::string list;
  for (const uint16_t port : ports) list += (list.empty() ? "" : ",") + std::to_string(port);
  return {{"pasta",
           {"--foreground", "--config-net", "--netns-only", "--netns", space, "--pid", ready_file, "-t",
            "none", "-u", "none", "-T", list.empty() ? "none" : list, "-U", "none", "--no-map-gw",
            "--dns-forward", pasta_server}},
          {"slirp4netns",
           {"--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp",
            "--enable-ipv6", "--netns-type=path", fmt::format("--ready-fd={}", ready_fd), space, "tap0"}}};
}

[[noreturn]] void become(const Program& program, int said, int ready) {
  // pasta takes a signal that is ignored for an error.
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  const int output = ::fcntl(1, F_DUPFD, 100);  // kept: the sandbox's end is told by the end of its output
  const int kept = ::fcntl(ready, F_DUPFD, 100);
  ::dup2(said, 1);
  ::dup2(said, 2);
  ::close_range(3, 99, 0);
  ::dup2(kept, ready_fd);
  ::dup2(output, ready_fd + 1);
  ::close_range(ready_fd + 2, ~0U, 0);
  std::vector<std::string> words = {program.name};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  for (const char* directory : {"/usr/bin/", "/usr/local/bin/", "/usr/sbin/"})
    ::execve((std::string(directory) + program.name).c_str(), argv.data(), environment);
  ::_exit(127);
}

// What a program said last, without what it says of the system's log.
std::string last_words(int fd) {
  std::string text(16384, '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  std::string last;
  for (const std::string& line : base::split(text, '\n'))
    if (!line.empty() && line.find("to syslog") == std::string::npos) last = line;
  return base::printable(last.substr(0, 200));
}

}  // namespace

Uplink::Uplink(std::vector<uint16_t> ports) : ports_(std::move(ports)), own_addresses_(addresses()) {
  // By this the namespaces of a process may be opened by others of the same user: a change of user took it.
  ::prctl(PR_SET_DUMPABLE, 1UL, 0UL, 0UL, 0UL);
  Pipe go = make_pipe();
  Pipe status = make_pipe();
  const std::string space = fmt::format("/proc/{}/ns/net", ::getpid());
  // The first of its own processes: with it the kernel ends the program, whatever that does.
  const auto child =
      static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child < 0) fail("cannot start a process for the network: {}", base::errno_text());
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    go.write = {};
    status.read = {};
    char begin = 0;
    if (::read(go.read.get(), &begin, 1) != 1) ::_exit(1);
    status_ = std::move(status.write);
    supervise(space);
  }
  go_ = std::move(go.write);
  status_ = std::move(status.read);
}

// In the machine's network, as the sandbox's root. slirp4netns itself says "1"; here it is said why there is
// none.
void Uplink::supervise(const std::string& space) {
  // The caller's socket would stay open.
  const int status = ::fcntl(status_.get(), F_DUPFD_CLOEXEC, 200);
  ::close_range(3, static_cast<unsigned>(status) - 1, 0);
  std::string why;
  // pasta gives up what it does not need before it opens the namespace, and then may not look into another
  // process.
  const base::Fd place(::open(space_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const bool bound = place && ::unshare(CLONE_NEWNS) == 0 &&
                     ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                     ::mount(space.c_str(), space_file, nullptr, MS_BIND, nullptr) == 0;
  for (const Program& program : programs(bound ? space_file : space, ports_)) {
    const int said = ::memfd_create("said", MFD_CLOEXEC);
    const pid_t child = ::fork();
    if (child == 0) become(program, said, status);
    int ended = 0;
    while (child > 0 && ::waitpid(child, &ended, 0) < 0 && errno == EINTR) {
    }
    if (!why.empty()) why += "; ";
    if (child > 0 && WIFEXITED(ended) && WEXITSTATUS(ended) == 127)
      why += fmt::format("{} is not installed", program.name);
    else
      why += fmt::format("{} cannot serve: {}", program.name, last_words(said));
    ::close(said);
  }
  static_cast<void>(::write(status, why.data(), why.size()));
  ::_exit(1);
}

void Uplink::wait_until_ready() {
  for (int turn = 0; turn < most_seconds * 10; ++turn) {
    struct stat st {};
    if (::stat(ready_file, &st) == 0 && st.st_size > 0) {
      ready_ = has_ports_ = true;
      forwarder_ = pasta_server;
      return;
    }
    pollfd waiting{status_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, turn < 30 ? 10 : 100) <= 0) continue;
    char text[1024];
    const ssize_t n = ::read(status_.get(), text, sizeof text);
    if (n == 1 && text[0] == '1') {
      ready_ = true;
      forwarder_ = slirp_server;
      return;
    }
    failure_ = n > 0 ? std::string(text, static_cast<size_t>(n)) : "its process ended";
    return;
  }
  failure_ = fmt::format("nothing serves it after {} seconds", most_seconds);
}

// What is an address of the sandbox itself does not get out of it.
void Uplink::keep_own_addresses() const {
  const base::Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) fail("cannot keep the sandbox from the machine's own addresses: {}", base::errno_text());
  const unsigned interface = outward_interface();
  for (const std::string& address : own_addresses_)
    if (!is_loopback(address)) add_address(netlink.get(), interface, address);
}

bool Uplink::connect() {
  if (::write(go_.get(), "g", 1) != 1) fail("cannot start a process for the network: {}", base::errno_text());
  wait_until_ready();
  ::prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
  if (ready_) keep_own_addresses();
  return ready_;
}

std::string Uplink::name_servers(const std::string& text) const {
  std::string out;
  bool forwarded = false;
  for (const std::string& line : base::split(text, '\n')) {
    std::string word = line;
    std::replace(word.begin(), word.end(), '\t', ' ');
    const bool names = word.starts_with("nameserver ");
    const std::string server = names ? std::string(base::trim(word.substr(11))) : "";
    std::string bytes(16, '\0');
    if (::inet_pton(AF_INET, server.c_str(), bytes.data()) == 1)
      bytes.resize(4);
    else if (::inet_pton(AF_INET6, server.substr(0, server.find('%')).c_str(), bytes.data()) != 1)
      bytes.clear();
    const bool own = !bytes.empty() &&
                     (is_loopback(bytes) ||
                      std::find(own_addresses_.begin(), own_addresses_.end(), bytes) != own_addresses_.end());
    // The first server is the one that forwarders ask: two questions at once to it by pasta's usual way lose
    // one.
    const bool first = bytes.size() == 4 && !forwarded;
    if (!own && !first)
      out += line + "\n";
    else if (!forwarded)
      out += fmt::format("nameserver {}\n", forwarder_);
    forwarded = forwarded || own || first;
  }
  return out;
}

void share_tunnel_device() {
  struct stat st {};
  if (::stat("/dev/net/tun", &st) != 0 || !S_ISCHR(st.st_mode) || (st.st_mode & 0666) == 0666) return;
  // Without it there is no uplink, and that is told then.
  if (::mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4k") != 0) return;
  if (::mknod("/dev/net/tun", S_IFCHR | 0666, st.st_rdev) == 0) ::chmod("/dev/net/tun", 0666);
}

}  // namespace minibuild::sandbox
