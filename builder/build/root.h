// What a `copy` takes from: the directory of the spec, a stage's result, an image.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "builder/build/scan.h"
#include "minibuild/sandbox/host_view.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// A tree that may be incomplete: what `below` the paths asked for is still to be read from the machine, is
/// read then.
class Root {
 public:
  Root() = default;
  /// A finished tree; with `host`, the parts of the machine that a stage on `base: host` sees are behind it,
  /// as its commands see them.
  explicit Root(tree::FileTree tree, std::shared_ptr<sandbox::HostView> host = nullptr)
      : tree_(std::move(tree)), host_(std::move(host)) {}

  const tree::FileTree& tree() const { return tree_; }
  /// The node at exactly `path`; null if there is none. What `is_unreadable` has no content that could be
  /// read.
  const tree::Node* find(const std::string& path);
  /// True if the stage's user may not read the file, or not look into the directory, that was found at
  /// `path`.
  bool is_unreadable(const std::string& path) const { return unreadable_.contains(path); }
  /// As `find`, but null for what the stage's user may not read.
  const tree::Node* find_readable(const std::string& path);
  /// `path` with all symbolic links followed, inside the root.
  std::string resolve(const std::string& path, bool follow_last);
  /// Makes everything below the directory `path` part of the tree.
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
