// The mounts of a sandbox.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "builder/sandbox/orders.h"
#include "minibuild/base/file.h"

namespace minibuild::sandbox {

/// Enters a mount namespace of our own and puts the work directory's root and the caches below a tmpfs on
/// /tmp, where the sandbox's users can reach them whoever owns the directories above them.
void stage_directories(const Orders& orders);
/// The same in the new user namespace, when it was done before it: all mounts are private here too.
void make_mounts_private();

/// What the machine is called inside.
inline constexpr std::string_view host_name = "minibuild";
/// Where the staged things are.
inline constexpr const char* staged_root = "/tmp/root";
/// The root once more, without what is mounted in it.
inline constexpr const char* staged_clean = "/tmp/clean";

/// What was made in the root only to mount something on it.
class Stubs {
 public:
  /// Makes a directory or an empty file at a path of the root, with its parents; follows no links of the
  /// root.
  void directory(int root, const std::string& path, mode_t mode = 0755);
  void file(int root, const std::string& path);
  void link(int root, const std::string& path, const std::string& target);
  /// A file of the root's own, unless it has one there: commands may replace and write it, and it goes if
  /// they did not.
  void text(int root, const std::string& path, const std::string& text);
  /// Removes what it made; directories that hold something by now stay.
  void remove(int clean) const;

 private:
  void parents(int root, const std::string& path);
  std::vector<std::pair<std::string, bool>> made_;  // path, and whether it is a directory
  std::map<std::string, std::string> texts_;
};

/// Mounts everything that the commands see on the staged root, and makes it the root. `clean` stays open.
void mount_all(const Orders& orders, Stubs& stubs);
/// Makes a root that shows the machine's tools alone, as a stage on `base: host` has them, in a user
/// namespace of our own.
void mount_host_alone();
/// Takes all mounts but the root's away again, secrets and caches with them.
void unmount_all();

}  // namespace minibuild::sandbox
