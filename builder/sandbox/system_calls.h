// Which system calls the commands of a stage may make.
#pragma once

#include <linux/filter.h>

#include <array>
#include <vector>

namespace minibuild::sandbox {

/// A filter in the spirit of Docker's default: what builds need is allowed, all else is refused, also what
/// later kernels bring. Made once, put on each command.
class SystemCallFilter {
 public:
  /// Throws Error if it cannot be made.
  SystemCallFilter();
  /// For this process and all that come from it, for good; they can gain no privileges by then. Throws Error
  /// with what the kernel lacks.
  void apply();

 private:
  std::array<std::vector<sock_filter>, 2> programs_;  // by name, by argument; the stricter answer counts
};

}  // namespace minibuild::sandbox
