// Whether a transfer that is cut off and taken up again gets on.
#pragma once

#include <cstdint>

namespace minibuild::registry {

/// Where a transfer stands. Only what goes beyond the best so far is progress: a server that always begins
/// anew, and is always cut off, brings none.
class Progress {
 public:
  /// Whether an attempt that moved so many bytes brought the transfer on to `now`.
  bool reached(uint64_t now, uint64_t moved) {
    const uint64_t gained = now > best_ ? now - best_ : 0;
    if (gained < enough || gained < moved / most_in_vain) return false;
    best_ = now;
    return true;
  }

 private:
  // Of what goes over the wire this part at least has to bring a transfer on, so that one which is cut off
  // again and again costs a multiple of its size, and not its square.
  static constexpr uint64_t most_in_vain = 16;
  static constexpr uint64_t enough = uint64_t{256} << 10;

  uint64_t best_ = 0;
};

}  // namespace minibuild::registry
