// Converts archives as they are published (tar with any compressor, zip) to plain tar.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "minibuild/base/stream.h"

namespace minibuild::archive {

/// Limits on what an archive expands to. Exceeding one is an Error that names it.
struct UnpackLimits {
  uint64_t entries = 2'000'000;
  uint64_t size = uint64_t{16} << 30;  // bytes of all files together
};

/// Writes the entries of the archive file `path` as an uncompressed tar, with modes, links and times but
/// without owners. Understands tar (gzip, bzip2, xz, lzma, zstd or plain) and zip. A file that is not an
/// archive, is damaged or truncated, or holds anything other than files, directories and links is an Error
/// naming `what`. libarchive is loaded on the first call; throws Error naming its package if it is not
/// installed.
void unpack(const std::string& path, base::Sink& sink, const std::string& what, UnpackLimits limits = {});

/// Decompresses one compressor's format, recognised by its first bytes: gzip, zstd, xz, lzma, bzip2; other
/// bytes pass through unchanged. What follows the compressed stream is read too. Errors are `cannot read
/// WHAT: cause`. As with `unpack`, libarchive is loaded on first use, here for xz, lzma or bzip2.
std::unique_ptr<base::Source> decompress_any(base::Source& source, std::string what);

}  // namespace minibuild::archive
