// A control group of a stage's own (cgroup v2), where the caller may make one: the kernel keeps the limits of
// memory and processes there at every moment, not a few times a second.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

class ControlGroup {
 public:
  /// A new group beside or below the caller's own, with `memory.max` and `pids.max`. Null where there is no
  /// cgroup v2, where none of both controllers is handed down, or where the group is not delegated: owned by
  /// another user, or, for root, without the mark that systemd gives what it delegates.
  static std::unique_ptr<ControlGroup> make(const Limits& limits);
  /// Ends what is left in it, and removes it.
  ~ControlGroup();
  ControlGroup(const ControlGroup&) = delete;
  ControlGroup& operator=(const ControlGroup&) = delete;
  ControlGroup(ControlGroup&&) = delete;
  ControlGroup& operator=(ControlGroup&&) = delete;

  /// Moves a process into it; its children are born there. False if that is not allowed.
  bool add(pid_t process);
  /// The key of the limit that the kernel enforced: `memory` if it killed for it, `processes` if it refused
  /// one; else empty.
  std::string met() const;

 private:
  explicit ControlGroup(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
};

}  // namespace minibuild::sandbox
