#include "minibuild/packages/install.h"

#include <algorithm>
#include <optional>

#include "builder/packages/database.h"
#include "builder/packages/effects.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"
#include "minibuild/tree/glob.h"

namespace minibuild::packages {

using base::fail;

namespace {

constexpr uint64_t own_layer = uint64_t{4} << 20;  // a source package of so many bytes gets its own
constexpr uint64_t max_list = uint64_t{64} << 20;  // of a list of files
constexpr size_t max_own_layers = 6;               // the others and what scripts would make: two more

const std::map<std::string, std::vector<std::string>, std::less<>>& presets() {
  static const std::map<std::string, std::vector<std::string>, std::less<>> words = {
      {"docs",
       {"usr/share/doc/**", "!usr/share/doc/*/copyright", "usr/share/man/**", "usr/share/info/**",
        "usr/share/lintian/**", "usr/share/gtk-doc/**", "usr/share/doc-base/**"}},
      {"man", {"usr/share/man/**", "usr/share/info/**"}},
      {"locales", {"usr/share/locale/**", "!usr/share/locale/locale.alias", "usr/share/i18n/**"}},
  };
  return words;
}

tree::IgnoreList list_of(const std::vector<std::string>& globs) {
  std::vector<std::string> all;
  for (const std::string& glob : globs) {
    if (const auto preset = presets().find(glob); preset != presets().end())
      all.insert(all.end(), preset->second.begin(), preset->second.end());
    else
      all.push_back(glob);
  }
  return tree::IgnoreList(all);
}

// The choices that concern one package, ready for use.
class Filter {
 public:
  Filter(const std::vector<Choice>& choices, const std::string& package) {
    for (const Choice& choice : choices)
      if (choice.package == "*" || choice.package == package)
        parts_.push_back({list_of(choice.only), list_of(choice.except), choice.only.empty()});
  }
  bool takes_all() const { return parts_.empty(); }
  bool takes(const std::string& path) const {
    return std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) {
      return (part.any || part.only.ignores(path)) && !part.except.ignores(path);
    });
  }

 private:
  struct Part {
    tree::IgnoreList only;
    tree::IgnoreList except;
    bool any;
  };
  std::vector<Part> parts_;
};

bool same_content(const tree::Content& a, const tree::Content& b) {
  if (a.size != b.size) return false;
  if (tree::same_place(a, b)) return true;
  std::vector<char> first(size_t{64} << 10);
  std::vector<char> second(first.size());
  for (uint64_t at = 0; at < a.size; at += first.size()) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(first.size(), a.size - at));
    tree::read_content(a, at, std::span(first).first(n));
    tree::read_content(b, at, std::span(second).first(n));
    if (!std::equal(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(n), second.begin()))
      return false;
  }
  return true;
}

bool same_thing(const tree::Node& a, const tree::Node& b) {
  if (a.type != b.type || a.mode != b.mode || a.uid != b.uid || a.gid != b.gid) return false;
  if (a.type == tree::NodeType::symlink) return a.target == b.target;
  if (a.type == tree::NodeType::file) return same_content(a.content, b.content);
  return a.device_major == b.device_major && a.device_minor == b.device_minor;
}

class Installing {
 public:
  Installing(const tree::FileTree& base, const std::vector<Package>& packages, const Settings& settings)
      : base_(base), packages_(packages), settings_(settings), links_(base), trees_(packages.size()) {}

  Installation run() {
    for (const Package& package : packages_) filters_.emplace_back(settings_.choices, package.facts.name);
    learn_links();
    for (size_t i = 0; i < packages_.size(); ++i) put_package(i);
    put_databases();
    make_groups();
    note_removed();
    make_last_group();
    return std::move(result_);
  }

 private:
  // Links to directories that packages bring decide where the paths of others land.
  void learn_links() {
    for (const Package& package : packages_)
      for (const auto& [path, node] : package.tree.nodes())
        if (node.type == tree::NodeType::symlink && path.find('/') == std::string::npos && !is_unmerged(path))
          links_.put(path, node, 0);
    merge_loaders();
    if (settings_.format == Format::deb) merge_usr();
    for (const Package& package : packages_)
      for (const auto& [path, node] : package.tree.nodes())
        if (node.type == tree::NodeType::symlink && path.find('/') != std::string::npos)
          links_.put(links_.resolve(path), node, 0);
  }

  // A directory that the base has at its top stays one, as dpkg keeps it.
  bool is_unmerged(std::string_view name) const {
    const tree::Node* there = base_.find(name);
    return there != nullptr && there->type == tree::NodeType::directory;
  }

  // Debian's packages count on links at the top, whoever makes them: since Debian 13 it is base-files, before
  // it was the installer. Where the loader's directory is not /lib, base-files of that architecture has it.
  void merge_usr() {
    for (const char* name : {"bin", "lib", "sbin"}) merge(name);
    static const std::set<std::string, std::less<>> with_lib64 = {"amd64", "loong64", "ppc64", "ppc64el",
                                                                  "x32"};
    if (with_lib64.contains(settings_.architecture)) merge("lib64");
    for (const char* name : {"lib32", "lib64", "libo32", "libx32"}) {
      const auto has = [&](const Package& package) {
        return package.tree.find(name) != nullptr ||
               package.tree.find(fmt::format("usr/{}", name)) != nullptr;
      };
      if (std::any_of(packages_.begin(), packages_.end(), has)) merge(name);
    }
  }

  // Programs name their loader by /lib64 or /lib; where it is in /usr, somebody has to link there.
  void merge_loaders() {
    for (const Package& package : packages_)
      for (const auto& [path, node] : package.tree.nodes()) {
        if (!path.starts_with("usr/lib") || !is_loader(path)) continue;
        const std::string directory(tree::directory_of(path).substr(4));
        if (directory.find('/') == std::string::npos) merge(directory);
      }
  }
  static bool is_loader(std::string_view path) {
    const std::string_view name = tree::name_of(path);
    return name.starts_with("ld-linux") || name.starts_with("ld64.so") || name.starts_with("ld.so");
  }

  void merge(const std::string& name) {
    if (links_.find(name) == nullptr) {
      links_.put(name, tree::symlink_node("usr/" + name, 0), 0);
      merged_.push_back(name);
    }
  }

  // On a base of before the merged /usr, packages of after it: programs and loaders are also named by the old
  // directory.
  void link_from_unmerged(const tree::FileTree& whole, tree::FileTree& made) const {
    if (settings_.format != Format::deb) return;
    for (const std::string name : {"bin", "lib", "lib32", "lib64", "libx32", "sbin"}) {
      if (!is_unmerged(name)) continue;
      const std::string merged = "usr/" + name + "/";
      for (auto it = result_.owners.lower_bound(merged);
           it != result_.owners.end() && it->first.starts_with(merged); ++it) {
        const std::string file = it->first.substr(merged.size());
        if (file.find('/') != std::string::npos || (name.starts_with("lib") && !is_loader(file))) continue;
        const std::string place = name + "/" + file;
        if (whole.find(place) == nullptr) made.put(place, tree::symlink_node("../" + it->first, 0), 0);
      }
    }
  }

  // `/bin/x -> /usr/bin/x` and /usr/bin/x are one path where /bin is a link.
  bool leads_to_itself(const std::string& place, const tree::Node& node) const {
    if (node.type != tree::NodeType::symlink || tree::name_of(node.target) != tree::name_of(place))
      return false;
    const std::string from = node.target.starts_with('/') ? "" : std::string(tree::directory_of(place));
    return links_.resolve(tree::normalise(tree::join_path(from, node.target))) == place;
  }

  tree::Node adapted(const tree::Node& node) const {
    tree::Node out = node;
    if (node.type == tree::NodeType::directory)
      out.mtime = 0;
    else if (settings_.epoch != 0)
      out.mtime = std::min(out.mtime, settings_.epoch);
    return out;
  }

  void put_package(size_t number) {
    const Package& package = packages_[number];
    const Filter& filter = filters_[number];
    std::map<uint64_t, uint64_t> groups;  // of hard links
    for (const auto& [path, node] : package.tree.nodes()) {
      const bool directory = node.type == tree::NodeType::directory;
      // With a choice, directories come with the files that are in them.
      if (!filter.takes_all() && (directory || !filter.takes(path))) continue;
      const std::string place = links_.resolve(path, directory);
      if (place.empty()) continue;
      if (directory) {
        check_directory(number, place);
        trees_[number].put(place, adapted(node), 0);
        continue;
      }
      if (node.type == tree::NodeType::symlink && path.find('/') == std::string::npos && is_unmerged(path))
        continue;
      if (leads_to_itself(place, node)) continue;
      check_directory(number, std::string(tree::directory_of(place)));
      if (!may_put(number, place, node)) continue;
      tree::Node copy = adapted(node);
      if (copy.link_group != 0) {
        uint64_t& group = groups[copy.link_group];
        if (group == 0) group = ++last_group_;
        copy.link_group = group;
      }
      put_parents(number, path, place);
      trees_[number].put(place, std::move(copy), 0);
      result_.owners[place] = number;
    }
  }

  // A path that is a directory in one package is no file in another.
  void check_directory(size_t number, const std::string& path) {
    for (std::string at = path; !at.empty() && directories_.emplace(at, number).second;
         at = tree::directory_of(at))
      if (const auto owner = result_.owners.find(at); owner != result_.owners.end())
        fail("the package {} has the directory /{} that is a file in {}", packages_[number].facts.name, at,
             packages_[owner->second].facts.name);
  }

  // The package's own directories on the way to a file that was chosen.
  void put_parents(size_t number, const std::string& path, const std::string& place) {
    if (filters_[number].takes_all()) return;
    const auto parent = tree::directory_of(path);
    if (parent.empty() || tree::directory_of(place).empty()) return;
    const std::string at(tree::directory_of(place));
    if (trees_[number].find(at) != nullptr) return;
    put_parents(number, std::string(parent), at);
    const tree::Node* node = packages_[number].tree.find(parent);
    if (node != nullptr && node->type == tree::NodeType::directory) trees_[number].put(at, adapted(*node), 0);
  }

  // Whether package number `number` gives the path its content; another that has it may lose it.
  bool may_put(size_t number, const std::string& path, const tree::Node& node) {
    if (const auto directory = directories_.find(path); directory != directories_.end())
      fail("the package {} has the file /{} that is a directory in {}", packages_[number].facts.name, path,
           packages_[directory->second].facts.name);
    check_base(number, path, node);
    const auto there = result_.owners.find(path);
    if (there == result_.owners.end()) return true;
    const size_t other = there->second;
    if (same_thing(*trees_[other].find(path), node)) return false;
    if (replaces(packages_[other], packages_[number])) return false;
    const bool wins = replaces(packages_[number], packages_[other]) ||
                      packages_[number].facts.source == packages_[other].facts.source;
    if (!wins)
      fail(
          "the packages {} and {} both have /{}, and neither replaces the other; leave it out of one with "
          "{{ name: {}, except: [{}] }}",
          packages_[other].facts.name, packages_[number].facts.name, path, packages_[number].facts.name,
          path);
    trees_[other].remove(path);
    return true;
  }

  // A package of the base that has the path, and is not replaced by the one that brings it now.
  void check_base(size_t number, const std::string& path, const tree::Node& node) {
    const tree::Node* there = base_.find(path);
    if (there == nullptr || there->type == tree::NodeType::directory || same_thing(*there, node)) return;
    const std::string owner = owner_in_base(path);
    const Package& package = packages_[number];
    if (owner.empty() || owner == package.facts.name) return;
    const auto is_it = [&](const Package& one) { return one.facts.name == owner; };
    if (std::any_of(packages_.begin(), packages_.end(), is_it)) return;  // it is replaced by a newer one
    Package old;
    for (const Facts& facts : base_packages())
      if (facts.name == owner) old.facts = facts;
    if (replaces(package, old) || old.facts.source == package.facts.source) return;
    fail(
        "the package {} has /{}, which the base has of the package {}, and does not replace it; leave it out "
        "with "
        "{{ name: {}, except: [{}] }}",
        package.facts.name, path, owner, package.facts.name, path);
  }

  const std::vector<Facts>& base_packages() {
    if (!base_packages_) base_packages_ = installed_packages(base_, settings_.format);
    return *base_packages_;
  }

  std::string owner_in_base(const std::string& path) {
    if (settings_.format == Format::apk) {
      const std::string owner = apk_owner(base_, path);
      return owner.substr(0, owner.find(' '));
    }
    if (base_owners_.empty())
      for (const std::string directory : {"var/lib/dpkg/status.d", "var/lib/dpkg/info"})
        tree::for_each_below(base_, directory, [&](const std::string& file, const tree::Node& sums) {
          if (sums.type != tree::NodeType::file || !file.ends_with(".md5sums")) return;
          std::string name(tree::name_of(file));
          name = name.substr(0, name.rfind('.'));
          for (const std::string& line : base::split(tree::read_content(sums.content, max_list), '\n'))
            if (line.size() > 34)
              base_owners_[links_.resolve(tree::normalise(std::string_view(line).substr(34)))] =
                  name.substr(0, name.find(':'));
        });
    const auto it = base_owners_.find(path);
    return it == base_owners_.end() ? std::string() : it->second;
  }

  bool replaces(const Package& a, const Package& b) const {
    return does_replace(a.facts, b.facts, settings_.format);
  }

  bool is_kept(size_t number, const std::string& path) const {
    if (!filters_[number].takes(path)) return false;
    const auto owner = result_.owners.find(links_.resolve(path));
    return owner != result_.owners.end() && owner->second == number;
  }

  void put_databases() {
    if (settings_.format != Format::deb || settings_.full_database) return;
    for (size_t i = 0; i < packages_.size(); ++i)
      put_status_d(
          packages_[i], [&](const std::string& path) { return is_kept(i, path); }, trees_[i]);
  }

  static uint64_t size_of(const tree::FileTree& tree) {
    uint64_t size = 0;
    for (const auto& [path, node] : tree.nodes()) size += node.content.size;
    return size;
  }

  // By source package: those of 4 MiB and more alone, as long as there is room; all others together.
  void make_groups() {
    std::map<std::string, Group> sources;
    std::map<std::string, uint64_t> sizes;
    for (size_t i = 0; i < packages_.size(); ++i) {
      const std::string& source = packages_[i].facts.source;
      sources[source].packages.push_back(i);
      sizes[source] += size_of(trees_[i]);
    }
    std::vector<std::string> large;
    for (const auto& [source, size] : sizes)
      if (size >= own_layer) large.push_back(source);
    std::stable_sort(large.begin(), large.end(),
                     [&](const std::string& a, const std::string& b) { return sizes[a] > sizes[b]; });
    if (large.size() > max_own_layers) large.resize(max_own_layers);
    std::sort(large.begin(), large.end());
    Group rest;
    for (auto& [source, group] : sources) {
      if (std::binary_search(large.begin(), large.end(), source))
        result_.groups.push_back(std::move(group));
      else
        rest.packages.insert(rest.packages.end(), group.packages.begin(), group.packages.end());
    }
    if (!rest.packages.empty()) result_.groups.push_back(std::move(rest));
    for (Group& group : result_.groups) fill(group);
  }

  void fill(Group& group) {
    std::sort(group.packages.begin(), group.packages.end());
    std::vector<std::string> names;
    for (const size_t number : group.packages) {
      names.push_back(packages_[number].facts.name + " " + packages_[number].facts.version);
      for (auto& [path, node] : trees_[number].nodes()) {
        const tree::Node* there = group.tree.find(path);
        if (there != nullptr && there->type == node.type && node.type == tree::NodeType::directory) continue;
        group.tree.put(path, node, 0);
      }
    }
    group.label = names.size() > 6
                      ? fmt::format("{} and {} more", base::join({names.begin(), names.begin() + 5}, ", "),
                                    names.size() - 5)
                      : base::join(names, ", ");
  }

  void make_last_group() {
    tree::FileTree whole = base_;
    for (const std::string& path : result_.removed) whole.remove(path);
    for (const Group& group : result_.groups)
      for (const auto& [path, node] : group.tree.nodes()) whole.put(path, node, 0);
    Group last;
    last.label = "what maintainer scripts would have made";
    for (const std::string& name : merged_) last.tree.put(name, *links_.find(name), 0);
    link_from_unmerged(whole, last.tree);
    for (const auto& [path, node] : last.tree.nodes()) whole.put(path, node, 0);
    apply_effects(whole, packages_, settings_, last.tree, result_.warnings);
    const IsKept kept = [&](size_t number, const std::string& path) { return is_kept(number, path); };
    if (settings_.format == Format::apk)
      put_apk_database(packages_, kept, settings_, whole, last.tree);
    else if (settings_.full_database)
      put_dpkg_database(packages_, kept, settings_.state, whole, last.tree);
    if (!last.tree.empty()) result_.groups.push_back(std::move(last));
  }

  // What an older version of a package in the base had and the newer one has not.
  void note_removed() {
    for (const Facts& old : base_packages()) {
      const auto is_it = [&](const Package& package) { return package.facts.name == old.name; };
      if (std::none_of(packages_.begin(), packages_.end(), is_it)) continue;
      for (const std::string& path : files_in_base(old.name))
        if (base_.find(path) != nullptr && !result_.owners.contains(path)) result_.removed.push_back(path);
    }
  }

  std::vector<std::string> files_in_base(const std::string& name) {
    std::vector<std::string> paths;
    if (settings_.format == Format::apk) return apk_files(base_, name);
    owner_in_base("");  // reads the lists
    for (const auto& [path, owner] : base_owners_)
      if (owner == name) paths.push_back(path);
    return paths;
  }

  const tree::FileTree& base_;
  const std::vector<Package>& packages_;
  const Settings& settings_;
  tree::FileTree links_;
  std::vector<tree::FileTree> trees_;
  std::vector<Filter> filters_;
  std::vector<std::string> merged_;
  std::map<std::string, size_t> directories_;  // and the first package that has each
  std::optional<std::vector<Facts>> base_packages_;
  std::map<std::string, std::string> base_owners_;  // deb
  uint64_t last_group_ = uint64_t{1} << 32;         // apart from the base's own
  Installation result_;
};

}  // namespace

bool is_chosen(const std::vector<Choice>& choices, const std::string& package, const std::string& path) {
  return Filter(choices, package).takes(path);
}

Installation install(const tree::FileTree& base, const std::vector<Package>& packages,
                     const Settings& settings) {
  return Installing(base, packages, settings).run();
}

std::vector<size_t> dependency_order(const std::vector<Package>& packages, Format format) {
  const auto relation = [&](const std::string& text) {
    return format == Format::apk ? apk_relation(text) : deb_relation(text);
  };
  std::map<std::string, std::vector<size_t>> providers;
  for (size_t i = 0; i < packages.size(); ++i) {
    providers[packages[i].facts.name].push_back(i);
    for (const std::string& text : packages[i].facts.provides) providers[relation(text).name].push_back(i);
  }
  std::vector<size_t> order;
  std::vector<bool> met(packages.size());
  const auto visit = [&](const auto& self, size_t number) -> void {
    if (met[number]) return;
    met[number] = true;
    for (const std::string& text : packages[number].facts.depends)
      for (const std::string& alternative : base::split(text, format == Format::apk ? '\0' : '|'))
        if (const auto it = providers.find(relation(alternative).name); it != providers.end())
          for (const size_t other : it->second) self(self, other);
    order.push_back(number);
  };
  for (size_t i = 0; i < packages.size(); ++i) visit(visit, i);
  return order;
}

}  // namespace minibuild::packages
