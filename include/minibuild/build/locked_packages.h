// The packages of an image or a stage as a lock file has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/oci/digest.h"

namespace minibuild::build {

struct LockedPackage {
  std::string name;
  std::string version;
  std::string architecture;  // in the format's own words
  std::string source;        // the source package (apk: origin)
  std::string url;           // canonical, whatever mirror serves it
  oci::Digest digest;        // of the file
  uint64_t size = 0;         // of the file, in bytes
  std::string why;           // `requested`, `needed by NAME`
  bool operator==(const LockedPackage&) const = default;
};

struct LockedPackages {
  std::string spec;      // empty: the one that is locked; else one that it stands on
  std::string stage;     // empty: the image
  std::string platform;  // `linux/amd64`
  /// What was asked for and where it was looked for, as text: when it changes, the packages are resolved
  /// again.
  std::vector<std::string> requests;
  std::vector<std::string> sources;
  std::vector<LockedPackage> packages;  // by name
  bool operator==(const LockedPackages&) const = default;
};

}  // namespace minibuild::build
