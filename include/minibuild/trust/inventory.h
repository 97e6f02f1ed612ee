// What an image consists of according to its own databases: the operating system and its packages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/packages/facts.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::trust {

/// The fields of os-release(5) that are needed here.
struct OperatingSystem {
  std::string id;          // `debian`, `alpine`; empty if the image has no os-release
  std::string version_id;  // `12`, `3.20.3`
  std::string codename;    // `bookworm`; may be empty
  std::string name;        // PRETTY_NAME
  bool operator==(const OperatingSystem&) const = default;
};

/// An installed package. In Debian, source and binary versions differ after a rebuild (`+b1`).
struct InstalledPackage {
  packages::Format format = packages::Format::deb;
  std::string name;
  std::string version;
  std::string architecture;
  std::string source;          // source package (deb) or origin (apk); never empty
  std::string source_version;  // never empty
  bool operator==(const InstalledPackage&) const = default;
};

struct Inventory {
  OperatingSystem os;
  std::vector<InstalledPackage> packages;  // by format, name, version; unique
};

/// Reads etc/os-release (or usr/lib/os-release), var/lib/dpkg/status, status.d and lib/apk/db/installed.
/// Anything that cannot be parsed is left out: an image from another builder may contain anything.
Inventory inventory(const tree::FileTree& tree);
OperatingSystem parse_os_release(std::string_view text);

/// The package URL (purl-spec): `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc`.
/// `upstream` names the source package if it differs from the package, with `%40VERSION` if the version
/// differs.
std::string package_url(const InstalledPackage& package, const OperatingSystem& os);

/// A component of a package URL, percent-encoded.
std::string escape_for_url(std::string_view text);

}  // namespace minibuild::trust
