// What a `copy` takes from: the directory of the spec, a stage's result, an image.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::build {

/// A tree that may be incomplete: what `below` the paths asked for is still to be read from the machine, is
/// read then.
class Root {
 public:
  Root() = default;
  /// A finished tree; with `host`, the parts of the machine that a stage on `base: host` sees are behind it.
  explicit Root(tree::FileTree tree, bool host = false) : tree_(std::move(tree)), host_(host) {}

  const tree::FileTree& tree() const { return tree_; }
  /// The node at exactly `path`; null if there is none.
  const tree::Node* find(const std::string& path);
  /// `path` with all symbolic links followed, inside the root.
  std::string resolve(const std::string& path, bool follow_last);
  /// Makes everything below the directory `path` part of the tree.
  void load_below(const std::string& path);

 private:
  void load(const std::string& path);
  tree::FileTree tree_;
  bool host_ = false;
};

}  // namespace minibuild::build
