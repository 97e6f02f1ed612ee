// The one limit on how far compressed input may expand.
#pragma once

#include <cstdint>
#include <string_view>

namespace minibuild::archive {

/// How far compressed input of any kind and from any place may expand: to `free_growth` bytes, or to
/// `most_growth` times what was read. Programs and their data have ratios of 2 to 20, highly repetitive text
/// up to 100. Only long runs of one byte exceed that (gzip 1032, the others far more): they are allowed up to
/// the first number, and beyond it as long as the rest of the stream makes up for them.
inline constexpr uint64_t free_growth = uint64_t{128} << 20;
inline constexpr uint64_t most_growth = 200;

/// Enforces the limit throughout a stream.
class Growth {
 public:
  /// Call after another `given` bytes came out; `taken` is the total that has gone in so far. Throws Error
  /// `cannot read WHAT: cause`.
  void add(uint64_t taken, uint64_t given, std::string_view what);

 private:
  uint64_t given_ = 0;
};

}  // namespace minibuild::archive
