// What an image is made of, as its own databases say: the operating system and its packages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/packages/facts.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::trust {

/// os-release(5), as far as it matters here.
struct OperatingSystem {
  std::string id;          // `debian`, `alpine`; empty if the image has no os-release
  std::string version_id;  // `12`, `3.20.3`
  std::string codename;    // `bookworm`; may be empty
  std::string name;        // PRETTY_NAME
  bool operator==(const OperatingSystem&) const = default;
};

/// An installed package. Versions of Debian's source packages differ from binary ones after a rebuild
/// (`+b1`).
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
  std::vector<InstalledPackage> packages;  // by format, name, version; each once
};

/// Reads etc/os-release (or usr/lib/os-release), var/lib/dpkg/status, status.d and lib/apk/db/installed. What
/// cannot be read there is left out: an image of another builder may hold anything.
Inventory inventory(const tree::FileTree& tree);
OperatingSystem parse_os_release(std::string_view text);

/// The package URL (purl-spec): `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc`.
/// `upstream` names the source package where it is not the package itself, with `%40VERSION` if that differs.
std::string package_url(const InstalledPackage& package, const OperatingSystem& os);

/// A part of a package URL, percent-encoded.
std::string escape_for_url(std::string_view text);

}  // namespace minibuild::trust
