// SHA-512 (FIPS 180-4), for content that others identify by it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace minibuild::base {

/// A running SHA-512.
class Sha512 {
 public:
  Sha512();
  ~Sha512();
  Sha512(const Sha512&) = delete;
  Sha512& operator=(const Sha512&) = delete;
  Sha512(Sha512&&) noexcept;
  Sha512& operator=(Sha512&&) noexcept;
  void update(std::string_view bytes);
  /// Returns the hash of the bytes so far; the object can still be updated afterwards.
  std::array<uint8_t, 64> finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minibuild::base
