// Runs tasks on several threads.
#pragma once

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace minibuild::build {

// Runs `task(i)` for all i below `count` on a few threads. When all have ended, throws the exception of the
// smallest failed i: those before it have run.
template <typename Task>
void for_each_in_parallel(size_t count, int threads, Task task) {
  std::mutex mutex;
  size_t next = 0;
  std::exception_ptr error;
  size_t failed = count;
  const auto work = [&] {
    while (true) {
      size_t mine = 0;
      {
        const std::lock_guard lock(mutex);
        if (error || next >= count) return;
        mine = next++;
      }
      try {
        task(mine);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (mine < failed) {
          failed = mine;
          error = std::current_exception();
        }
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (size_t i = 1; i < std::min(count, static_cast<size_t>(std::max(1, threads))); ++i)
      workers.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace minibuild::build
