// Archives as people publish them (tar with any compressor, zip) as plain tar.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "minibuild/base/stream.h"

namespace minibuild::archive {

/// Limits for what an archive becomes. Reaching one is an Error that names it.
struct UnpackLimits {
  uint64_t entries = 2'000'000;
  uint64_t size = uint64_t{16} << 30;  // bytes of all files together
};

/// Writes the entries of the archive in the file `path` as an uncompressed tar, with modes, links and times
/// but without owners. Understands tar (gzip, bzip2, xz, lzma, zstd or plain) and zip. What is no archive, is
/// damaged or truncated, or holds something else than files, directories and links is an Error naming `what`.
/// libarchive is loaded when this is first called; throws Error naming its package if it is not there.
void unpack(const std::string& path, base::Sink& sink, const std::string& what, UnpackLimits limits = {});

/// Undoes one compressor, told by its first bytes: gzip, zstd, xz, lzma, bzip2; other bytes pass as they are.
/// What follows the compressed stream is read too. Errors are `cannot read WHAT: cause`; as for `unpack`,
/// libarchive is loaded when xz, lzma or bzip2 first comes.
std::unique_ptr<base::Source> decompress_any(base::Source& source, std::string what);

}  // namespace minibuild::archive
