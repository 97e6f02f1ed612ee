// The one limit for what compressed input may become.
#pragma once

#include <cstdint>
#include <string_view>

namespace minibuild::archive {

/// What compressed input may become, of every kind and wherever it comes from: `free_growth` bytes, or
/// `most_growth` times what was read. Programs and their data have ratios of 2 to 20,
/// text with much repetition up to 100. Only long runs of one byte reach more (gzip 1032, the others far
/// more): they are free to the first number, and as long as the rest of the stream carries them.
inline constexpr uint64_t free_growth = uint64_t{128} << 20;
inline constexpr uint64_t most_growth = 200;

/// Looks at the limit all along.
class Growth {
 public:
  /// After another `given` bytes came out; `taken` is all that went in so far. Throws Error `cannot read
  /// WHAT: cause`.
  void add(uint64_t taken, uint64_t given, std::string_view what);

 private:
  uint64_t given_ = 0;
};

}  // namespace minibuild::archive
