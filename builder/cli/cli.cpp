// What the command line means, and what becomes of its outcome.
#include "minibuild/cli/cli.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

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
  if (interrupted.exchange(true)) ::_exit(static_cast<int>(Code::interrupted));  // the second time: at once
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
    if (error.get_exit_code() == 0) return app.exit(error);  // help and version
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    const std::string of = chosen.empty() ? "" : " " + chosen.front()->get_name();
    print_error(fmt::format("{}; see 'minibuild{} --help'", error.what(), of));
    return static_cast<int>(Code::usage);
  }
  return command ? command() : 0;
}

}  // namespace

void print_result(std::string_view text) { base::write_all(STDOUT_FILENO, text, "the standard output"); }

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
  // Few arenas, and large buffers go back to the system: memory stays small on many threads.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  watch_signals();
  base::set_waits({&interrupted, [](const std::string& text) { say("{}\n", base::printable(text)); }});
  try {
    return run_command(argc, argv);
  } catch (const base::Error& error) {
    if (error.code() == Code::interrupted)
      say("minibuild: interrupted\n");
    else
      print_error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return static_cast<int>(Code::failed);
}

}  // namespace minibuild::cli
