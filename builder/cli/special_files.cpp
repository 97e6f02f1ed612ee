#include "builder/cli/special_files.h"

#include "minibuild/base/error.h"

namespace minibuild::cli {

bool preserve_special = false;

const tree::FileTree* tree_for(const oci::ImageLocation& destination, const tree::FileTree* tree,
                               std::optional<store::PlainTree>& place,
                               const std::function<void(const std::string& text)>& warn) {
  if (tree == nullptr || destination.transport != oci::Transport::directory) return tree;
  place = store::plain_tree(*tree, preserve_special);
  const std::string name = oci::to_string(destination);
  if (!place->left_out.empty())
    warn(fmt::format(
        "{} is without what would act on this machine: {}; --preserve-special makes it, and tar: holds it",
        name, place->left_out));
  if (!place->attributes.empty())
    warn(fmt::format(
        "{} is without extended attributes by which this machine decides who may do what: {}; tar: "
        "holds them",
        name, place->attributes));
  return &place->tree;
}

}  // namespace minibuild::cli
