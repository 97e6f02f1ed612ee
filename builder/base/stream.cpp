#include "minibuild/base/stream.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "minibuild/base/error.h"

namespace minibuild::base {

uint64_t Source::skip(uint64_t count) {
  std::vector<char> buffer(static_cast<size_t>(std::min<uint64_t>(count, uint64_t{64} << 10U)));
  uint64_t done = 0;
  while (done < count) {
    const size_t n =
        read({buffer.data(), static_cast<size_t>(std::min<uint64_t>(buffer.size(), count - done))});
    if (n == 0) break;
    done += n;
  }
  return done;
}

size_t MemorySource::read(std::span<char> buffer) {
  const size_t n = std::min(buffer.size(), rest_.size());
  if (n > 0) std::memcpy(buffer.data(), rest_.data(), n);
  rest_.remove_prefix(n);
  return n;
}

size_t FrontSource::read(std::span<char> buffer) {
  if (at_ == front_.size()) return rest_.read(buffer);
  const size_t n = front_.copy(buffer.data(), buffer.size(), at_);
  at_ += n;
  return n;
}

size_t read_full(Source& source, std::span<char> buffer) {
  size_t done = 0;
  while (done < buffer.size()) {
    const size_t n = source.read(buffer.subspan(done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

std::string read_all(Source& source, size_t limit, std::string_view what) {
  std::string bytes;
  std::vector<char> buffer(size_t{64} << 10);
  while (const size_t n = source.read(buffer)) {
    if (bytes.size() + n > limit) fail("cannot read {}: it is larger than {} bytes", what, limit);
    bytes.append(buffer.data(), n);
  }
  return bytes;
}

size_t copy(Source& source, Sink& sink) {
  std::vector<char> buffer(size_t{256} << 10);
  size_t total = 0;
  while (const size_t n = source.read(buffer)) {
    sink.write({buffer.data(), n});
    total += n;
  }
  return total;
}

}  // namespace minibuild::base
