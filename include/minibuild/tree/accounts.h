// `/etc/passwd` and `/etc/group` (passwd(5), group(5)) as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/tree/file_tree.h"

namespace minibuild::tree {

inline constexpr uint32_t max_id = 4294967294;  // 2^32-1 means "no change" to the kernel

struct User {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string gecos;
  std::string home = "/";
  std::string shell = "/sbin/nologin";
  bool operator==(const User&) const = default;
};
struct Group {
  std::string name;
  uint32_t gid = 0;
  std::vector<std::string> members;
  bool operator==(const Group&) const = default;
};
struct Accounts {
  std::vector<User> users;
  std::vector<Group> groups;
  bool operator==(const Accounts&) const = default;
};

/// Reads both files from the tree, following links inside the root, at most 1 MiB each. Missing files count
/// as empty; malformed lines are skipped.
Accounts read_accounts(const FileTree& tree);
/// root and nobody: the accounts that an image without these files starts with.
Accounts default_accounts();
std::string write_passwd(const std::vector<User>& users);
std::string write_group(const std::vector<Group>& groups);

struct Identity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  bool operator==(const Identity&) const = default;
};
/// Resolves `name`, `uid`, `name:group` or `uid:gid` to numbers. A name without a group gets its primary
/// group; a uid without a group gets the primary group of the user with that uid, else 0. Throws Error
/// `unknown user 'x'; the image has root, nobody`, and also for numbers above `max_id`.
Identity resolve_user(std::string_view user, const Accounts& accounts);

}  // namespace minibuild::tree
