#include "builder/build/trim.h"

#include <algorithm>

#include "builder/build/started.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

namespace {

class Trimming {
 public:
  Trimming(const TrimSubject& subject, tree::FileTree& tree)
      : subject_(subject), owners_(subject.owners), names_(subject.names), base_(subject.base), tree_(tree) {}

  Trimmed run() {
    keep_started(subject_.command);
    const tree::IgnoreList globs(subject_.spec.trim.keep);
    for (const auto& [path, node] : tree_.nodes()) {
      if (is_ours(path)) {
        if (globs.ignores(path)) keep_path(path);
        continue;
      }
      starts_.insert(path);
      // What runs from outside of the packages: their links, the interpreters of scripts, what scripts call.
      if (subject_.written.contains(path) || base_.find(path) != nullptr) keep_path(path);
    }
    for (const char* path : {"etc/os-release", "usr/lib/os-release"}) keep_path(path);
    for (const spec::AccountUser& user : subject_.spec.users)
      if (user.shell) keep_path(tree::normalise(*user.shell));
    keep_needed();
    keep_layout();
    return take_away();
  }

 private:
  bool is_ours(const std::string& path) const {
    return owners_.contains(path) && base_.find(path) == nullptr && !subject_.written.contains(path);
  }

  void keep_started(const StartedCommand& command) {
    for (const std::string& path : started_files(tree_, command, Reach::possible).passed) {
      kept_.insert(path);
      starts_.insert(path);
    }
  }

  // A path with the links that lead to it, and what its script needs.
  void keep_path(std::string path) {
    for (int i = 0; i < 40 && !path.empty(); ++i) {
      path = tree_.resolve(path);
      const tree::Node* node = tree_.find(path);
      if (node == nullptr) return;
      kept_.insert(path);
      starts_.insert(path);
      if (node->type != tree::NodeType::symlink) {
        if (node->type == tree::NodeType::file && is_script(*node)) keep_script(path, *node);
        return;
      }
      const std::string target = node->target.starts_with('/')
                                     ? node->target
                                     : tree::join_path(tree::directory_of(path), node->target);
      path = tree::normalise(target);
    }
  }

  static bool is_script(const tree::Node& node) {
    if (node.content.size < 3) return false;
    std::string head(2, '\0');
    tree::read_content(node.content, 0, head);
    return head == "#!";
  }

  // A script may be run by its interpreter without a mode for it.
  void keep_script(const std::string& path, const tree::Node& node) {
    if (!scripts_.insert(path).second) return;
    StartedCommand command = subject_.command;
    command.words = {"/" + path};
    if ((node.mode & 0111U) != 0) return keep_started(command);
    std::string line(std::min<uint64_t>(node.content.size, 256), '\0');
    tree::read_content(node.content, 0, line);
    command.words = {};
    for (const std::string& word : base::split(line.substr(2, line.find('\n') - 2), ' '))
      if (!base::trim(word).empty()) command.words.emplace_back(base::trim(word));
    command.words.push_back("/" + path);
    keep_started(command);
  }

  void keep_needed() {
    std::vector<tree::ClosureStart> starts;
    for (const std::string& path : starts_) {
      const tree::Node* node = tree_.find(path);
      if (node != nullptr && is_elf(*node)) starts.push_back({path, path, *node});
    }
    const tree::Lookup root = [this](const std::string& path) { return tree_.find(path); };
    static const tree::FileTree nothing;
    for (const tree::ClosureEntry& entry : tree::elf_closure(starts, root, nothing, {}).entries)
      kept_.insert(entry.path);
  }

  // The links of a merged /usr, by which everybody names what is behind them: /bin/sh is in /usr/bin.
  void keep_layout() {
    for (const char* link : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
      const tree::Node* node = tree_.find(link);
      if (node == nullptr || node->type != tree::NodeType::symlink) continue;
      bool anything = false;
      tree::for_each_below(
          tree_, tree_.resolve(link, true), [&](const std::string& path, const tree::Node& below) {
            anything |= below.type != tree::NodeType::directory && (kept_.contains(path) || !is_ours(path));
          });
      if (anything) kept_.insert(link);
    }
  }

  Trimmed take_away() {
    std::vector<TrimmedPackage> packages(names_.size());
    for (size_t i = 0; i < names_.size(); ++i) packages[i].name = names_[i];
    std::set<size_t> used;
    for (const std::string& path : kept_)
      if (const auto owner = owners_.find(path); owner != owners_.end() && is_ours(path))
        used.insert(owner->second);
    std::vector<std::string> gone;
    for (const auto& [path, owner] : owners_) {
      const tree::Node* node = tree_.find(path);
      if (node == nullptr || !is_ours(path)) continue;
      const bool copyright = used.contains(owner) && path == "usr/share/doc/" + names_[owner] + "/copyright";
      if (kept_.contains(path) || copyright) {
        ++packages[owner].left;
        continue;
      }
      gone.push_back(path);
      packages[owner].gone.push_back(path);
      packages[owner].bytes += node->content.size;
    }
    for (const std::string& path : gone) tree_.remove(path);
    shorten_lists(gone);
    for (size_t i = 0; i < names_.size(); ++i) {
      packages[i].whole = !used.contains(i);
      if (packages[i].whole)
        for (const char* end : {"", ".md5sums"}) tree_.remove("var/lib/dpkg/status.d/" + names_[i] + end);
    }
    remove_empty_directories();
    std::erase_if(packages, [](const TrimmedPackage& one) { return !one.whole && one.gone.empty(); });
    return {std::move(packages)};
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
    for (auto path = directories.rbegin(); path != directories.rend(); ++path) {
      const auto below = tree_.nodes().lower_bound(*path + "/");
      const bool empty = below == tree_.nodes().end() || !below->first.starts_with(*path + "/");
      if (empty && !subject_.written.contains(*path)) tree_.remove(*path);
    }
  }

  const TrimSubject& subject_;
  const std::map<std::string, size_t>& owners_;
  const std::vector<std::string>& names_;
  const tree::FileTree& base_;
  tree::FileTree& tree_;
  std::set<std::string> kept_;
  std::set<std::string> starts_;
  std::set<std::string> scripts_;
};

}  // namespace

Trimmed trim(const TrimSubject& subject, tree::FileTree& tree) { return Trimming(subject, tree).run(); }

std::string Trimmed::text(const spec::Spec& spec) const {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<std::string> whole;
  std::vector<std::string> parts;
  std::vector<std::string> asked;
  for (const TrimmedPackage& one : packages) {
    files += one.gone.size();
    bytes += one.bytes;
    if (!one.whole) {
      parts.push_back(fmt::format("{} ({} of {})", one.name, one.gone.size(), one.gone.size() + one.left));
      continue;
    }
    const bool is_asked = std::any_of(spec.packages.begin(), spec.packages.end(), [&](const auto& entry) {
      return entry.name == one.name && !entry.absent && !entry.omit;
    });
    (is_asked ? asked : whole).push_back(one.name);
  }
  const auto some = [](std::vector<std::string> names) {
    constexpr size_t most = 12;
    const size_t more = names.size() > most ? names.size() - most : 0;
    if (more > 0) names.resize(most);
    return base::join(names, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
  };
  std::string text = fmt::format("took out {} files, {}", files, base::human_size(bytes));
  if (!asked.empty()) text += "; nothing is left of what 'packages' asks for: " + some(asked);
  if (!whole.empty()) text += "; nothing is left of: " + some(whole);
  if (!parts.empty()) text += "; files of: " + some(parts);
  if (files > 0) text += "; --metadata-file has all of them";
  return text;
}

}  // namespace minibuild::build
