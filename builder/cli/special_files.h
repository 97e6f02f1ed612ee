// `--preserve-special`: whether dir: makes what would act on this machine.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "minibuild/oci/reference.h"
#include "minibuild/store/special_files.h"

namespace minibuild::cli {

/// Set by the option.
extern bool preserve_special;

/// What to write to `destination`: the tree itself, or for dir: one that `place` then holds, without special
/// files unless the option is given, and without foreign extended attributes; `warn` is told what is left
/// out. Null stays null.
const tree::FileTree* tree_for(const oci::ImageLocation& destination, const tree::FileTree* tree,
                               std::optional<store::PlainTree>& place,
                               const std::function<void(const std::string& text)>& warn);

}  // namespace minibuild::cli
