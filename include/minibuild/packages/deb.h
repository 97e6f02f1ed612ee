// Debian's formats: signed indexes of suites, and packages (deb(5)).
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

/// The text that is signed in a clear-signed document (RFC 4880, 7) such as an InRelease; nothing outside it.
/// At least one signature is good and made with a key of `keyrings` (their bytes, binary or armored), and
/// none with one of these keys is bad. Throws Error `cannot read WHAT: cause`: not signed, no key for it, a
/// wrong signature, an expired one. librnp is loaded when this is first called; throws Error naming its
/// package.
std::string verify_clearsigned(std::string_view document, const std::vector<std::string>& keyrings,
                               const std::string& what);

/// A file that a Release names.
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
  std::map<std::string, ReleaseFile> files;  // by path below the suite's directory
};
/// Throws Error `cannot read WHAT: cause` for a Release without SHA256 or with a malformed line.
Release parse_release(std::string_view text, const std::string& what);

/// Reads the package in the file `path`: gives its control members, writes data.tar as plain tar to `data`.
/// Understands gz, xz, zst, bz2, lzma and plain members. Throws Error `cannot read WHAT: cause`. Limits: 16
/// MiB of control, 16 GiB of data.
PackageFile read_deb(const std::string& path, base::Sink& data, const std::string& what);

}  // namespace minibuild::packages
