#include "builder/cli/special_files.h"

#include "minibuild/base/error.h"

namespace minibuild::cli {

bool preserve_special = false;

const tree::FileTree* tree_for(const oci::ImageLocation& destination, const tree::FileTree* tree,
                               std::optional<store::PlainTree>& place,
                               const std::function<void(const std::string& text)>& warn) {
  if (tree == nullptr || destination.transport != oci::Transport::directory || preserve_special) return tree;
  place = store::without_special_files(*tree);
  if (!place->left_out.empty())
    warn(fmt::format(
        "{} is without what would act on this machine: {}; --preserve-special makes it, and tar: holds it",
        oci::to_string(destination), place->left_out));
  return &place->tree;
}

}  // namespace minibuild::cli
