// The lock file: what the names of a spec's outside inputs resolved to when it was made.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/digest.h"

namespace minibuild::project {

struct LockedPackage {
  std::string name;
  std::string version;
  std::string architecture;  // in the format's own terms
  std::string source;        // the source package (apk: origin)
  std::string url;           // canonical, whichever mirror serves it
  oci::Digest digest;        // of the file
  uint64_t size = 0;         // of the file, in bytes
  std::string why;           // `requested`, `needed by NAME`
  bool operator==(const LockedPackage&) const = default;
};

struct LockedPackages {
  std::string spec;      // empty: the locked spec itself; else one that it builds on
  std::string stage;     // empty: the image
  std::string platform;  // `linux/amd64`
  /// What was requested and where it was searched for, as text: when it changes, the packages are resolved
  /// again.
  std::vector<std::string> requests;
  std::vector<std::string> sources;
  std::vector<LockedPackage> packages;  // by name
  bool operator==(const LockedPackages&) const = default;
};

/// What a tag in a registry pointed to.
struct LockedImage {
  std::string name;  // `HOST/REPOSITORY:TAG` as in the spec
  oci::Digest digest;
  std::string media_type;
  uint64_t size = 0;  // of the manifest or index, in bytes
  bool operator==(const LockedImage&) const = default;
};

/// What a URL returned.
struct LockedDownload {
  std::string url;  // as in the spec, whichever mirror was used
  oci::Digest digest;
  uint64_t size = 0;  // in bytes
  bool operator==(const LockedDownload&) const = default;
};

struct Lock {
  std::vector<LockedImage> images;        // by name
  std::vector<LockedDownload> downloads;  // by URL
  std::vector<LockedPackages> packages;   // by spec, stage, platform
  std::string compressor;                 // library, version, parameters: they determine the bytes of layers
  bool operator==(const Lock&) const = default;
};

/// The key of an entry.
inline const std::string& name_of(const LockedImage& image) { return image.name; }
inline const std::string& name_of(const LockedDownload& download) { return download.url; }

/// `SPEC` with `.lock.json` instead of `.yaml`.
std::string lock_path(const std::string& spec_path);
/// Throws Error `cannot read WHAT:LINE: cause`, without the line if no particular part is at fault. Duplicate
/// names and unknown fields are refused: only minibuild writes lock files.
Lock parse_lock(std::string_view text, const std::string& what);
/// Indented JSON in a fixed order, one fact per line, for review in a diff.
std::string to_json(const Lock& lock);
/// `:LINE` of the first occurrence of the text `value` in a lock file's text, for messages; empty if there is
/// none.
std::string line_of(const std::string& text, const std::string& value);
/// The JSON Schema of lock files.
std::string lock_schema();

/// The lock to write if others changed the file after `before` was read: their entries and those of `lock`,
/// in the usual order. Where both changed an entry, `lock` wins.
Lock merge(const Lock& before, const Lock& lock, const Lock& others);
/// Writes the lock file at `path`, including what others wrote after `before` was read; one process at a
/// time. Throws Error `cannot write PATH: cause`.
void write_lock(const std::string& path, const Lock& before, const Lock& lock);

/// The digests to which the names of images and URLs are pinned.
std::map<std::string, oci::Digest> pins_of(const Lock& lock);

}  // namespace minibuild::project
