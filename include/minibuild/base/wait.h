// Waiting for what another process does: it is said, and given up when the user asks for it.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace minibuild::base {

/// What every wait asks and tells. A program sets it once, before it starts threads.
struct Waits {
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(const std::string& text)> told;
};
void set_waits(Waits waits);

/// One wait, in pauses that grow to 50 ms. What it waits for is told if it is not over soon.
class Wait {
 public:
  /// `text` says what for: `waiting for the lock on …`.
  explicit Wait(std::string text) : text_(std::move(text)) {}
  /// Throws Interrupted when the user has asked for the end.
  void pause();
  /// How long it was until now.
  int milliseconds() const { return waited_; }

 private:
  std::string text_;
  int step_ = 1;
  int waited_ = 0;
  bool told_ = false;
};

}  // namespace minibuild::base
