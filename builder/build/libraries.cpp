#include "builder/build/libraries.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "builder/build/started.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::build {

namespace {

using Kind = tree::LoadProblem::Kind;

// By e_machine, what the kernel of a platform runs: with the 32-bit form of the same processor.
std::vector<uint16_t> machines_of(const oci::Platform& platform) {
  static const std::map<std::string_view, std::vector<uint16_t>> machines = {
      {"386", {3}},    {"arm", {40}},     {"amd64", {62, 3}}, {"arm64", {183, 40}}, {"riscv64", {243}},
      {"s390x", {22}}, {"ppc64le", {21}}, {"loong64", {258}}, {"mips64le", {8}}};
  const auto it = machines.find(platform.architecture);
  return it == machines.end() ? std::vector<uint16_t>() : it->second;
}

std::string to_line(const tree::LoadProblem& one) {
  return base::join(
      {std::to_string(static_cast<int>(one.kind)), one.started ? "1" : "0", one.fits ? "1" : "0",
       std::to_string(one.machine), one.needed, one.wanted_by, one.version, one.there},
      std::string(1, '\t'));
}

std::optional<tree::LoadProblem> from_line(const std::string& line) {
  const std::vector<std::string> parts = base::split(line, '\t');
  if (parts.size() != 8) return std::nullopt;
  tree::LoadProblem one;
  one.kind = static_cast<Kind>(base::parse_number(parts[0]).value_or(0));
  one.started = parts[1] == "1";
  one.fits = parts[2] == "1";
  one.machine = static_cast<uint16_t>(base::parse_number(parts[3]).value_or(0));
  one.needed = parts[4];
  one.wanted_by = parts[5];
  one.version = parts[6];
  one.there = parts[7];
  return one;
}

std::string variable(const oci::ImageConfig& config, std::string_view wanted) {
  for (const auto& [name, value] : config.env)
    if (name == wanted) return value;
  return {};
}

std::vector<tree::LoadProblem> find_problems(const LibrarySubject& subject, store::Cache& cache) {
  tree::LoadSettings settings;
  settings.all = subject.all;
  settings.machines = machines_of(subject.config.platform);
  settings.search = subject.search;
  for (const std::string& path : base::split(variable(subject.config, "LD_LIBRARY_PATH"), ':'))
    if (!path.empty()) settings.library_path.push_back(path);
  const StartedCommand command = command_of(subject.config);
  base::Sha256 key;
  key.update("loading 1");
  const auto add = [&key](const std::vector<std::string>& texts) {
    key.update(std::to_string(texts.size()));
    for (const std::string& text : texts) key.update(std::to_string(text.size()) + ":").update(text);
  };
  for (const oci::DiffId& id : subject.config.diff_ids) key.update(base::as_bytes(id.hash));
  add({subject.all ? "all" : "started", std::to_string(subject.below.size()), command.path, command.workdir,
       oci::to_string(subject.config.platform)});
  add(command.words);
  add(settings.library_path);
  add(settings.search);
  const base::Hash hash = key.finish();
  std::vector<tree::LoadProblem> problems;
  if (const auto known = cache.find_result(hash)) {
    for (const std::string& line : base::split(known->value, '\n'))
      if (auto one = from_line(line)) problems.push_back(std::move(*one));
    return problems;
  }
  settings.started = started_files(subject.tree, command, Reach::certain).programs;
  // For another processor: the rule `entrypoint` says so.
  std::erase_if(settings.started, [&](const tree::LoadStart& start) {
    const auto elf = tree::read_elf(subject.tree.find(start.path)->content, "/" + start.path);
    return elf && !settings.machines.empty() &&
           std::find(settings.machines.begin(), settings.machines.end(), elf->machine) ==
               settings.machines.end();
  });
  problems = tree::loading_problems(subject.tree, subject.below, settings);
  std::vector<std::string> lines;
  for (const tree::LoadProblem& one : problems) lines.push_back(to_line(one));
  cache.put_result(hash, {"check", base::join(lines, "\n"), {}});
  return problems;
}

// The highest of the versions is enough to say: who lacks GLIBC_2.38 lacks what is built on it.
std::vector<tree::LoadProblem> with_versions_joined(std::vector<tree::LoadProblem> problems) {
  std::vector<tree::LoadProblem> joined;
  for (tree::LoadProblem& one : problems) {
    const auto same = [&](const tree::LoadProblem& other) {
      return one.kind == Kind::version && other.kind == Kind::version && other.needed == one.needed &&
             other.wanted_by == one.wanted_by;
    };
    const auto it = std::find_if(joined.begin(), joined.end(), same);
    if (it == joined.end())
      joined.push_back(std::move(one));
    else
      it->version += ", " + one.version;
  }
  return joined;
}

std::string default_directory(const tree::FileTree& tree, uint16_t machine) {
  static const std::map<uint16_t, std::string> triplets = {{62, "x86_64-linux-gnu"},
                                                           {183, "aarch64-linux-gnu"},
                                                           {40, "arm-linux-gnueabihf"},
                                                           {3, "i386-linux-gnu"}};
  const auto it = triplets.find(machine);
  const std::string debian = it == triplets.end() ? "" : "usr/lib/" + it->second;
  return "/" + (!debian.empty() && tree.find(debian) != nullptr ? debian : std::string("usr/lib"));
}

trust::Violation violation_of(const tree::LoadProblem& one, const LibrarySubject& subject,
                              const std::string& package) {
  const std::string who = base::printable(one.wanted_by);
  const std::string needed = base::printable(one.needed);
  const std::string there = base::printable(one.there);
  trust::Violation found;
  std::string wants;
  found.rule = "missing-library";
  found.path = one.wanted_by;
  if (one.started) found.own_level = trust::Level::error;
  const std::string add = fmt::format("add '{}' to 'packages'", package);
  switch (one.kind) {
    case Kind::version:
      wants = fmt::format("{} of {}, and {} of the image has no such version", base::printable(one.version),
                          needed, there);
      found.fix =
          "build it on the release that the image has, or take a base that is as new as what it was built on";
      break;
    case Kind::interpreter:
      wants = one.there.empty()
                  ? fmt::format("{}, which is not in the image", needed)
                  : fmt::format("the loader {}, and what is there is for another processor", needed);
      found.fix = package.empty() ? "copy the program with closure: true, or link it statically" : add;
      if (one.needed.find("ld-musl") != std::string::npos)
        found.fix += "; it is built for Alpine's C library: build it on a system like the image's";
      break;
    case Kind::machine:
      found.rule = found.group = "architecture";
      found.message = fmt::format("{} is a program for {}, and the image is for {}", who,
                                  tree::machine_name(one.machine), oci::to_string(subject.config.platform));
      found.fix =
          fmt::format("copy the one for {}, or leave it out; ${{TARGETARCH}} tells a stage which one that is",
                      oci::to_string(subject.config.platform));
      return found;
    case Kind::library:
      if (one.there.empty()) {
        wants = fmt::format("{}, which is not in the image", needed);
        found.fix =
            package.empty() ? "copy the program with closure: true, or add the package that has it" : add;
      } else if (!one.fits) {
        wants = fmt::format("{}, which is there only for another processor, at {}", needed, there);
        found.fix = fmt::format("copy the one for {}", oci::to_string(subject.config.platform));
      } else {
        wants = fmt::format("{}, which is at {}, where its loader does not look", needed, there);
        const std::string directory = "/" + std::string(tree::directory_of(one.there.substr(1)));
        const bool named = tree::name_of(one.there.substr(1)) == tree::name_of(one.needed);
        found.fix =
            named ? fmt::format(
                        "set env: {{ LD_LIBRARY_PATH: {} }}, or copy it to {}, or link the program with "
                        "-Wl,-rpath,{}",
                        base::printable(directory), default_directory(subject.tree, one.machine),
                        base::printable(directory))
                  : fmt::format("write files: [{{ symlink: {}/{}, target: {} }}]",
                                default_directory(subject.tree, one.machine), needed, there);
      }
      break;
  }
  found.message = fmt::format("{} needs {}", who, wants);
  found.group = one.kind == Kind::version ? "a newer " + one.needed : wants;
  return found;
}

}  // namespace

std::vector<trust::Violation> examine_libraries(
    const LibrarySubject& subject, store::Cache& cache,
    const std::function<std::string(const std::string& library)>& supplier) {
  std::map<std::string, std::string> suppliers;
  std::vector<trust::Violation> violations;
  for (const tree::LoadProblem& one : with_versions_joined(find_problems(subject, cache))) {
    const bool whole = (one.kind == Kind::library || one.kind == Kind::interpreter) && one.there.empty();
    if (whole && !suppliers.contains(one.needed)) suppliers[one.needed] = supplier(one.needed);
    violations.push_back(violation_of(one, subject, whole ? suppliers[one.needed] : ""));
  }
  return violations;
}

}  // namespace minibuild::build
