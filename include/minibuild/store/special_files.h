// Content of a file tree that would affect the machine on which the tree is written out as a directory.
#pragma once

#include <string>

#include "minibuild/tree/file_tree.h"

namespace minibuild::store {

struct PlainTree {
  tree::FileTree tree;
  std::string left_out;  // such as `the device /dev/sda, setuid of /bin/su and 3 more`; empty if nothing was
  std::string attributes;  // `security.selinux of /bin/su`, likewise
};

/// The tree without devices, setuid and setgid bits of files, and file capabilities, unless
/// `preserve_special` is set. In any case it is without extended attributes that affect what this machine
/// permits (SELinux labels, access control lists, `trusted.`), and without those by which minibuild marks its
/// own directories. Others (`user.`) are kept.
PlainTree plain_tree(const tree::FileTree& tree, bool preserve_special);

}  // namespace minibuild::store
