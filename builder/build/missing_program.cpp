#include "builder/build/missing_program.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::build {

namespace {

bool has_program(const std::string& directory, const std::string& program) {
  const std::string path = directory + "/" + program;
  return !base::is_directory(path) && ::access(path.c_str(), X_OK) == 0;
}

// `PARENT/*/bin`, sorted: where what is not packaged is unpacked.
std::vector<std::string> bins_below(const std::string& parent) {
  std::vector<std::string> found;
  DIR* dir = ::opendir(parent.c_str());
  if (dir == nullptr) return found;
  while (const dirent* entry = ::readdir(dir))
    if (entry->d_name[0] != '.') found.push_back(parent + "/" + entry->d_name + "/bin");
  ::closedir(dir);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> directories(const ProgramPlaces& places) {
  std::vector<std::string> all = base::split(places.path, ':');
  for (const char* parent : {"/usr/local", "/opt", "/usr/lib"})
    for (std::string& one : bins_below(parent)) all.push_back(std::move(one));
  all.insert(all.end(), {"/snap/bin", "/usr/games"});
  if (!places.home.empty())
    for (const char* below : {"/.cargo/bin", "/go/bin", "/.local/bin", "/bin", "/.deno/bin", "/.bun/bin"})
      all.push_back(places.home + below);
  std::erase_if(all, [](const std::string& one) { return !one.starts_with('/'); });
  return all;
}

}  // namespace

std::string program_not_found(const std::string& command, const std::vector<std::string>& last_lines) {
  for (auto line = last_lines.rbegin(); line != last_lines.rend(); ++line) {
    std::string_view text = base::trim(*line);
    bool is_it = false;
    for (const std::string_view ending : {": command not found", ": not found"})
      if (!is_it && text.ends_with(ending)) {
        text.remove_suffix(ending.size());
        is_it = true;
      }
    if (!is_it) continue;
    const size_t space = text.find_last_of(' ');
    return std::string(space == std::string_view::npos ? text : text.substr(space + 1));
  }
  const std::string_view text = base::trim(command);
  const std::string_view word =
      text.substr(0, std::min(text.find_first_of(" \t\n;&|<>()$'\"="), text.size()));
  return std::string(word);
}

std::string advice_for_missing(const std::string& program, const std::string& stage_path,
                               const ProgramPlaces& places) {
  if (program.empty() || program.find('/') != std::string::npos) return "";
  const std::vector<std::string> seen = base::split(stage_path, ':');
  std::string hidden;
  for (const std::string& directory : directories(places)) {
    if (!has_program(directory, program)) continue;
    const std::string shown = base::printable(directory);
    const bool is_visible = sandbox::shows_host_path(directory);
    if (is_visible && std::find(seen.begin(), seen.end(), directory) != seen.end()) return "";
    if (is_visible)
      return fmt::format("{} is in {}: add it to PATH: env: {{ PATH: \"{}:${{env.PATH}}\" }}",
                         base::printable(program), shown, shown);
    if (!hidden.empty()) continue;
    const bool at_home = !places.home.empty() && directory.starts_with(places.home + "/");
    hidden = fmt::format(
        "{} is in {}, {}: install it below /usr/local or /opt, or take the stage's base or packages "
        "from where it is",
        base::printable(program), shown,
        at_home ? "in your home, which stages do not see" : "which stages do not see");
  }
  return hidden;
}

}  // namespace minibuild::build
