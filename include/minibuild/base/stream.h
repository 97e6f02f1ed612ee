// Sources and sinks of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace minibuild::base {

/// A sequence of bytes that is read once, from front to back.
class Source {
 public:
  virtual ~Source() = default;
  /// Reads at most `buffer.size()` bytes; returns 0 at the end. Throws Error if reading fails.
  virtual size_t read(std::span<char> buffer) = 0;
  /// Skips at most `count` bytes. Returns the number skipped, which is less than `count` only at the end.
  virtual uint64_t skip(uint64_t count);
};

/// Accepts bytes in order.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Writes all of `bytes`. Throws Error if writing fails.
  virtual void write(std::string_view bytes) = 0;
};

/// Reads from bytes in memory, which must outlive it.
class MemorySource : public Source {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}
  size_t read(std::span<char> buffer) override;

 private:
  std::string_view rest_;
};

/// A stream whose first bytes have already been read: returns those, then the rest.
class FrontSource : public Source {
 public:
  FrontSource(Source& rest, std::string front) : rest_(rest), front_(std::move(front)) {}
  size_t read(std::span<char> buffer) override;

 private:
  Source& rest_;
  std::string front_;
  size_t at_ = 0;
};

/// Fills `buffer` as far as the source goes. Returns the number of bytes read.
size_t read_full(Source& source, std::span<char> buffer);

/// Reads to the end. Throws Error naming `what` if there are more than `limit` bytes.
std::string read_all(Source& source, size_t limit, std::string_view what);

/// Copies everything from `source` to `sink`. Returns the number of bytes.
size_t copy(Source& source, Sink& sink);

}  // namespace minibuild::base
