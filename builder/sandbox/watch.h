// What a stage takes of the machine while its commands run.
#pragma once

#include <cstdint>
#include <string>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

/// Used by the first process of the sandbox, which sees all processes and the root.
class Watch {
 public:
  /// `root`: descriptor of the stage's file system, without what is mounted in it.
  Watch(const Limits& limits, int root);
  /// The key of the limit that is passed, or empty. Costs time with the number of processes.
  std::string passed();
  /// True if there were about as many processes as may be.
  bool was_full() const { return was_full_; }

 private:
  bool memory_and_processes(std::string& key);
  bool disk();

  Limits limits_;
  int root_;
  double began_ = 0;
  bool was_full_ = false;
  uint64_t free_at_first_ = 0;
  uint64_t free_then_ = 0;  // bytes of the file system when it was last walked
  uint64_t used_then_ = 0;  // by the stage
  double next_walk_ = 0;
};

}  // namespace minibuild::sandbox
