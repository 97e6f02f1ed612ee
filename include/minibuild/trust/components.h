// What an image contains: packages with their licenses, and files that belong to no package, with their build
// information.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/digest.h"
#include "minibuild/trust/inventory.h"

namespace minibuild::trust {

/// An SPDX license expression (SPDX 2.3, annex D) without a top-level AND.
struct License {
  std::string expression;                    // `MIT`, `(MIT OR Apache-2.0)`, `LicenseRef-public-domain`
  std::map<std::string, std::string> names;  // the original names of its LicenseRefs
  bool operator==(const License&) const = default;
};

/// A package listed in a database of the image.
struct PackageComponent {
  InstalledPackage package;
  std::string url;                // package URL
  std::vector<License> licenses;  // all of them apply; empty if none is known
  std::string license_comment;    // where they come from, or why none is known
  std::string maintainer;         // `NAME <EMAIL>`
  std::string homepage;           // http or https, else empty
  std::string summary;            // one line
  std::string download;           // URL of the package file; empty if unknown
  std::optional<oci::Digest> download_digest;
};

/// A module that a compiled program was built from.
struct Module {
  std::string name;
  std::string version;
  std::string sum;  // Go: `h1:…` of go.sum; may be empty
  std::string url;  // package URL
  auto operator<=>(const Module&) const = default;
};

/// The build information that the Go linker or cargo-auditable embedded in a program.
struct ProgramBuild {
  enum class Language { go, rust };
  Language language = Language::go;
  std::string toolchain;        // Go: `go1.22.1`
  std::optional<Module> main;   // the program's own module or crate
  std::vector<Module> modules;  // sorted, unique; for Go includes `stdlib`
  bool operator==(const ProgramBuild&) const = default;
};

/// The distribution package that an ELF file was built for, according to its note (systemd's ELF package
/// metadata).
struct PackageNote {
  std::string type;  // `deb`, `rpm`, `apk`
  std::string os;
  std::string os_version;
  std::string name;
  std::string version;
  std::string architecture;
  std::string url;  // package URL
  bool operator==(const PackageNote&) const = default;
};

/// A regular file that is in no package's file list.
struct CopiedFile {
  std::string path;  // without leading `/`
  uint64_t size = 0;
  std::string sha1;      // hexadecimal
  std::string sha256;    // hexadecimal
  bool elf = false;      // a program or library
  std::string build_id;  // hexadecimal; empty if it has none
  std::optional<PackageNote> note;
  std::optional<ProgramBuild> build;
};

struct Components {
  OperatingSystem os;
  std::vector<PackageComponent> packages;  // in inventory order
  std::vector<CopiedFile> files;           // by path
};

/// Reads package databases, copyright files (64 KiB each) and every file that belongs to no package. Anything
/// there that cannot be understood is left out. The databases themselves are not listed as files. Throws
/// Error if a file of the tree cannot be read.
Components components_of(const tree::FileTree& tree);

/// A package file that was fetched.
struct PackageFile {
  std::string name;
  std::string version;
  std::string architecture;
  std::string url;
  oci::Digest digest;
};
/// Adds to the components where their packages came from: a lock file knows this, an image does not.
void add_package_files(Components& components, const std::vector<PackageFile>& files);

}  // namespace minibuild::trust
