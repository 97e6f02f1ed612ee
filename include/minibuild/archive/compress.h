// Compression whose output depends only on the input: fixed parameters, statically linked compressors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/stream.h"

namespace minibuild::archive {

enum class Algorithm { zstd, gzip, none };

struct Compression {
  Algorithm algorithm = Algorithm::zstd;
  int level = 3;  // zstd: 1 to 19; gzip: 1 to 12
  bool operator==(const Compression&) const = default;
};

/// The media type of a layer compressed this way (image-spec layer.md).
std::string_view layer_media_type(Algorithm algorithm);
/// Names everything that determines the compressed bytes: algorithm, library version, every parameter,
/// grouping rule.
std::string fingerprint(const Compression& compression);

/// Compresses pieces independently of each other, so that their concatenation is a valid stream: zstd frames
/// (RFC 8878, 3.1) or gzip members (RFC 1952, 2.2). Use one object per thread.
class Compressor {
 public:
  explicit Compressor(const Compression& compression);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  Compressor(Compressor&&) = delete;
  Compressor& operator=(Compressor&&) = delete;
  /// The compressed form of `plain`. Equal input gives equal output, whatever was compressed before.
  std::string compress(std::string_view plain);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Decompresses zstd and gzip (several frames or members, skippable frames too), recognised by their first
/// bytes; other bytes pass through unchanged. Rejects zstd windows above 128 MiB, truncated streams, and more
/// output than `Growth` (growth.h) allows. Errors are `cannot read WHAT: cause`.
std::unique_ptr<base::Source> decompress(base::Source& source, std::string what);

/// Decompresses one zlib stream (RFC 1950). Throws Error `cannot read WHAT: cause` if it is damaged,
/// truncated, or holds more than `limit` bytes.
std::string unzlib(std::string_view bytes, size_t limit, std::string_view what);

}  // namespace minibuild::archive
