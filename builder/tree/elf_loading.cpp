// What dynamic loaders would miss in an image: each program is loaded as ld.so(8) or musl's loader would load
// it.
#include <algorithm>
#include <map>
#include <set>

#include "builder/tree/elf_search.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {

namespace {

constexpr size_t max_loaded = 4096;  // by one program

using Kind = LoadProblem::Kind;

// A file in the address space of one program.
struct Loaded {
  std::string path;  // real
  std::string name;  // the path that it was found by: $ORIGIN is its directory
  const ElfFile* elf = nullptr;
  std::vector<std::string> names;      // under which others find that it is there
  std::vector<std::string> inherited;  // search paths of those that brought it, the nearest first
};

class Loading {
 public:
  Loading(const FileTree& tree, const FileTree& below, const LoadSettings& settings)
      : tree_(tree),
        below_(below),
        settings_(settings),
        lookup_([&tree](const std::string& path) { return tree.find(path); }),
        view_(lookup_) {}

  std::vector<LoadProblem> find() {
    for (const LoadStart& start : settings_.started) load(start.path, true, start.sets_paths);
    if (settings_.all) look_at_all();
    std::vector<LoadProblem> found;
    for (const auto& [problem, started] : problems_) {
      found.push_back(problem);
      found.back().started = started;
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const LoadProblem& a, const LoadProblem& b) { return a.started && !b.started; });
    return found;
  }

 private:
  bool runs_here(const ElfFile& elf) const {
    const std::vector<uint16_t>& machines = settings_.machines;
    return machines.empty() || std::find(machines.begin(), machines.end(), elf.machine) != machines.end();
  }

  void look_at_all() {
    std::vector<std::string> programs;
    std::vector<std::string> libraries;
    for (const auto& [path, node] : tree_.nodes()) {
      if (node.type != NodeType::file) continue;
      const Node* old = below_.find(path);
      if (old != nullptr && same_place(old->content, node.content)) continue;
      const ElfFile* elf = view_.elf_at(path);
      if (elf == nullptr || (elf->type != 2 && elf->type != 3)) continue;
      if (!runs_here(*elf)) {
        look_at_foreign(path, node, *elf);
        continue;
      }
      (elf->interpreter.empty() ? libraries : programs).push_back(path);
    }
    for (const std::string& path : programs) load(path, false, false);
    for (const std::string& path : libraries)
      if (!seen_.contains(path)) load(path, false, false);
  }

  // A program for another processor is a fault, unless it lies where somebody keeps such ones knowingly.
  void look_at_foreign(const std::string& path, const Node& node, const ElfFile& elf) {
    const bool program = elf.type == 2 || !elf.interpreter.empty();
    if (!program || (node.mode & 0111U) == 0 || is_kept_knowingly(path)) return;
    problems_.try_emplace({Kind::machine, "", "/" + path, "", "", true, false, elf.machine}, false);
  }

  // Parts that were built for every system name theirs; and tests, examples and caches hold anything.
  static bool is_kept_knowingly(const std::string& path) {
    static const std::set<std::string_view> words = {
        "aarch64",  "amd64",   "arm",      "arm64",    "armhf",      "armv6",   "armv6l",   "armv7",
        "armv7l",   "i386",    "i686",     "ia32",     "loong64",    "mips64",  "mips",     "native",
        "natives",  "ppc64",   "ppc64le",  "riscv64",  "s390x",      "x64",     "x86",      "x86_64",
        "386",      "test",    "tests",    "testdata", "testing",    "fixture", "fixtures", "prebuilds",
        "prebuilt", "example", "examples", "samples",  "loongarch64"};
    std::string word;
    for (const char c : path + "/") {
      if (c != '/' && c != '-' && c != '.' && c != '+') {
        word += base::lower_case(c);
        continue;
      }
      if (words.contains(word)) return true;
      for (size_t at = 0; at < word.size() && word.find('_') != std::string::npos;) {
        const size_t end = std::min(word.find('_', at), word.size());
        if (words.contains(std::string_view(word).substr(at, end - at))) return true;
        at = end + 1;
      }
      word.clear();
    }
    return false;
  }

  void report(LoadProblem problem, bool started) {
    problem.started = false;
    auto [it, is_new] = problems_.try_emplace(std::move(problem), started);
    it->second = it->second || started;
  }

  // The loader that a program names, or for a library that of the programs for the same processor.
  const std::string& interpreter_for(const ElfFile& elf) {
    if (!elf.interpreter.empty()) return elf.interpreter;
    const std::string key = machine_name(elf.machine) + (elf.is_64 ? "/64" : "/32");
    auto [it, is_new] = interpreters_.try_emplace(key);
    if (!is_new) return it->second;
    // What is started comes first; then the first program of the tree.
    std::vector<std::string> paths;
    for (const LoadStart& start : settings_.started) paths.push_back(start.path);
    for (const auto& [path, node] : tree_.nodes())
      if (node.type == NodeType::file && (node.mode & 0111U) != 0) paths.push_back(path);
    for (const std::string& path : paths) {
      const ElfFile* other = view_.elf_at(path);
      if (other == nullptr || other->interpreter.empty() || !same_processor(*other, elf)) continue;
      if (!view_.real_path(other->interpreter)) continue;
      it->second = other->interpreter;
      break;
    }
    return it->second;
  }

  void load(const std::string& start, bool started, bool lenient) {
    const ElfFile* elf = view_.elf_at(start);
    if (elf == nullptr) return;
    const std::string interpreter = interpreter_for(*elf);
    const bool musl = view_.is_musl(interpreter);
    loaded_.clear();
    seen_.insert(start);
    loaded_.push_back({start, start, elf, {std::string(name_of(start))}, {}});
    std::optional<Loaded> loader;
    if (!interpreter.empty()) {
      const auto real = view_.real_path(interpreter);
      const ElfFile* one = real ? view_.elf_at(*real) : nullptr;
      if (one != nullptr && same_processor(*one, *elf)) {
        loader = Loaded{*real, *real, one, {one->soname, std::string(name_of(interpreter))}, {}};
        seen_.insert(*real);
      } else if (!elf->interpreter.empty()) {
        report({Kind::interpreter, interpreter, "/" + start, "", real ? "/" + *real : "", false, false,
                elf->machine},
               started);
        return;  // nothing of it runs
      }
    }
    // A library that nothing needs by its headers is loaded by whatever path its user gives.
    const bool by_path = elf->interpreter.empty() && !started;
    for (size_t i = 0; i < loaded_.size(); ++i) {
      if (loaded_.size() > max_loaded)
        base::fail("cannot load /{}: more than {} libraries", start, max_loaded);
      for (const std::string& name : loaded_[i].elf->needed)
        need(i, name, loader, musl, started, by_path || lenient);
    }
    if (!musl) check_versions(loader, started);
  }

  void need(size_t by, const std::string& name, const std::optional<Loaded>& loader, bool musl, bool started,
            bool elsewhere_will_do) {
    const auto has_name = [&](const Loaded& one) {
      return std::find(one.names.begin(), one.names.end(), name) != one.names.end() ||
             (!musl && one.elf->soname == name);
    };
    if (musl && is_part_of_musl(name)) return;
    if (loader && has_name(*loader)) return;
    if (std::any_of(loaded_.begin(), loaded_.end(), has_name)) return;
    std::string refused;
    const std::optional<std::string> found = search(loaded_[by], name, musl, refused);
    if (!found) {
      LoadProblem problem{Kind::library, name,  "/" + loaded_[by].path,  "", "",
                          true,          false, loaded_[by].elf->machine};
      if (const auto [other, fits] = elsewhere(name, *loaded_[by].elf); !other.empty()) {
        problem.there = "/" + other;
        problem.fits = fits;
      } else if (!refused.empty()) {
        problem.there = "/" + refused;
        problem.fits = false;
      }
      if (elsewhere_will_do && !problem.there.empty() && problem.fits) return;
      // Built for the other C library, beside what was built for this one.
      const bool other_library =
          musl ? false : name.starts_with("libc.musl-") || name.starts_with("ld-musl-");
      if (elsewhere_will_do && !started && other_library) return;
      report(std::move(problem), started);
      return;
    }
    const std::string real = *view_.real_path(*found);
    for (Loaded& one : loaded_)
      if (one.path == real) {
        one.names.push_back(name);
        return;
      }
    seen_.insert(real);
    Loaded next{real, *found, view_.elf_at(real), {name}, own_paths(loaded_[by], musl)};
    next.inherited.insert(next.inherited.end(), loaded_[by].inherited.begin(), loaded_[by].inherited.end());
    loaded_.push_back(std::move(next));
  }

  static std::vector<std::string> expanded(const std::vector<std::string>& paths, const Loaded& one) {
    std::vector<std::string> places;
    for (const std::string& path : paths)
      places.push_back(expand_tokens(path, directory_of(one.name), *one.elf));
    return places;
  }

  static std::vector<std::string> own_paths(const Loaded& one, bool musl) {
    return expanded(musl && !one.elf->runpath.empty() ? one.elf->runpath : one.elf->rpath, one);
  }

  // The path that the loader opens; `refused` is one that it passes over, or fails at.
  std::optional<std::string> search(const Loaded& by, const std::string& name, bool musl,
                                    std::string& refused) {
    const auto take = [&](const std::string& path) {
      const auto real = view_.real_path(path);
      if (!real) return false;
      const Node* node = tree_.find(*real);
      if (node == nullptr || node->type != NodeType::file) return false;
      const ElfFile* elf = view_.elf_at(*real);
      if (elf != nullptr && same_processor(*elf, *by.elf)) return true;
      if (refused.empty()) refused = *real;
      return false;
    };
    if (name.find('/') != std::string::npos) {
      const std::string path = expand_tokens(name, directory_of(by.name), *by.elf);
      return take(path) ? std::optional(normal(path)) : std::nullopt;
    }
    const auto in = [&](const std::vector<std::string>& places) -> std::optional<std::string> {
      for (const std::string& place : places)
        if (const std::string path = place + "/" + name; take(path)) return normal(path);
      return std::nullopt;
    };
    const std::vector<std::string> environment = expanded(settings_.library_path, loaded_.front());
    const std::vector<std::string> own = own_paths(by, musl);
    std::optional<std::string> found;
    if (musl) found = in(environment);
    if (!found && (musl || by.elf->runpath.empty())) {
      found = in(own);
      if (!found) found = in(by.inherited);
    }
    if (musl) {
      if (!found) found = in(view_.musl_directories(loaded_.front().elf->interpreter));
    } else {
      if (!found) found = in(environment);
      if (!found) found = in(expanded(by.elf->runpath, by));
      if (!found && !by.elf->no_default) {
        for (const std::string& path : view_.cached(name))
          if (!found && take(path)) found = path;
        if (!found) found = in(view_.default_directories(*by.elf, interpreter_for(*loaded_.front().elf)));
      }
    }
    return found ? found : in(settings_.search);
  }

  // `..` means the parent of where links lead to.
  std::string normal(const std::string& path) const {
    const std::string directory(directory_of(path));
    const auto real = directory.find("..") == std::string::npos ? std::nullopt : view_.real_path(directory);
    return real ? join_path(*real, name_of(path)) : normalise(path);
  }

  // A file of that name or soname in any place, the first that fits; and whether it fits.
  std::pair<std::string, bool> elsewhere(const std::string& name, const ElfFile& wanted) {
    if (!by_name_) {
      by_name_.emplace();
      for (const auto& [path, node] : tree_.nodes()) {
        if (node.type == NodeType::directory) continue;
        const std::string file(name_of(path));
        if (file.find(".so") == std::string::npos) continue;
        (*by_name_)[file].push_back(path);
        if (node.type != NodeType::file) continue;
        const ElfFile* elf = view_.elf_at(path);
        if (elf != nullptr && !elf->soname.empty() && elf->soname != file)
          (*by_name_)[elf->soname].push_back(path);
      }
    }
    const auto it = by_name_->find(std::string(name_of(name)));
    if (it == by_name_->end()) return {};
    std::string foreign;
    for (const std::string& path : it->second) {
      const auto real = view_.real_path(path);
      const ElfFile* elf = real ? view_.elf_at(*real) : nullptr;
      if (elf != nullptr && same_processor(*elf, wanted)) return {path, true};
      if (elf != nullptr && foreign.empty()) foreign = path;
    }
    return {foreign, false};
  }

  const ElfVersions& versions_at(const std::string& real) {
    auto [it, is_new] = versions_.try_emplace(real);
    if (!is_new) return it->second;
    try {
      it->second = read_elf_versions(tree_.find(real)->content, "/" + real);
    } catch (const base::Error&) {
      it->second = {};  // what the loader makes of it is not known
    }
    return it->second;
  }

  // glibc looks for each version in the library that its name stands for; a library without any has all.
  void check_versions(const std::optional<Loaded>& loader, bool started) {
    for (const Loaded& one : loaded_) {
      if (!started && !checked_.insert(one.path).second) continue;
      for (const VersionNeed& need : versions_at(one.path).needs) {
        if (need.weak) continue;
        const auto stands_for = [&](const Loaded& other) {
          return other.elf->soname == need.library ||
                 std::find(other.names.begin(), other.names.end(), need.library) != other.names.end();
        };
        const auto it = std::find_if(loaded_.begin(), loaded_.end(), stands_for);
        const Loaded* library = it != loaded_.end()             ? &*it
                                : loader && stands_for(*loader) ? &*loader
                                                                : nullptr;
        if (library == nullptr) continue;  // missing as a whole
        const ElfVersions& has = versions_at(library->path);
        if (!has.defines ||
            std::find(has.defined.begin(), has.defined.end(), need.version) != has.defined.end())
          continue;
        report({Kind::version, need.library, "/" + one.path, need.version, "/" + library->path, true, false,
                one.elf->machine},
               started);
      }
    }
  }

  const FileTree& tree_;
  const FileTree& below_;
  const LoadSettings& settings_;
  const Lookup lookup_;
  LoaderView view_;
  std::vector<Loaded> loaded_;
  std::set<std::string> seen_;     // real paths of what some program loads
  std::set<std::string> checked_;  // whose versions were looked at
  std::map<std::string, std::string> interpreters_;
  std::map<std::string, ElfVersions> versions_;
  std::optional<std::map<std::string, std::vector<std::string>>> by_name_;
  std::map<LoadProblem, bool> problems_;
};

}  // namespace

std::vector<LoadProblem> loading_problems(const FileTree& tree, const FileTree& below,
                                          const LoadSettings& settings) {
  return Loading(tree, below, settings).find();
}

}  // namespace minibuild::tree
