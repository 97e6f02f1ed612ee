// The source of a `copy`: the directory of the spec, a stage's result, an image.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "builder/build/scan.h"
#include "minibuild/sandbox/host_view.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// A tree that may be incomplete: requested paths that are still missing are read from the machine on demand.
class Root {
 public:
  Root() = default;
  /// A complete tree; with `host`, it is backed by the parts of the machine that a stage on `base: host`
  /// sees, as its commands see them.
  explicit Root(tree::FileTree tree, std::shared_ptr<sandbox::HostView> host = nullptr)
      : tree_(std::move(tree)), host_(std::move(host)) {}

  const tree::FileTree& tree() const { return tree_; }
  /// The node at exactly `path`; null if there is none. Nodes for which `is_unreadable` is true have no
  /// readable content.
  const tree::Node* find(const std::string& path);
  /// Returns true if the stage's user may not read the file, or look into the directory, that was found at
  /// `path`.
  bool is_unreadable(const std::string& path) const { return unreadable_.contains(path); }
  /// Like `find`, but null for what the stage's user may not read.
  const tree::Node* find_readable(const std::string& path);
  /// `path` with all symbolic links followed, inside the root.
  std::string resolve(const std::string& path, bool follow_last);
  /// Loads everything below the directory `path` into the tree.
  void load_below(const std::string& path);

 private:
  void load(const std::string& path);
  void add(const std::string& path, const sandbox::HostView::Seen& seen);
  bool is_directory(const std::string& path);
  tree::FileTree tree_;
  std::shared_ptr<sandbox::HostView> host_;
  std::set<std::string> asked_;
  std::set<std::string> unreadable_;
  LinkGroups links_;
};

}  // namespace minibuild::build
