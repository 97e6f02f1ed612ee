// Alpine's format, version 2: an index or a package is a few gzip streams one after the other (apk-tools,
// doc/apk-v2.5.scd): signature, control, data; each a tar of which only the last has an end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/stream.h"
#include "minibuild/packages/package_file.h"

namespace minibuild::packages {

/// A public key, PEM, under the name that signatures call it: `alpine@example.com-1234.rsa.pub`.
struct ApkKey {
  std::string name;
  std::string pem;
};

/// The text `APKINDEX` of an `APKINDEX.tar.gz` whose signature (`.SIGN.RSA.`, `.SIGN.RSA256.`,
/// `.SIGN.RSA512.` KEYNAME) was made with one of `keys`: RSA PKCS #1 v1.5 over the bytes after the
/// signature's stream. Throws Error `cannot read WHAT: cause` for a missing, unknown or wrong signature, each
/// with its own cause, for what is malformed, and above 256 MiB of text.
std::string read_apk_index(std::string_view bytes, const std::vector<ApkKey>& keys, const std::string& what);

/// Reads the package in the file `path`: gives its control members, writes the data stream as plain tar to
/// `data`. The data stream's SHA-256 is the `datahash` of .PKGINFO; each file has the SHA-1 that its header
/// names; else Error `cannot read WHAT: cause`. The package's own signature is not looked at: the checksum
/// of the signed index vouches for it. Limits: 16 MiB of control, 16 GiB of data.
PackageFile read_apk(const std::string& path, base::Sink& data, const std::string& what);

/// The values of `key = value` lines of a .PKGINFO, in order (`depend`, `provides` … may stand several
/// times).
std::vector<std::string> pkginfo_values(std::string_view pkginfo, std::string_view key);

}  // namespace minibuild::packages
