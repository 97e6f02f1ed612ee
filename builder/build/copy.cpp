#include "builder/build/copy.h"

#include <algorithm>

#include <map>
#include <optional>
#include <set>

#include "builder/build/scan.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/elf.h"

namespace minibuild::build {

using base::Code;
using tree::Node;
using tree::NodeType;

namespace {

// What `copy` takes, as a place and a pattern below it; a download is one file, whatever its name is.
tree::GlobPlace split_from(const spec::Copy& copy, const std::function<bool(const std::string&)>& is_there) {
  const std::string from = tree::normalise(copy.from);
  if (copy.download && !copy.download->extract) return {from, {}};
  return tree::place_of_glob(from, is_there);
}

// Why nothing matches a pattern, with the reason that people overlook.
std::string why_no_match(const std::string& pattern) {
  std::string why = fmt::format("nothing matches the pattern '{}'", base::printable(pattern));
  if (pattern.find('[') != std::string::npos)
    why += "; '[' begins a set of characters, '\\[' is the character itself";
  return why;
}

bool matches_any(const tree::FileTree& tree, const tree::GlobPlace& wanted, std::string* which = nullptr) {
  bool found = false;
  tree::for_each_below(tree, wanted.start, [&](const std::string& path, const Node&) {
    if (found ||
        !tree::glob_match(wanted.rest, path.substr(wanted.start.empty() ? 0 : wanted.start.size() + 1)))
      return;
    found = true;
    if (which != nullptr) *which = path;
  });
  return found;
}

}  // namespace

LocalSource::LocalSource(const project::SpecFile& file) : file_(file) {
  for (const char* name : {".minibuildignore", ".dockerignore"}) {
    const std::string path = file.spec.directory + "/" + name;
    if (!base::exists(path)) continue;
    ignore_name_ = name;
    const std::string text = base::read_file(path, size_t{1} << 20);
    std::vector<tree::IgnoreProblem> problems;
    ignore_ = tree::IgnoreList::parse(text, problems);
    spec::Diagnostics diagnostics;
    for (const tree::IgnoreProblem& problem : problems)
      diagnostics.push_back({spec::Severity::error,
                             "ignore-file",
                             {problem.line, problem.column},
                             fmt::format("malformed pattern: {}", problem.what)});
    ignore_errors_ = spec::render_text(diagnostics, path, text);
    if (ignore_errors_.ends_with('\n')) ignore_errors_.pop_back();
    return;
  }
}

Root LocalSource::select(const spec::Copy& copy) const {
  if (!ignore_errors_.empty()) throw base::Error(Code::usage, ignore_errors_);
  const auto refuse = [&](const std::string& why) {
    project::fail_at(file_, copy.position, Code::failed, fmt::format("cannot copy '{}': {}", copy.from, why));
  };
  const std::string top = base::real_path(file_.spec.directory);
  const auto on_disk = [&](const std::string& path) { return top + (path.empty() ? "" : "/" + path); };
  const tree::GlobPlace wanted =
      split_from(copy, [&](const std::string& path) { return base::exists(on_disk(path)); });
  const std::string& start = wanted.start;
  const std::string place = base::real_path(on_disk(start));
  if (place != top && !place.starts_with(top == "/" ? "/" : top + "/"))
    refuse("it is a link that leads out of the spec's directory");
  tree::FileTree tree;
  const std::string inside = place == top ? "" : place.substr(top.size() + (top == "/" ? 0 : 1));
  std::optional<Node> node = scan_path(place);
  if (!node)
    refuse(base::exists(place)                   ? "it is a socket"
           : start == tree::normalise(copy.from) ? "it is not there"
                                                 : fmt::format("'{}' is not there", start));
  if (!start.empty() && ignore_.ignores(inside) &&
      (node->type != NodeType::directory || ignore_.ignores_all_below(inside)))
    refuse(fmt::format("{} leaves it out", ignore_name_));
  if (!start.empty()) tree.put(start, *node, 0);
  if (node->type == NodeType::directory) scan_directory(place, ignore_, inside, start, tree);
  if (!wanted.rest.empty() && !ignore_.empty() && !matches_any(tree, wanted)) {
    tree::FileTree all;
    std::string one;
    if (node->type == NodeType::directory) scan_directory(place, {}, inside, start, all);
    if (matches_any(all, wanted, &one))
      refuse(
          fmt::format("{} leaves out all that it matches, such as '{}'", ignore_name_, base::printable(one)));
  }
  return Root(std::move(tree));
}

tree::GlobPlace source_place(const spec::Copy& copy, Root& root) {
  return split_from(copy,
                    [&](const std::string& path) { return root.find(root.resolve(path, false)) != nullptr; });
}

std::string why_not_in_image(std::string_view path) {
  const std::string_view name = tree::name_of(path);
  if (name.starts_with(".wh.")) return "in an image layer a name that begins with '.wh.' deletes a file";
  if (std::any_of(name.begin(), name.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return "its name holds a control character";
  const archive::TarLimits limits;
  if (path.size() > limits.path)
    return fmt::format("its path has {} bytes, and readers of images take at most {}", path.size(),
                       limits.path);
  return {};
}

namespace {

std::string place_of(const spec::Copy& copy) {
  if (copy.stage) return fmt::format(" from the stage '{}'", *copy.stage);
  if (copy.image) return fmt::format(" from {}", oci::to_string(*copy.image));
  if (copy.download) return fmt::format(" from {}", copy.download->url);
  return "";
}

// `path` of the root that is copied from, as people know it.
std::string source_name(const spec::Copy& copy, const std::string& path) {
  if (copy.stage) return fmt::format("{} of the stage {}", "/" + path, *copy.stage);
  if (copy.image) return fmt::format("{} of {}", "/" + path, oci::to_string(*copy.image));
  if (copy.download)
    return copy.download->extract ? fmt::format("{} of {}", "/" + path, copy.download->url)
                                  : copy.download->url;
  return path;
}

// The same in a message.
std::string quoted_source(const spec::Copy& copy, const std::string& path) {
  if (copy.download && !copy.download->extract) return fmt::format("'{}'", copy.download->url);
  const bool in_root = copy.stage || copy.image || copy.download;
  return base::printable(fmt::format("'{}{}'{}", in_root ? "/" : "", path, place_of(copy)));
}

// One `copy` entry at work.
class Copier {
 public:
  Copier(const spec::Copy& copy, Root root, Target& target)
      : copy_(copy), root_(std::move(root)), target_(target) {
    include_ = tree::IgnoreList(copy.include);
    exclude_ = tree::IgnoreList(copy.exclude);
    if (!copy.owner.empty()) {
      try {
        owner_ = tree::resolve_user(copy.owner, target.accounts);
      } catch (const base::Error& error) {
        fail(fmt::format("cannot give the files to '{}': {}", copy.owner, error.what()));
      }
    }
  }

  void run() {
    wanted_ = source_place(copy_, root_);
    const std::vector<std::string> matches = select();
    if (matches.empty()) {
      refuse_unreadable_above(tree::normalise(copy_.from));
      fail(fmt::format("cannot copy '{}'{}: {}", copy_.from, place_of(copy_), why_nothing()));
    }
    if (matches.size() > 1 && !copy_.to.ends_with('/'))
      fail(fmt::format(
          "cannot copy '{}' to '{}': it matches {} paths, so 'to' must be a directory; write '{}/'",
          copy_.from, copy_.to, matches.size(), copy_.to));
    for (const std::string& match : matches) copy_match(match);
    for (auto& [group, paths] : groups_)
      if (paths.size() > 1) link(paths);
    if (!starts_.empty()) target_.closures.push_back({copy_, std::move(root_), std::move(starts_)});
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    project::fail_at(target_.file, copy_.position, Code::failed, message);
  }

  // What lies on this machine and the commands of the stage could not have read is in no image.
  void refuse_unreadable(const std::string& path) const {
    if (root_.is_unreadable(path))
      fail(fmt::format(
          "cannot copy {}: its commands may not read it: on this machine other users own it; leave it "
          "out with 'exclude', or let the stage see a copy of it",
          quoted_source(copy_, path)));
  }

  void refuse_unreadable_above(const std::string& path) const {
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      refuse_unreadable(path.substr(0, slash));
  }

  // Paths in the root. A `from` that names a link is followed; links that a glob matches stay links.
  std::vector<std::string> select() {
    const std::string start = root_.resolve(wanted_.start, true);
    if (wanted_.rest.empty()) {
      if (!start.empty() && root_.find(start) == nullptr) return {};
      return {start};
    }
    root_.load_below(start);
    std::vector<std::string> found;
    tree::for_each_below(root_.tree(), start, [&](const std::string& path, const Node&) {
      const bool inside_match = !found.empty() && tree::is_within(path, found.back());
      if (!inside_match && tree::glob_match(wanted_.rest, path.substr(start.empty() ? 0 : start.size() + 1)))
        found.push_back(path);
    });
    return found;
  }

  std::string why_nothing() {
    const std::string start = root_.resolve(wanted_.start, true);
    if (start.empty() || root_.find(start) != nullptr) return why_no_match(wanted_.rest);
    const std::string own = root_.resolve(wanted_.start, false);
    const Node* link = root_.find(own);
    const std::string what =
        wanted_.rest.empty() ? "it" : fmt::format("'{}'", base::printable(wanted_.start));
    if (link == nullptr || link->type != NodeType::symlink) return what + " is not there" + beside(start);
    return fmt::format("{} is a link to '{}', which is not there", what, base::printable(link->target));
  }

  // What a stage or an image has in the directory where a path was looked for, if that is little.
  std::string beside(const std::string& path) {
    constexpr size_t most = 8;
    const std::string directory(tree::directory_of(path));
    const Node* above = directory.empty() ? nullptr : root_.find(directory);
    if (above == nullptr || above->type != NodeType::directory || place_of(copy_).empty()) return "";
    root_.load_below(directory);
    std::vector<std::string> names;
    tree::for_each_below(root_.tree(), directory, [&](const std::string& one, const Node&) {
      if (tree::directory_of(one) == directory && names.size() <= most)
        names.emplace_back(tree::name_of(one));
    });
    if (names.empty() || names.size() > most) return "";
    return base::printable(fmt::format("; /{} has: {}", directory, base::join(names, ", ")));
  }

  bool selected(const std::string& relative, const Node& node) const {
    if (!exclude_.empty() && exclude_.ignores(relative)) return false;
    if (include_.empty()) return true;
    return node.type != NodeType::directory && include_.ignores(relative);
  }

  void copy_match(const std::string& match) {
    root_.load_below(match);
    const Node* node = match.empty() ? nullptr : root_.find(match);
    refuse_unreadable(match);
    const std::string to = tree::normalise(copy_.to);
    if (node != nullptr && node->type != NodeType::directory) {
      // A link that `from` names is followed, but the file keeps the name that was written.
      const std::string name(tree::name_of(wanted_.rest.empty() ? wanted_.start : match));
      if (!selected(name, *node)) return;
      const bool into = copy_.to.ends_with('/') || to.empty() || is_directory_in_target(to);
      put(into ? tree::join_path(to, name) : to, *node, match);
      return;
    }
    if (include_.empty() && !to.empty()) put_directory(to, node);
    tree::for_each_below(root_.tree(), match, [&](const std::string& path, const Node& child) {
      const std::string relative = path.substr(match.empty() ? 0 : match.size() + 1);
      if (!selected(relative, child)) return;
      const std::string target = tree::join_path(to, relative);
      refuse_unreadable(path);
      if (child.type == NodeType::directory)
        put_directory(target, &child);
      else
        put(target, child, path);
    });
  }

  bool is_directory_in_target(const std::string& path) const {
    const Node* node = target_.tree.find(target_.tree.resolve(path, true));
    return node != nullptr && node->type == NodeType::directory;
  }

  // The path in the target with its parents' links followed; consecutive paths mostly share the parent.
  std::string place_in_target(const std::string& path) {
    const std::string_view parent = tree::directory_of(path);
    if (parent != last_parent_ || !has_last_) {
      try {
        last_real_ = target_.tree.resolve(parent, true);
      } catch (const base::Error& error) {
        fail(fmt::format("cannot copy to /{}: {}", path, error.what()));
      }
      last_parent_ = parent;
      has_last_ = true;
    }
    return tree::join_path(last_real_, tree::name_of(path));
  }

  // Names that mean something else in a layer, or that no reader takes.
  void check_name(const std::string& path, const std::string& source_path) const {
    if (const std::string why = why_not_in_image(path); !why.empty())
      fail(fmt::format("cannot copy {}: {}; rename it, or leave it out with 'exclude'",
                       quoted_source(copy_, source_path), why));
  }

  void put_directory(const std::string& path, const Node* source) {
    check_name(path, path);
    std::string real = place_in_target(path);
    const Node* there = target_.tree.find(real);
    if (there != nullptr && there->type == NodeType::symlink) {
      real = target_.tree.resolve(real, true);
      there = target_.tree.find(real);
    }
    if (there != nullptr && there->type != NodeType::directory)
      fail(fmt::format("cannot copy a directory to /{}: a file is there", path));
    Node node =
        there != nullptr ? *there : tree::directory_node(target_.mtime, copy_.directory_mode.value_or(0755));
    if (there != nullptr && copy_.directory_mode) node.mode = *copy_.directory_mode;
    if (there == nullptr || !copy_.owner.empty()) {
      node.uid = owner_.uid;
      node.gid = owner_.gid;
    }
    if (source != nullptr && there == nullptr) node.xattrs = source->xattrs;
    if (target_.written != nullptr) target_.written->insert(real);
    target_.tree.put(real, std::move(node), target_.mtime);
  }

  void put(const std::string& path, const Node& source, const std::string& source_path) {
    if (source.type != NodeType::file && source.type != NodeType::symlink)
      fail(fmt::format("cannot copy {}: it is a {}; only files, directories and links can be copied",
                       quoted_source(copy_, source_path), source.type == NodeType::fifo ? "FIFO" : "device"));
    check_name(path, source_path);
    const std::string real = place_in_target(path);
    const Node* there = target_.tree.find(real);
    if (there != nullptr && there->type == NodeType::directory)
      fail(fmt::format("cannot copy {} to /{}: a directory is there", quoted_source(copy_, source_path),
                       path));
    Node node = source;
    node.link_group = 0;
    node.uid = owner_.uid;
    node.gid = owner_.gid;
    node.mtime = target_.mtime;
    if (node.type == NodeType::file) {
      node.mode = copy_.mode.value_or((source.mode & 0100U) != 0 ? 0755 : 0644);
      if (source.link_group != 0) groups_[source.link_group].push_back(real);
    } else {
      node.mode = 0777;
    }
    if (copy_.closure && node.type == NodeType::file) starts_.push_back({real, source_path, node});
    target_.tree.put(real, std::move(node), target_.mtime);
    if (target_.written != nullptr) target_.written->insert(real);
    if (target_.origins != nullptr) target_.origins->push_back({real, source_name(copy_, source_path)});
  }

  // Names of one file in the source are names of one file in the target.
  void link(const std::vector<std::string>& paths) {
    const uint64_t group = target_.tree.new_link_group();
    for (const std::string& path : paths)
      if (Node* node = target_.tree.find(path)) node->link_group = group;
  }

  const spec::Copy& copy_;
  Root root_;
  tree::GlobPlace wanted_;
  Target& target_;
  tree::IgnoreList include_;
  tree::IgnoreList exclude_;
  tree::Identity owner_;
  std::map<uint64_t, std::vector<std::string>> groups_;
  std::vector<tree::ClosureStart> starts_;
  std::string last_parent_;
  std::string last_real_;
  bool has_last_ = false;
};

}  // namespace

namespace {

// Runs `task`, whose errors then point at the entry.
template <typename Task>
void at_entry(const spec::Copy& copy, const Target& target, Task task) {
  try {
    task();
  } catch (const base::Error& error) {
    if (error.place()) throw;
    project::fail_at(target.file, copy.position, error.code(), error.what());
  }
}

// One line a library, with who needs it.
std::string missing_text(const std::vector<tree::MissingLibrary>& missing) {
  std::map<std::string, std::vector<std::string>> by_name;
  std::vector<std::string> order;
  for (const tree::MissingLibrary& one : missing) {
    if (!by_name.contains(one.needed)) order.push_back(one.needed);
    by_name[one.needed].push_back(one.wanted_by);
  }
  std::vector<std::string> parts;
  for (const std::string& name : order) {
    const size_t more = by_name[name].size() - 1;
    parts.push_back(fmt::format("{} (needed by {}{})", base::printable(name),
                                base::printable(by_name[name].front()),
                                more == 0 ? "" : fmt::format(" and {} more", more)));
  }
  return base::join(parts, ", ");
}

void apply_closure(PendingClosure& pending, Target& target) {
  const spec::Copy& copy = pending.copy;
  // What a later entry replaced is not there any more.
  std::erase_if(pending.starts, [&](const tree::ClosureStart& start) {
    const Node* node = target.tree.find(start.path);
    return node == nullptr || node->type != NodeType::file ||
           !tree::same_place(node->content, start.node.content);
  });
  const auto lookup = [&](const std::string& path) { return pending.root.find_readable(path); };
  const tree::Closure closure =
      tree::elf_closure(pending.starts, lookup, target.tree, {target.mtime, copy.closure_search});
  if (!closure.missing.empty())
    project::fail_at(
        target.file, copy.position, Code::failed,
        fmt::format("cannot bring the shared libraries{}: not found: {}; where a program finds one by "
                    "itself, name its directory: closure: {{ search: [/directory] }}",
                    place_of(copy), missing_text(closure.missing)));
  for (const tree::ClosureEntry& entry : closure.entries) {
    // A link to a directory may be there, or have come just now: what is below it goes to that directory.
    const std::string path = target.tree.resolve(entry.path);
    const Node* there = target.tree.find(path);
    if (there != nullptr && there->type == NodeType::directory) continue;
    if (there != nullptr && entry.node.type == NodeType::directory) continue;
    Node node = entry.node;
    node.link_group = 0;
    node.uid = node.gid = 0;
    node.mtime = target.mtime;
    if (node.type == NodeType::file) node.mode = (node.mode & 0100U) != 0 ? 0755 : 0644;
    target.tree.put(path, std::move(node), target.mtime);
    if (target.written != nullptr) target.written->insert(path);
    if (target.origins != nullptr) target.origins->push_back({path, source_name(copy, entry.path)});
  }
}

}  // namespace

void apply_copy(const spec::Copy& copy, Root root, Target& target) {
  at_entry(copy, target, [&] { Copier(copy, std::move(root), target).run(); });
}

void apply_closures(Target& target) {
  for (PendingClosure& pending : target.closures)
    at_entry(pending.copy, target, [&] { apply_closure(pending, target); });
  target.closures.clear();
}

void apply_files(const std::vector<spec::FileEntry>& files, Target& target) {
  for (const spec::FileEntry& entry : files) {
    Node node;
    using Kind = spec::FileEntry::Kind;
    if (entry.kind == Kind::directory) node = tree::directory_node(target.mtime, entry.mode.value_or(0755));
    if (entry.kind == Kind::symlink) node = tree::symlink_node(entry.target, target.mtime);
    if (entry.kind == Kind::file)
      node = tree::file_node(tree::inline_content(entry.content), target.mtime, entry.mode.value_or(0644));
    try {
      if (!entry.owner.empty()) {
        const tree::Identity owner = tree::resolve_user(entry.owner, target.accounts);
        node.uid = owner.uid;
        node.gid = owner.gid;
      }
      const std::string path =
          target.tree.resolve(tree::normalise(entry.path), entry.kind == Kind::directory);
      const Node* there = target.tree.find(path);
      if (there != nullptr && there->type == NodeType::directory && entry.kind != Kind::directory)
        base::fail("cannot write {}: a directory is there", entry.path);
      if (there != nullptr && there->type != NodeType::directory && entry.kind == Kind::directory)
        base::fail("cannot make the directory {}: a file is there", entry.path);
      if (path.empty()) base::fail("cannot write {}: it is the root", entry.path);
      target.tree.put(path, std::move(node), target.mtime);
      if (target.written != nullptr) target.written->insert(path);
      if (target.origins != nullptr) target.origins->push_back({path, entry.path});
    } catch (const base::Error& error) {
      project::fail_at(target.file, entry.position, Code::failed, error.what());
    }
  }
}

std::vector<std::string> apply_remove(const std::vector<std::string>& globs, tree::FileTree& tree) {
  std::vector<std::string> gone;
  std::vector<std::string> unmatched;
  for (const std::string& glob : globs) {
    const size_t before = gone.size();
    for (const auto& [path, node] : tree.nodes())
      if (tree::glob_match(glob, path)) gone.push_back(path);
    // A path may lead through links: /lib/x where /lib is a link to usr/lib.
    if (gone.size() == before && !tree::is_glob(glob)) {
      const std::string real = tree.resolve(tree::normalise(glob));
      if (!real.empty() && tree.find(real) != nullptr) gone.push_back(real);
    }
    if (gone.size() == before) unmatched.push_back(glob);
  }
  for (const std::string& path : gone) tree.remove(path);
  return unmatched;
}

}  // namespace minibuild::build
