// Alpine's format, version 2: an index or a package is a concatenation of gzip streams (apk-tools,
// doc/apk-v2.5.scd): signature, control, data. Each is a tar; only the last has an end-of-archive marker.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/stream.h"
#include "minibuild/packages/package_file.h"

namespace minibuild::packages {

/// A public key (PEM) under the name by which signatures refer to it: `alpine@example.com-1234.rsa.pub`.
struct ApkKey {
  std::string name;
  std::string pem;
};

/// Returns the text of `APKINDEX` from an `APKINDEX.tar.gz` whose signature (`.SIGN.RSA.`, `.SIGN.RSA256.`,
/// `.SIGN.RSA512.` KEYNAME) was made with one of `keys`: RSA PKCS #1 v1.5 over the bytes after the signature
/// stream. Throws Error `cannot read WHAT: cause` if the signature is missing, unknown or wrong (each with
/// its own cause), if anything is malformed, or if the text exceeds 256 MiB.
std::string read_apk_index(std::string_view bytes, const std::vector<ApkKey>& keys, const std::string& what);

/// Reads the package file at `path`: returns its control members and writes the data stream to `data` as
/// plain tar. The data stream must have the SHA-256 that .PKGINFO gives as `datahash`, and each file the
/// SHA-1 that its header gives; otherwise throws Error `cannot read WHAT: cause`. The package's own signature
/// is not checked: the checksum in the signed index vouches for it. Limits: 16 MiB of control, 16 GiB of
/// data.
PackageFile read_apk(const std::string& path, base::Sink& data, const std::string& what);

/// Returns the values of all `key = value` lines with this key in a .PKGINFO, in order (`depend`, `provides`
/// … may occur several times).
std::vector<std::string> pkginfo_values(std::string_view pkginfo, std::string_view key);

}  // namespace minibuild::packages
