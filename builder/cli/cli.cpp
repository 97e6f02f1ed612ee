// What the command line means, and what becomes of its outcome.
#include "minibuild/cli/cli.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>

#include "builder/cli/commands.h"
#include "builder/cli/options.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/base/wait.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::cli {

std::atomic<bool> interrupted{false};

namespace {

using base::Code;

void on_signal(int /*number*/) {
  if (interrupted.exchange(true)) ::_exit(base::Interrupted::exit_status);  // the second time: at once
}

void watch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  ::sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);  // not under nohup
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // past `ulimit -f` a write fails with its cause, which is told
}

// `minibuild SPEC` and `minibuild -o DEST` mean `minibuild build …`.
std::vector<std::string> with_command(int argc, char** argv, const std::vector<std::string>& commands) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) return {"build"};
  const std::string first = arguments.front();
  const bool is_command = std::find(commands.begin(), commands.end(), first) != commands.end();
  const bool is_global = first == "--help" || first == "-h" || first == "--version" || first == "help";
  if (!is_command && !is_global) arguments.insert(arguments.begin(), "build");
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  return arguments;
}

int run_command(int argc, char** argv) {
  CLI::App app{
      "Builds minimal container images from a spec: no daemon, no root, the same digest everywhere."};
  app.name("minibuild");
  app.set_version_flag("--version", "minibuild " MINIBUILD_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Example:\n  minibuild hello.yaml -o oci:hello.oci:1.0\n\n'minibuild SPEC' is 'minibuild build "
      "SPEC'. "
      "Every command has --help.");
  std::function<int()> command;
  add_commands(app, command);
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(one->get_name());
  std::vector<std::string> arguments = with_command(argc, argv, names);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // help and version
      std::ostringstream text;
      const int status = app.exit(error, text, text);
      print_result(text.str());
      return status;
    }
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    const std::string of = chosen.empty() ? "" : " " + chosen.front()->get_name();
    print_error(fmt::format("{}; see 'minibuild{} --help'", error.what(), of));
    return static_cast<int>(Code::usage);
  }
  return command ? command() : 0;
}

}  // namespace

namespace {

// Whoever read the output has seen enough.
struct NobodyReads {};

// A number other than 0 is the cause of a failure.
int write_to_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

// What is opened later must not get the number of a stream: text for people would be written into it. The
// standard output stays one that cannot be written to.
void fill_closed_streams() {
  for (const auto& [stream, flags] :
       {std::pair{STDIN_FILENO, O_RDONLY}, {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    if (::open("/dev/null", flags) < 0) ::open("/", O_RDONLY | O_DIRECTORY);
  }
}

}  // namespace

void print_result(std::string_view text) {
  const int error = write_to_stdout(text);
  if (error == 0) return;
  const std::string cause =
      error == EBADF ? std::string("the standard output is closed") : base::errno_text(error);
  // A digest is what the command was run for; of a list, whoever reads it may have seen enough.
  if (text.starts_with("sha256:"))
    base::fail("cannot write the digest {} to the standard output: {}; all else is done", base::trim(text),
               cause);
  if (error == EPIPE) throw NobodyReads();
  base::fail("cannot write the result to the standard output: {}", cause);
}

void print_error(const std::string& message) {
  const bool colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  // A diagnostic of the spec says "error" itself.
  std::string text =
      message.find(": error: ") == std::string::npos ? "minibuild: error: " + message : message;
  if (const size_t at = text.find("error: "); colour && at != std::string::npos)
    text.replace(at, 6, "\x1b[31merror:\x1b[0m");
  say("{}\n", text);
}

std::string cache_directory(const std::string& flag) {
  if (!flag.empty()) return flag;
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string own = variable("MINIBUILD_CACHE_DIR"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); xdg.starts_with('/')) return xdg + "/minibuild";
  const std::string home = variable("HOME");
  if (home.empty())
    throw base::Error(Code::usage, "cannot place the cache: $HOME is not set; use --cache-dir DIR");
  return home + "/.cache/minibuild";
}

int run(int argc, char** argv) {
  if (argc > 1 && argv[1] == sandbox::helper_argument) sandbox::helper_main();
  fill_closed_streams();
  // Few arenas, and large buffers go back to the system: memory stays small on many threads.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  watch_signals();
  base::set_waits({&interrupted, [](const std::string& text) { say("{}\n", base::printable(text)); }});
  try {
    return run_command(argc, argv);
  } catch (const base::Interrupted&) {
    say("minibuild: interrupted\n");
    return base::Interrupted::exit_status;
  } catch (const base::Error& error) {
    print_error(error.what());
    return static_cast<int>(error.code());
  } catch (const NobodyReads&) {
    return 128 + SIGPIPE;  // as of a program that the signal ended; nothing is said
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return static_cast<int>(Code::failed);
}

}  // namespace minibuild::cli
