// Waiting for another process: the wait is reported, and abandoned if the user asks to stop.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace minibuild::base {

/// What every wait checks and reports to. A program sets it once, before it starts threads.
struct Waits {
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(const std::string& text)> told;
};
void set_waits(Waits waits);

/// One wait, in pauses that grow to 50 ms. If it takes long, what it waits for is reported.
class Wait {
 public:
  /// `text` says what it waits for: `waiting for the lock on …`.
  explicit Wait(std::string text) : text_(std::move(text)) {}
  /// Throws Interrupted if the user has asked to stop.
  void pause();
  /// How long the wait has lasted so far.
  int milliseconds() const { return waited_; }

 private:
  std::string text_;
  int step_ = 1;
  int waited_ = 0;
  bool told_ = false;
};

}  // namespace minibuild::base
