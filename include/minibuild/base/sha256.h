// SHA-256 (FIPS 180-4) with states that can be saved and taken up again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minibuild::base {

/// The 32 bytes of a SHA-256.
using Hash = std::array<uint8_t, 32>;

/// A running SHA-256. It is a value: a copy goes on by itself.
class Sha256 {
 public:
  Sha256();
  Sha256& update(std::string_view bytes);
  /// The hash of what was given so far; the object can go on afterwards.
  Hash finish() const;
  /// The number of bytes given so far.
  uint64_t size() const;

  /// The state as bytes: chaining value, length, and the incomplete block.
  std::string save() const;
  /// The hash whose `save()` gave `state`; nothing if it is not such a state.
  static std::optional<Sha256> restore(std::string_view state);

 private:
  struct alignas(8) State {
    std::array<uint32_t, 8> h;
    uint32_t low, high;
    std::array<uint32_t, 16> data;
    uint32_t num, length;
  };
  State state_;
};

Hash sha256(std::string_view bytes);

/// Lower-case hexadecimal, two characters a byte.
std::string to_hex(std::string_view bytes);
std::string to_hex(const Hash& hash);
/// The hash written as 64 lower-case hexadecimal digits; nothing if `text` is anything else.
std::optional<Hash> hash_from_hex(std::string_view text);
/// The bytes of a hash as characters.
std::string_view as_bytes(const Hash& hash);

}  // namespace minibuild::base
