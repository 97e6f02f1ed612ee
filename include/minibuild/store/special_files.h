// What a file tree holds that would act on the machine where it is made as a directory.
#pragma once

#include <string>

#include "minibuild/tree/file_tree.h"

namespace minibuild::store {

struct PlainTree {
  tree::FileTree tree;
  std::string left_out;  // such as `the device /dev/sda, setuid of /bin/su and 3 more`; empty if nothing was
  std::string attributes;  // `security.selinux of /bin/su`, likewise
};

/// The tree without devices, setuid and setgid of files, and file capabilities, unless `preserve_special`; in
/// any case without extended attributes that rule on this machine (labels of SELinux, access lists,
/// `trusted.`), and those that minibuild marks its own directories with. Others (`user.`) stay.
PlainTree plain_tree(const tree::FileTree& tree, bool preserve_special);

}  // namespace minibuild::store
