// Runs commands in a root file system of their own: without privileges, without network, without a way out.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minibuild/tree/file_tree.h"

namespace minibuild::sandbox {

/// A secret for the commands. Its value is never written to disk.
struct Secret {
  std::string id;
  std::string env;   // variable, or empty
  std::string file;  // absolute path, or empty
  std::string value;
};

struct Command {
  std::vector<std::string> argv;
  std::string text;  // for messages
};

/// A directory kept between builds: `host` is bind-mounted, writable, at `path`.
struct CacheMount {
  std::string path;
  std::string host;
};

/// What the commands together may use of the machine; 0: the default. They are stopped if they exceed it.
struct Limits {
  uint64_t memory = 0;     // bytes; default three quarters of the machine's
  uint64_t processes = 0;  // and threads; default 2048
  uint64_t disk = 0;       // bytes of the stage's file system; default three quarters of what is free
  uint64_t time = 0;       // seconds for all commands; default unlimited
};

struct Request {
  std::string work;  // an empty directory on a disk that the caller provides; gone or empty afterwards
  const tree::FileTree* root = nullptr;  // the initial content of the file system
  /// Times of paths of the root that differ from those in the tree, in nanoseconds since 1970.
  std::map<std::string, int64_t> times;
  bool host_tools = false;  // /usr, /opt and the needed parts of /etc of the host, read-only
  std::vector<Command> commands;
  std::vector<std::pair<std::string, std::string>> env;  // the whole environment
  std::string workdir = "/";
  std::vector<Secret> secrets;
  std::vector<CacheMount> caches;
  /// Uses a network namespace of its own with a way out (pasta or slirp4netns), without the machine's
  /// loopback, its own addresses and its abstract sockets; where no such way out works, the machine's
  /// namespace.
  bool network = false;
  std::vector<uint16_t> ports;  // of the machine's loopback, let through to the commands
  /// PEM, at `certificates_file` if not empty.
  std::string certificates;
  /// Receives warnings for the user before commands run.
  std::function<void(const std::string& warning)> warn;
  Limits limits;
  /// Where the result goes: a tar (pax) of everything in the root except mounts, proc, sys, dev and stubs
  /// created for mounts.
  int result_fd = -1;
  /// Ends the run promptly when it becomes true.
  const std::atomic<bool>* cancelled = nullptr;
};

/// The path of `Request::certificates` in a sandbox.
inline constexpr const char* certificates_file = "/dev/minibuild/ca-certificates.crt";

/// How a run ended.
struct Outcome {
  bool ok = false;
  size_t failed_command = 0;  // index into commands
  int exit_status = 0;        // of the failed command; 128 + N if killed by signal N
  std::string limit{};        // the limit that was exceeded, and how to raise it; empty if none
};

/// Receives the commands' output line by line, without line ends and with secret values already replaced by
/// `***`.
using OutputLine = std::function<void(std::string_view line)>;

/// Runs the commands one after the other until one fails. Throws Error if the sandbox cannot be set up, with
/// the reason and what to change on the machine. When it returns or throws, no process and no mount is left.
/// `helper` is the executable that handles `helper_argument`: normally /proc/self/exe.
Outcome run(const Request& request, const std::string& helper, const OutputLine& output);

/// Removes a directory tree whose files may belong to the sandbox's users; does nothing if it does not exist.
void remove_work(const std::string& directory, const std::string& helper);

/// True if the sandbox of a host-based stage shows `path` from the host: below /usr, /opt, or one of the
/// parts of /etc; also the links /bin, /lib, /lib64, /sbin.
bool shows_host_path(std::string_view path);

/// What a stage on `base: host` sees of this machine: for each directory (or single file) a hash of its
/// entries' names and of its files' stamps.
struct HostState {
  std::map<std::string, uint64_t> directories;
};
/// Checks every file that the sandbox shows, on a few threads: about 100,000 files in a tenth of a second.
/// Files that changed within the last two seconds produce a different state each time.
HostState host_state();
/// If it changes, a stage on `base: host` must run again.
base::Hash hash_of(const HostState& state);
std::string to_text(const HostState& state);
HostState parse_host_state(std::string_view text);
/// What differs, for people: `/usr/bin/cc and in 2 other places`; empty if nothing does.
std::string changed_in(const HostState& before, const HostState& now);

/// The first argument that turns the program into the sandbox's inner process.
inline constexpr std::string_view helper_argument = "--minibuild-sandbox";
/// The inner process: reads its orders from descriptor 3.
[[noreturn]] void helper_main();

}  // namespace minibuild::sandbox
