// What a file tree holds that would act on the machine where it is made as a directory.
#pragma once

#include <string>

#include "minibuild/tree/file_tree.h"

namespace minibuild::store {

struct PlainTree {
  tree::FileTree tree;
  std::string left_out;  // such as `the device /dev/sda, setuid of /bin/su and 3 more`; empty if nothing was
};

/// The tree without devices, setuid and setgid of files, and file capabilities.
PlainTree without_special_files(const tree::FileTree& tree);

}  // namespace minibuild::store
