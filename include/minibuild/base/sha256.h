// SHA-256 (FIPS 180-4) with states that can be saved and restored.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minibuild::base {

/// The 32 bytes of a SHA-256 hash.
using Hash = std::array<uint8_t, 32>;

/// A running SHA-256. It has value semantics: a copy continues independently.
class Sha256 {
 public:
  Sha256();
  Sha256& update(std::string_view bytes);
  /// Returns the hash of the bytes so far; the object can still be updated afterwards.
  Hash finish() const;
  /// The number of bytes hashed so far.
  uint64_t size() const;

  /// The state as bytes: chaining value, length, and the incomplete block.
  std::string save() const;
  /// Restores the hash whose `save()` returned `state`. Returns std::nullopt if `state` is not such a state.
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

/// Lower-case hexadecimal, two characters per byte.
std::string to_hex(std::string_view bytes);
std::string to_hex(const Hash& hash);
/// Parses a hash of 64 lower-case hexadecimal digits. Returns std::nullopt if `text` is anything else.
std::optional<Hash> hash_from_hex(std::string_view text);
/// The bytes of a hash as characters.
std::string_view as_bytes(const Hash& hash);

}  // namespace minibuild::base
