#include "builder/build/trim.h"

#include <algorithm>
#include <array>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

namespace {

bool is_elf(const tree::Node& node) {
  if (node.type != tree::NodeType::file || node.content.size < 64) return false;
  std::array<char, 4> magic{};
  tree::read_content(node.content, 0, magic);
  return std::string_view(magic.data(), 4) ==
         "\x7f"
         "ELF";
}

// The program that runs a script, from its first line; empty if there is none.
std::string interpreter_of(const tree::Node& node) {
  if (node.type != tree::NodeType::file || node.content.size < 3) return {};
  std::string line(std::min<uint64_t>(node.content.size, 256), '\0');
  tree::read_content(node.content, 0, line);
  if (!line.starts_with("#!")) return {};
  const std::string_view rest = base::trim(std::string_view(line).substr(2, line.find('\n') - 2));
  return std::string(rest.substr(0, rest.find_first_of(" \t")));
}

// Where a command without a slash is found by PATH.
std::string find_program(const spec::Spec& spec, const tree::FileTree& tree, const std::string& name) {
  if (name.find('/') != std::string::npos) return tree::normalise(name);
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto& [key, value] : spec.env)
    if (key == "PATH") path = value;
  for (const std::string& directory : base::split(path, ':')) {
    const std::string at = tree::join_path(tree::normalise(directory), name);
    if (tree.find(tree.resolve(at, true)) != nullptr) return at;
  }
  return {};
}

class Trimming {
 public:
  Trimming(const spec::Spec& spec, const std::map<std::string, size_t>& owners,
           const std::vector<std::string>& names, const tree::FileTree& base, tree::FileTree& tree)
      : spec_(spec), owners_(owners), names_(names), base_(base), tree_(tree) {}

  Trimmed run(const std::vector<std::string>& entrypoint) {
    if (!entrypoint.empty()) keep_path(find_program(spec_, tree_, entrypoint.front()));
    const tree::IgnoreList globs(spec_.trim.keep);
    for (const auto& [path, node] : tree_.nodes()) {
      const bool ours = owners_.contains(path) && base_.find(path) == nullptr;
      if (ours && globs.ignores(path)) keep_path(path);
      if (!ours) starts_.insert(path);
    }
    keep_needed();
    return take_away();
  }

 private:
  bool is_ours(const std::string& path) const {
    return owners_.contains(path) && base_.find(path) == nullptr;
  }

  // A path with the links that lead to it, and what its script needs.
  void keep_path(std::string path) {
    for (int i = 0; i < 40 && !path.empty(); ++i) {
      path = tree_.resolve(path);
      const tree::Node* node = tree_.find(path);
      if (node == nullptr) return;
      kept_.insert(path);
      starts_.insert(path);
      if (node->type == tree::NodeType::symlink) {
        const std::string target = node->target.starts_with('/')
                                       ? node->target
                                       : tree::join_path(tree::directory_of(path), node->target);
        path = tree::normalise(target);
        continue;
      }
      const std::string interpreter = interpreter_of(*node);
      if (interpreter.empty()) return;
      path = tree::normalise(interpreter);
    }
  }

  void keep_needed() {
    std::vector<tree::ClosureStart> starts;
    for (const std::string& path : starts_) {
      const tree::Node* node = tree_.find(path);
      if (node != nullptr && is_elf(*node)) starts.push_back({path, path, *node});
    }
    const tree::Lookup root = [this](const std::string& path) { return tree_.find(path); };
    static const tree::FileTree nothing;
    for (const tree::ClosureEntry& entry : tree::elf_closure(starts, root, nothing, 0).entries)
      kept_.insert(entry.path);
  }

  Trimmed take_away() {
    Trimmed report;
    std::set<size_t> used;
    for (const std::string& path : kept_)
      if (const auto owner = owners_.find(path); owner != owners_.end()) used.insert(owner->second);
    std::vector<std::string> gone;
    for (const auto& [path, owner] : owners_) {
      const tree::Node* node = tree_.find(path);
      if (node == nullptr || !is_ours(path) || kept_.contains(path)) continue;
      if (used.contains(owner) && path == "usr/share/doc/" + names_[owner] + "/copyright") continue;
      gone.push_back(path);
      ++report.files;
      report.bytes += node->content.size;
    }
    for (const std::string& path : gone) tree_.remove(path);
    shorten_lists(gone);
    for (size_t i = 0; i < names_.size(); ++i) {
      if (used.contains(i)) continue;
      report.packages.push_back(names_[i]);
      for (const char* end : {"", ".md5sums"}) tree_.remove("var/lib/dpkg/status.d/" + names_[i] + end);
    }
    remove_empty_directories();
    return report;
  }

  // The packages' lists of hashes are of what is there.
  void shorten_lists(const std::vector<std::string>& gone) {
    const std::set<std::string> paths(gone.begin(), gone.end());
    for (const std::string& name : names_) {
      tree::Node* node = tree_.find("var/lib/dpkg/status.d/" + name + ".md5sums");
      if (node == nullptr || node->type != tree::NodeType::file) continue;
      std::string kept;
      for (const std::string& line : base::split(tree::read_content(node->content, uint64_t{64} << 20), '\n'))
        if (line.size() > 34 &&
            !paths.contains(tree_.resolve(tree::normalise(std::string_view(line).substr(34)))))
          kept += line + "\n";
      if (kept.size() != node->content.size) node->content = tree::inline_content(std::move(kept));
    }
  }

  void remove_empty_directories() {
    std::vector<std::string> directories;
    for (const auto& [path, node] : tree_.nodes())
      if (node.type == tree::NodeType::directory && base_.find(path) == nullptr && (node.mode & 01000U) == 0)
        directories.push_back(path);
    std::set<std::string> own;  // directories that the spec writes
    for (const spec::FileEntry& entry : spec_.files) own.insert(tree_.resolve(tree::normalise(entry.path)));
    for (auto path = directories.rbegin(); path != directories.rend(); ++path) {
      const auto below = tree_.nodes().lower_bound(*path + "/");
      const bool empty = below == tree_.nodes().end() || !below->first.starts_with(*path + "/");
      if (empty && !own.contains(*path)) tree_.remove(*path);
    }
  }

  const spec::Spec& spec_;
  const std::map<std::string, size_t>& owners_;
  const std::vector<std::string>& names_;
  const tree::FileTree& base_;
  tree::FileTree& tree_;
  std::set<std::string> kept_;
  std::set<std::string> starts_;
};

}  // namespace

Trimmed trim(const spec::Spec& spec, const std::vector<std::string>& entrypoint,
             const std::map<std::string, size_t>& owners, const std::vector<std::string>& names,
             const tree::FileTree& base, tree::FileTree& tree) {
  return Trimming(spec, owners, names, base, tree).run(entrypoint);
}

std::vector<std::string> missing_libraries(const tree::FileTree& tree, const tree::FileTree& below) {
  std::vector<tree::ClosureStart> starts;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != tree::NodeType::file) continue;
    const tree::Node* old = below.find(path);
    if (old != nullptr && tree::same_place(old->content, node.content)) continue;
    if (is_elf(node)) starts.push_back({path, path, node});
  }
  const tree::Lookup root = [&tree](const std::string& path) { return tree.find(path); };
  static const tree::FileTree nothing;
  std::vector<std::string> lines;
  for (const tree::MissingLibrary& missing : tree::elf_closure(starts, root, nothing, 0).missing)
    lines.push_back(missing.needed + " " + missing.wanted_by);
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

}  // namespace minibuild::build
