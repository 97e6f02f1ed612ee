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

/// A secret for the commands. Its value is never written to a disk.
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

/// Directories kept between builds: `host` is bound, writable, at `path`.
struct CacheMount {
  std::string path;
  std::string host;
};

/// What the commands may take of the machine together; 0: the default. They are stopped when it is more.
struct Limits {
  uint64_t memory = 0;     // bytes; default three quarters of the machine's
  uint64_t processes = 0;  // and threads; default 2048
  uint64_t disk = 0;       // bytes of the stage's file system; default three quarters of what is free
  uint64_t time = 0;       // seconds of all commands; default without end
};

struct Request {
  std::string work;  // an empty directory of the caller's, on a disk; gone or empty afterwards
  const tree::FileTree* root = nullptr;  // what the file system holds at the start
  /// Times of paths of the root that have other ones than the tree says, in nanoseconds since 1970.
  std::map<std::string, int64_t> times;
  bool host_tools = false;  // /usr, /opt and the needed parts of /etc of the host, read-only
  std::vector<Command> commands;
  std::vector<std::pair<std::string, std::string>> env;  // all of it
  std::string workdir = "/";
  std::vector<Secret> secrets;
  std::vector<CacheMount> caches;
  /// In a network namespace of its own with a way out (pasta or slirp4netns), without the machine's loopback,
  /// its own addresses and its abstract sockets; where there is no such way, in the machine's.
  bool network = false;
  std::vector<uint16_t> ports;  // of the machine's loopback that are let through
  /// PEM, at `certificates_file` if not empty.
  std::string certificates;
  /// What the user must be told before commands run.
  std::function<void(const std::string& warning)> warn;
  Limits limits;
  /// Where the result goes: a tar (pax) of everything in the root except mounts, proc, sys, dev and stubs
  /// made for mounts.
  int result_fd = -1;
  /// Ends the run within a moment when it becomes true.
  const std::atomic<bool>* cancelled = nullptr;
};

/// Where a sandbox has `Request::certificates`.
inline constexpr const char* certificates_file = "/dev/minibuild/ca-certificates.crt";

/// How a run ended.
struct Outcome {
  bool ok = false;
  size_t failed_command = 0;  // index into commands
  int exit_status = 0;        // of the failed command; 128 + N if killed by signal N
  std::string limit{};        // the limit that it met, and how to raise it; empty if none
};

/// Receives the commands' output line by line, without the line end; secret values are already replaced by
/// `***`.
using OutputLine = std::function<void(std::string_view line)>;

/// Runs the commands one after the other until one fails. Throws Error if the sandbox cannot be set up, with
/// the reason and what to change on the machine. When it returns or throws no process and no mount is left.
/// `helper` is the executable that answers to `helper_argument`: normally /proc/self/exe.
Outcome run(const Request& request, const std::string& helper, const OutputLine& output);

/// Removes a directory tree whose files may belong to the sandbox's users; does nothing if it is not there.
void remove_work(const std::string& directory, const std::string& helper);

/// True if `path` (of a host-based stage) is one that the sandbox shows from the host: below /usr, /opt, or
/// one of the parts of /etc; also the links /bin, /lib, /lib64, /sbin.
bool shows_host_path(std::string_view path);

/// What a stage on `base: host` sees of this machine: for each directory (or single file) a hash of the names
/// in it and of the stamps of its files.
struct HostState {
  std::map<std::string, uint64_t> directories;
};
/// Looks at every file that the sandbox shows, on a few threads: some 100,000 of them in a tenth of a second.
/// What changed within the last two seconds gives another state each time.
HostState host_state();
/// A change of it means that a stage on `base: host` must run again.
base::Hash hash_of(const HostState& state);
std::string to_text(const HostState& state);
HostState parse_host_state(std::string_view text);
/// What differs, for people: `/usr/bin/cc and in 2 other places`; empty if nothing does.
std::string changed_in(const HostState& before, const HostState& now);

/// The first argument with which the program becomes the sandbox's inner process.
inline constexpr std::string_view helper_argument = "--minibuild-sandbox";
/// The inner process: reads its orders from descriptor 3.
[[noreturn]] void helper_main();

}  // namespace minibuild::sandbox
