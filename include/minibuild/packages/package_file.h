// What a package file contains besides the files that it installs.
#pragma once

#include <map>
#include <string>

namespace minibuild::packages {

enum class Format { deb, apk };

struct PackageFile {
  /// The members of its control archive, by name without `./`: `control`, `md5sums`, `postinst`; `.PKGINFO`,
  /// `.post-install`.
  std::map<std::string, std::string> control;
  /// apk: `Q1` and the base64 of the SHA-1 of the compressed control stream, as in an index under `C:`.
  std::string checksum;
  /// apk: a line `Q1CHECKSUM PATH` for each file and symbolic link, in archive order.
  std::string file_checksums;
};

}  // namespace minibuild::packages
