// The rules that look at an image's config and files.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/install.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/glob.h"
#include "minibuild/trust/policy.h"

namespace minibuild::trust {

namespace {

using namespace std::string_view_literals;

using Violations = std::vector<Violation>;

// A line of a spec that says that something is meant.
std::string allow_line(const std::string& rule, const std::string& path) {
  return fmt::format("policy: {{ allow: [{{ rule: {}, path: {}, reason: ... }}] }}", rule, path);
}

std::string shown_path(const std::string& path) { return "/" + base::printable(path); }

void report_file(Violations& found, const std::string& rule, const std::string& path,
                 const std::string& message, const std::string& fix) {
  found.push_back({rule, message,
                   fmt::format("{}, or accept it: {}", fix, allow_line(rule, shown_path(path))), "/" + path});
}

void report_config(Violations& found, const std::string& rule, const std::string& place,
                   const std::string& message, const std::string& fix) {
  found.push_back({rule, message, fix, ""});
  found.back().place = place;
}

// Resolved, and nothing for what leads nowhere.
const tree::Node* resolve(const tree::FileTree& tree, const std::string& path, std::string* real = nullptr) {
  try {
    const std::string there = tree.resolve(path, true);
    if (real != nullptr) *real = there;
    return tree.find(there);
  } catch (const base::Error&) {
    return nullptr;
  }
}

std::string content_of(const tree::FileTree& tree, const std::string& path, uint64_t limit) {
  const tree::Node* node = resolve(tree, path);
  if (node == nullptr || node->type != tree::NodeType::file || node->content.size > limit) return {};
  return tree::read_content(node->content, limit);
}

void examine_rights(const std::string& path, const tree::Node& node, Violations& found) {
  const bool file = node.type == tree::NodeType::file;
  if (file && (node.mode & 06000U) != 0)
    report_file(found, "setuid", path,
                fmt::format("{} is set{}id ({:04o})", shown_path(path), (node.mode & 04000U) != 0 ? "u" : "g",
                            node.mode),
                fmt::format("give it a plain mode, such as mode: \"{:04o}\", or take it out with 'remove'",
                            node.mode & 0755U));
  const bool sticky = node.type == tree::NodeType::directory && (node.mode & 01000U) != 0;
  const bool can_be_written = file || node.type == tree::NodeType::directory;
  if (can_be_written && (node.mode & 02U) != 0 && !sticky)
    report_file(
        found, "world-writable", path,
        fmt::format("everyone can write to {} ({:04o})", shown_path(path), node.mode),
        file ? fmt::format("give it mode: \"{:04o}\"", node.mode & ~02U)
             : fmt::format("give it mode: \"{:04o}\", or \"1777\" if it is a place for temporary files",
                           node.mode & ~02U));
  for (const auto& [name, value] : node.xattrs)
    if (name == "security.capability")
      report_file(found, "file-capabilities", path, fmt::format("{} has file capabilities", shown_path(path)),
                  "copy it without them, and give the container the capability instead");
}

bool is_one_of(std::string_view name, const std::set<std::string_view>& names) {
  return names.contains(name);
}

// `gcc-12`, `x86_64-linux-gnu-gcc-12`, `clang++-16` as `gcc` and `clang++`.
std::string_view plain_name(std::string_view name) {
  if (const size_t dash = name.rfind('-');
      dash != std::string_view::npos && dash + 1 < name.size() &&
      name.find_first_not_of("0123456789.", dash + 1) == std::string_view::npos)
    name = name.substr(0, dash);
  for (const std::string_view triplet : {"-linux-gnu-", "-linux-musl-", "-linux-gnueabihf-"})
    if (const size_t at = name.find(triplet); at != std::string_view::npos)
      name = name.substr(at + triplet.size());
  return name;
}

void examine_program(const tree::FileTree& tree, const std::string& path, const tree::Node& node,
                     Violations& found) {
  static const std::set<std::string_view> shells = {
      "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", "busybox", "toybox"};
  static const std::set<std::string_view> managers = {"apt",  "apt-get", "aptitude", "dpkg",   "rpm",
                                                      "yum",  "dnf",     "microdnf", "zypper", "apk",
                                                      "opkg", "pacman",  "tdnf"};
  static const std::set<std::string_view> compilers = {
      "cc",    "gcc", "c++", "g++",  "clang", "clang++", "tcc",   "rustc",   "go",
      "javac", "ld",  "as",  "make", "cmake", "ninja",   "cargo", "gfortran"};
  const std::string_view directory = tree::name_of(tree::directory_of(path));
  if (directory != "bin" && directory != "sbin") return;
  const std::string_view name = tree::name_of(path);
  const bool shell = is_one_of(name, shells);
  const bool manager = is_one_of(name, managers);
  const bool compiler = is_one_of(plain_name(name), compilers);
  if (!shell && !manager && !compiler) return;
  const tree::Node* real = node.type == tree::NodeType::symlink ? resolve(tree, path) : &node;
  if (real == nullptr || real->type != tree::NodeType::file || (real->mode & 0111U) == 0) return;
  if (shell)
    report_file(
        found, "shell", path, fmt::format("the shell {} is in the image", shown_path(path)),
        "use a base without one, such as distroless/static or distroless/cc, or take it out with 'remove'");
  else if (manager)
    report_file(found, "package-manager", path,
                fmt::format("the package manager {} is in the image", shown_path(path)),
                "list what you need under 'packages' on a base without one, or take it out with 'remove'");
  else
    report_file(found, "compiler", path, fmt::format("the build tool {} is in the image", shown_path(path)),
                "build in a stage, and copy the result alone");
}

void examine_leftovers(const std::string& path, const tree::Node& node, std::set<std::string>& seen,
                       Violations& found) {
  const std::string_view name = tree::name_of(path);
  const bool directory = node.type == tree::NodeType::directory;
  std::string what;
  std::string place = path;
  if (directory && (name == ".git" || name == ".svn" || name == ".hg"))
    what = "version control";
  else if (node.type == tree::NodeType::file) {
    static const std::vector<std::pair<std::string_view, std::string_view>> caches = {
        {"var/lib/apt/lists/", "package lists"},  {"var/cache/apt/", "a package cache"},
        {"var/cache/apk/", "a package cache"},    {"var/cache/dnf/", "a package cache"},
        {"var/cache/yum/", "a package cache"},    {"var/cache/zypp/", "a package cache"},
        {"var/cache/pacman/", "a package cache"}, {"etc/apk/cache/", "a package cache"}};
    for (const auto& [prefix, kind] : caches)
      if (path.starts_with(prefix) && name != "lock") {
        what = kind;
        place = prefix.substr(0, prefix.size() - 1);
      }
    for (const std::string_view cache :
         {"/.cache/", "/.npm/_cacache/", "/.cargo/registry/", "/.m2/repository/"})
      if (const size_t at = ("/" + path).find(cache); at != std::string::npos) {
        what = "a cache";
        place = path.substr(0, at + cache.size() - 2);
      }
    if (name.starts_with('.') && name.ends_with("_history")) what = "a history of commands";
  }
  if (what.empty() || !seen.insert(place).second) return;
  report_file(found, "leftover", place, fmt::format("{} holds {}", shown_path(place), what),
              fmt::format("add \"{}\" to 'remove', or \"**/{}\" to 'exclude' of the copy, or take it out of "
                          "'files'",
                          shown_path(place), base::printable(tree::name_of(place))));
}

// The program as execve would find it; empty if none is there.
std::string find_program(const Subject& subject, const std::string& word) {
  const auto is_file = [&](const std::string& path) {
    const tree::Node* node = resolve(subject.tree, tree::normalise(path));
    return node != nullptr && node->type == tree::NodeType::file;
  };
  if (word.starts_with('/')) return is_file(word) ? word : "";
  if (word.find('/') != std::string::npos) {
    const std::string path = subject.config.working_dir + "/" + word;
    return is_file(path) ? path : "";
  }
  std::string search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto& [name, value] : subject.config.env)
    if (name == "PATH") search = value;
  for (const std::string& directory : base::split(search, ':'))
    if (is_file(directory + "/" + word)) return directory + "/" + word;
  return "";
}

// e_machine of the ELF specification's register, for a platform; 0 if it is not known.
uint16_t machine_of(const oci::Platform& platform) {
  static const std::map<std::string_view, uint16_t> machines = {
      {"386", 3},    {"arm", 40},     {"amd64", 62},    {"arm64", 183}, {"riscv64", 243},
      {"s390x", 22}, {"ppc64le", 21}, {"loong64", 258}, {"mips64le", 8}};
  const auto it = machines.find(platform.architecture);
  return it == machines.end() ? 0 : it->second;
}

// Kernels for 64 bits run the programs of their processor's 32-bit form as well.
bool runs_on(const tree::ElfFile& elf, uint16_t machine, const oci::Platform& platform) {
  if (machine == 0) return true;
  const bool big = machine == 22;  // s390x; all others that are known here are little-endian
  if (elf.little_endian == big) return false;
  return elf.machine == machine || (platform.architecture == "amd64" && elf.machine == 3) ||
         (platform.architecture == "arm64" && elf.machine == 40);
}

// Nothing for what is not an ELF file, or is a damaged one.
std::optional<tree::ElfFile> elf_of(const tree::Node& node, const std::string& path) {
  if (node.type != tree::NodeType::file) return std::nullopt;
  try {
    return tree::read_elf(node.content, path);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// False for images of data and scripts alone, which somebody mounts or reads.
bool holds_programs(const tree::FileTree& tree) {
  for (const packages::Format format : {packages::Format::deb, packages::Format::apk})
    if (packages::has_database(tree, format)) return true;
  return std::any_of(tree.nodes().begin(), tree.nodes().end(), [](const auto& entry) {
    return (entry.second.mode & 0111U) != 0 && elf_of(entry.second, "/" + entry.first).has_value();
  });
}

using Report = std::function<void(const std::string& message, const std::string& fix)>;

std::string first_line(const tree::Node& node) {
  std::string head(std::min<uint64_t>(node.content.size, 256), '\0');
  tree::read_content(node.content, 0, head);
  return head.substr(0, head.find('\n'));
}

bool is_shell_name(std::string_view name) {
  static constexpr auto shells = {"sh"sv, "bash"sv, "dash"sv, "ash"sv, "ksh"sv, "zsh"sv};
  return std::find(shells.begin(), shells.end(), name) != shells.end();
}

// The program to which a shell script gives way in its last line, if that says which: `exec /usr/bin/app
// "$@"`.
std::string last_exec(const tree::Node& node) {
  constexpr size_t max_script = size_t{1} << 20;
  if (node.content.size > max_script) return {};
  const std::string text = tree::read_content(node.content, max_script);
  if (text.find("<<") != std::string::npos) return {};  // it may be text that is written somewhere
  std::string last, before;
  for (const std::string& line : base::split(text, '\n')) {
    const std::string_view trimmed = base::trim(line);
    if (trimmed.empty() || trimmed.starts_with('#')) continue;
    before = std::move(last);
    last = trimmed;
  }
  for (const std::string_view end : {"\\"sv, "&&"sv, "||"sv, "|"sv})
    if (before.ends_with(end)) return {};
  if (!last.starts_with("exec /")) return {};
  const std::string path = last.substr(5, last.find_first_of(" \t;&|<>", 5) - 5);
  return path.find_first_of("$`*?[\"'\\") == std::string::npos ? path : "";
}

bool is_in_volume(const Subject& subject, const std::string& path) {
  return std::any_of(subject.config.volumes.begin(), subject.config.volumes.end(),
                     [&](const std::string& volume) {
                       return tree::is_within(tree::normalise(path), tree::normalise(volume));
                     });
}

void examine_script(const Subject& subject, const std::string& name, const tree::Node& node,
                    const Report& fault, int depth = 0);

// What a shell script starts in the end.
void examine_last_exec(const Subject& subject, const std::string& name, const tree::Node& script,
                       const Report& fault, int depth) {
  const std::string next = last_exec(script);
  if (next.empty() || depth > 8 || is_in_volume(subject, next)) return;
  const tree::Node* node = resolve(subject.tree, tree::normalise(next));
  if (node == nullptr || node->type != tree::NodeType::file)
    return fault(
        fmt::format("{} starts {} in its last line, which is not in the image", name, base::printable(next)),
        "copy it there, or add the package that has it");
  if ((node->mode & 0111U) == 0)
    return fault(fmt::format("{} starts {} in its last line, which is not executable ({:04o})", name,
                             base::printable(next), node->mode),
                 "copy it with mode: \"0755\"");
  examine_script(subject, fmt::format("{}, which {} starts,", base::printable(next), name), *node, fault,
                 depth + 1);
}

// A script cannot start without the interpreter of its first line, nor go on without what it starts in the
// end.
void examine_script(const Subject& subject, const std::string& name, const tree::Node& node,
                    const Report& fault, int depth) {
  const std::string line = first_line(node);
  if (!line.starts_with("#!")) return;
  std::vector<std::string> words;
  for (const std::string& word : base::split(line.substr(2), ' '))
    if (const std::string_view trimmed = base::trim(word); !trimmed.empty()) words.emplace_back(trimmed);
  if (words.empty()) return;
  std::string interpreter = words.front();
  const tree::Node* runs = resolve(subject.tree, tree::normalise(interpreter));
  const std::string advice = "add the package that has it, or copy a program that needs none";
  if (runs == nullptr || runs->type != tree::NodeType::file)
    return fault(fmt::format("{} needs the interpreter {}, which is not in the image{}", name,
                             base::printable(interpreter),
                             line.ends_with('\r') ? ": the line ends as those of Windows do" : ""),
                 line.ends_with('\r') ? "write it with line ends of Unix" : advice);
  // `#!/usr/bin/env python3`, `env -S node --flag`
  if (tree::name_of(interpreter) == "env") {
    size_t at = 1;
    while (at < words.size() && (words[at].starts_with('-') || words[at].find('=') != std::string::npos))
      ++at;
    if (at == words.size()) return;
    interpreter = words[at];
    const std::string found = find_program(subject, interpreter);
    if (found.empty())
      return fault(fmt::format("{} needs the interpreter {}, which is in no directory of PATH", name,
                               base::printable(interpreter)),
                   advice);
    runs = resolve(subject.tree, tree::normalise(found));
  }
  if (const auto other = elf_of(*runs, interpreter);
      other && !runs_on(*other, machine_of(subject.config.platform), subject.config.platform))
    return fault(fmt::format("{} needs the interpreter {}, which is for another processor than {}", name,
                             base::printable(interpreter), oci::to_string(subject.config.platform)),
                 "copy the one for the platform of the image");
  if (is_shell_name(tree::name_of(interpreter))) examine_last_exec(subject, name, node, fault, depth);
}

// The script in `sh /start.sh` and `tini -- /start.sh`.
void examine_words(const Subject& subject, const std::vector<std::string>& words, const std::string& program,
                   const Report& fault) {
  const bool shell = is_shell_name(tree::name_of(program));
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--") continue;
    if (!words[i].starts_with('/')) return;
    const tree::Node* node = resolve(subject.tree, tree::normalise(words[i]));
    if (node == nullptr || node->type != tree::NodeType::file || elf_of(*node, words[i])) return;
    const std::string name = "the script " + base::printable(words[i]);
    if (shell) return examine_last_exec(subject, name, *node, fault, 0);
    if (i > 1 && (node->mode & 0111U) != 0) examine_script(subject, name, *node, fault);
    return;
  }
}

void examine_entrypoint(const Subject& subject, Violations& found) {
  const std::vector<std::string>& words =
      subject.config.entrypoint.empty() ? subject.config.cmd : subject.config.entrypoint;
  if (words.empty() || words.front().empty()) return;  // a base for others
  const std::string& word = words.front();
  const auto report = [&](const std::string& message, const std::string& fix) {
    report_config(found, "entrypoint", subject.config.entrypoint.empty() ? "cmd" : "entrypoint", message,
                  fix);
    if (word.starts_with('/')) found.back().path = word;
  };
  // What certainly keeps it from starting: an error, unless nothing could be started in such an image anyway.
  const Report fault = [&](const std::string& message, const std::string& fix) {
    report(message, fix);
    if (holds_programs(subject.tree)) found.back().own_level = Level::error;
  };
  const std::string program = find_program(subject, word);
  if (program.empty())
    return report(fmt::format("the entrypoint '{}' is not in the image", base::printable(word)),
                  "copy it there, or write its path under 'entrypoint' as it is in the image");
  std::string real;
  const tree::Node* node = resolve(subject.tree, tree::normalise(program), &real);
  if ((node->mode & 0111U) == 0)
    return report(
        fmt::format("the entrypoint {} is not executable ({:04o})", base::printable(program), node->mode),
        "copy it with mode: \"0755\"");
  std::optional<tree::ElfFile> elf;
  try {
    elf = tree::read_elf(node->content, program);
  } catch (const base::Error& error) {
    return report(fmt::format("the entrypoint {} cannot run: {}", base::printable(program), error.what()),
                  "build it again");
  }
  const uint16_t machine = machine_of(subject.config.platform);
  if (elf && !runs_on(*elf, machine, subject.config.platform))
    return fault(
        fmt::format("the entrypoint {} is for another processor than {} (ELF machine {}, want {})",
                    base::printable(program), oci::to_string(subject.config.platform), elf->machine, machine),
        "build it for the platform of the image; ${TARGETARCH} tells a stage which one that is");
  if (elf || node->content.size < 2) return examine_words(subject, words, program, fault);
  if (!first_line(*node).starts_with("#!"))
    return report(
        fmt::format("the entrypoint {} is neither a program nor a script with '#!'",
                    base::printable(program)),
        "let the script begin with a line such as #!/bin/sh, or name its interpreter under 'entrypoint'");
  examine_script(subject, "the entrypoint " + base::printable(program), *node, fault);
}

bool is_hexadecimal(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

void examine_labels(const oci::ImageConfig& config, Violations& found) {
  const auto report = [&](const std::string& name, const std::string& message, const std::string& fix) {
    report_config(found, "label-schema", "label:" + name,
                  fmt::format("the label '{}' {}", base::printable(name), message), fix);
  };
  const std::string prefix = "org.opencontainers.image.";
  for (const auto& [name, value] : config.labels) {
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_/") != std::string::npos ||
        !((name.front() >= 'a' && name.front() <= 'z') || (name.front() >= '0' && name.front() <= '9')))
      report(name, "has a name with other characters than a-z, 0-9, '.', '-', '_', '/'",
             "write its name with these alone, such as com.example.team");
    for (const std::string_view reserved : {"com.docker.", "io.docker.", "org.dockerproject."})
      if (name.starts_with(reserved))
        report(name, "is in a namespace reserved for Docker", "use a name of your own domain");
    if (!name.starts_with(prefix)) continue;
    const std::string key = name.substr(prefix.size());
    const bool url = key == "url" || key == "source" || key == "documentation";
    if (base::trim(value).empty())
      report(name, "is empty", "give it a value, or leave it out");
    else if (url && !value.starts_with("https://") && !value.starts_with("http://") &&
             !value.starts_with("git"))
      report(name, fmt::format("is '{}', want a URL", base::printable(value)), "write https://...");
    else if (key == "created" && !(value.find('T') != std::string::npos && base::parse_time(value)))
      report(name, fmt::format("is '{}', want an RFC 3339 time", base::printable(value)),
             "write 2026-01-31T00:00:00Z");
    else if (key == "revision" && value.size() < 40 && is_hexadecimal(value) &&
             (value.size() >= 7 || value.find_first_not_of("0123456789") != std::string::npos))
      report(name, "is a shortened hash", "write the whole hash of the commit");
  }
}

// `registry.example.com/team/base` of a reference with tag or digest.
std::string without_tag(const std::string& reference) {
  const std::string name = reference.substr(0, reference.find('@'));
  const size_t colon = name.rfind(':');
  const bool is_tag = colon != std::string::npos && name.find('/', colon) == std::string::npos;
  return is_tag && name.find('/') != std::string::npos ? name.substr(0, colon) : name;
}

// Another name for uid 0.
bool is_root(const tree::FileTree& tree, const std::string& user) {
  for (const std::string& line : base::split(content_of(tree, "etc/passwd", uint64_t{1} << 20U), '\n')) {
    const std::vector<std::string> fields = base::split(line, ':');
    if (fields.size() >= 3 && fields[0] == user) return base::parse_number(fields[2]) == uint64_t{0};
  }
  return false;
}

}  // namespace

void examine_config(const Subject& subject, const spec::Policy& policy, std::vector<Violation>& found) {
  const oci::ImageConfig& config = subject.config;
  const std::string user = config.user.substr(0, config.user.find(':'));
  if (user.empty() || user == "root" || base::parse_number(user) == uint64_t{0} ||
      is_root(subject.tree, user))
    report_config(
        found, "root-user", "user", "the image runs as root",
        "add 'user: 65532', or another number that is not 0; write 'user: root' if it has to be root");
  else if (!base::parse_number(user))
    report_config(found, "user-name", "user",
                  fmt::format("the user is '{}', a name", base::printable(config.user)),
                  "write its number, such as 65532:65532");
  if (!config.working_dir.empty() && !config.working_dir.starts_with('/'))
    report_config(found, "relative-workdir", "workdir",
                  fmt::format("the working directory is '{}'", base::printable(config.working_dir)),
                  "write an absolute path");
  const std::vector<std::string>& words = config.entrypoint.empty() ? config.cmd : config.entrypoint;
  if (words.size() >= 3 && words[1] == "-c" && tree::name_of(words[0]).ends_with("sh"))
    report_config(found, "shell-form", config.entrypoint.empty() ? "cmd" : "entrypoint",
                  fmt::format("the entrypoint is run by {} -c", base::printable(words[0])),
                  "write the program and its arguments as a list: entrypoint: [/usr/bin/app, --flag]");
  for (const std::string& port : config.exposed_ports)
    if (port == "22" || port == "22/tcp")
      report_config(found, "ssh-port", "port:22/tcp", "port 22 is exposed",
                    "take it out of 'ports'; use kubectl exec or the like");
  const auto is_system = [](const std::string& path) {
    for (const char* top : {"/proc", "/sys", "/dev"})
      if (path == top || path.starts_with(std::string(top) + "/")) return true;
    return false;
  };
  for (const std::string& volume : config.volumes)
    if (is_system(volume))
      report_config(found, "system-mount", "volume:" + volume,
                    fmt::format("{} is a volume", base::printable(volume)), "take it out of 'volumes'");
  if (is_system(config.working_dir))
    report_config(found, "system-mount", "workdir",
                  fmt::format("the working directory is {}", base::printable(config.working_dir)),
                  "choose another 'workdir'");
  examine_labels(config, found);
  for (const std::string& label : policy.required_labels)
    if (!config.labels.contains(label) || config.labels.at(label).empty())
      report_config(found, "missing-label", "label",
                    fmt::format("the label '{}' is missing", base::printable(label)),
                    fmt::format("add labels: {{ {}: ... }}", base::printable(label)));
  for (const oci::Reference& name : subject.names)
    if (!name.digest && (name.tag.empty() || name.tag == "latest"))
      report_config(found, "latest-tag", "image:" + oci::to_string(name),
                    fmt::format("'{}' has the tag 'latest'", oci::to_string(name)),
                    "write a version after the colon");
  for (const std::string& base : subject.bases)
    for (const std::vector<std::string>& trusted : policy.trusted_bases) {
      // Without a tag: any of that repository.
      const std::string repository = base.starts_with("oci") ? base : without_tag(base);
      const auto fits = [&](const std::string& glob) {
        return tree::glob_match(glob, base) || tree::glob_match(glob, repository);
      };
      if (std::any_of(trusted.begin(), trusted.end(), fits)) continue;
      found.push_back({"untrusted-base",
                       fmt::format("the base {} is none that the policy trusts", base::printable(base)),
                       trusted.empty() ? std::string("use 'base: scratch': the policy trusts no base")
                                       : fmt::format("use one of {}", base::join(trusted, ", ")),
                       ""});
      break;
    }
}

std::optional<Violation> examine_size(uint64_t size, const spec::Policy& policy) {
  if (!policy.max_size || size <= *policy.max_size) return std::nullopt;
  return Violation{
      "max-size",
      fmt::format("the layers have {}, more than {}", base::human_size(size),
                  base::human_size(*policy.max_size)),
      "use a smaller base, 'trim: true' or 'except' for packages ('minibuild inspect --files' shows "
      "what is large), or raise policy.max-size",
      ""};
}

void examine_accounts(const tree::FileTree& tree, std::vector<Violation>& found) {
  for (const std::string path : {"etc/shadow", "etc/passwd", "etc/group"}) {
    const bool shadow = path == "etc/shadow";
    const bool group = path == "etc/group";
    std::map<std::string, std::string> names;
    std::map<std::string, std::string> numbers;
    for (const std::string& line : base::split(content_of(tree, path, uint64_t{1} << 20U), '\n')) {
      const std::vector<std::string> fields = base::split(line, ':');
      if (fields.size() < 3 || line.starts_with('#')) continue;
      if (!group && fields[1].empty())
        report_file(found, "empty-password", path,
                    fmt::format("'{}' has no password in /{}", base::printable(fields[0]), path),
                    "write '*' or '!' in the place of its password");
      if (shadow) continue;
      if (!names.emplace(fields[0], line).second)
        report_file(found, "duplicate-account", path,
                    fmt::format("the {} '{}' stands twice in /{}", group ? "group" : "user",
                                base::printable(fields[0]), path),
                    "take one out");
      else if (const auto [other, is_new] = numbers.emplace(fields[2], fields[0]); !is_new)
        report_file(found, "duplicate-account", path,
                    fmt::format("the {}s '{}' and '{}' have the number {} in /{}", group ? "group" : "user",
                                base::printable(other->second), base::printable(fields[0]),
                                base::printable(fields[2]), path),
                    "give one of them another number");
    }
  }
}

void examine_files(const tree::FileTree& tree, std::vector<Violation>& found) {
  std::set<std::string> seen;
  for (const auto& [path, node] : tree.nodes()) {
    examine_rights(path, node, found);
    examine_program(tree, path, node, found);
    examine_leftovers(path, node, seen, found);
  }
}

std::vector<Violation> examine(const Subject& subject, const spec::Policy& policy) {
  std::vector<Violation> found;
  examine_config(subject, policy, found);
  examine_entrypoint(subject, found);
  examine_accounts(subject.tree, found);
  examine_files(subject.tree, found);
  return found;
}

}  // namespace minibuild::trust
