#include "minibuild/base/wait.h"

#include <unistd.h>

#include <algorithm>

#include "minibuild/base/error.h"

namespace minibuild::base {

namespace {

constexpr int longest_step = 50;
constexpr int told_after = 500;

Waits& waits() {
  static Waits one;
  return one;
}

}  // namespace

void set_waits(Waits new_waits) { waits() = std::move(new_waits); }

void Wait::pause() {
  const auto is_cancelled = [] { return waits().cancelled != nullptr && *waits().cancelled; };
  if (is_cancelled()) throw Interrupted();
  ::usleep(static_cast<useconds_t>(step_) * 1000);
  waited_ += step_;
  step_ = std::min(2 * step_, longest_step);
  if (is_cancelled()) throw Interrupted();
  if (told_ || waited_ < told_after) return;
  told_ = true;
  if (waits().told) waits().told(text_);
}

}  // namespace minibuild::base
