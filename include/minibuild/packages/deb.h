// Debian's formats: signed suite indexes, and packages (deb(5)).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/sha256.h"
#include "minibuild/base/stream.h"
#include "minibuild/packages/package_file.h"

namespace minibuild::packages {

/// Returns the signed text of a clear-signed document (RFC 4880, 7) such as an InRelease, and nothing outside
/// it. At least one signature must be good and made with a key from `keyrings` (their bytes, binary or
/// armored), and no signature by one of these keys may be bad. Throws Error `cannot read WHAT: cause` if the
/// document is not signed, if no key matches, or if a signature is wrong or expired. librnp is loaded on the
/// first call; if it is missing, throws Error naming its package.
std::string verify_clearsigned(std::string_view document, const std::vector<std::string>& keyrings,
                               const std::string& what);

/// A file listed in a Release.
struct ReleaseFile {
  uint64_t size = 0;  // in bytes
  base::Hash sha256{};
};

struct Release {
  std::string suite;
  std::string codename;
  std::optional<int64_t> date;         // seconds since 1970
  std::optional<int64_t> valid_until;  // seconds since 1970
  bool by_hash = false;                // Acquire-By-Hash
  std::vector<std::string> components;
  std::map<std::string, ReleaseFile> files;  // by path relative to the suite's directory
};
/// Throws Error `cannot read WHAT: cause` if the Release has no SHA256 or a malformed line.
Release parse_release(std::string_view text, const std::string& what);

/// Reads the package file at `path`: returns its control members and writes data.tar to `data` as plain tar.
/// Understands gz, xz, zst, bz2, lzma and uncompressed members. Throws Error `cannot read WHAT: cause`.
/// Limits: 16 MiB of control, 16 GiB of data.
PackageFile read_deb(const std::string& path, base::Sink& data, const std::string& what);

}  // namespace minibuild::packages
