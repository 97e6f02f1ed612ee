// The lock file: what the names of a spec's outside inputs stood for when it was made.
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

/// What a tag of a registry named.
struct LockedImage {
  std::string name;  // `HOST/REPOSITORY:TAG` as the spec has it
  oci::Digest digest;
  std::string media_type;
  uint64_t size = 0;  // of the manifest or index, in bytes
  bool operator==(const LockedImage&) const = default;
};

/// What a URL gave.
struct LockedDownload {
  std::string url;  // as the spec has it, whatever mirror was used
  oci::Digest digest;
  uint64_t size = 0;  // in bytes
  bool operator==(const LockedDownload&) const = default;
};

struct Lock {
  std::vector<LockedImage> images;        // by name
  std::vector<LockedDownload> downloads;  // by URL
  std::vector<LockedPackages> packages;   // by spec, stage, platform
  std::string compressor;                 // library, version, parameters: they decide the bytes of layers
  bool operator==(const Lock&) const = default;
};

/// What an entry is found by.
inline const std::string& name_of(const LockedImage& image) { return image.name; }
inline const std::string& name_of(const LockedDownload& download) { return download.url; }

/// `SPEC` with `.lock.json` in the place of `.yaml`.
std::string lock_path(const std::string& spec_path);
/// Throws Error `cannot read WHAT:LINE: cause`, without the line where no part is to blame. Duplicate names
/// and unknown fields are refused: a lock is written by minibuild alone.
Lock parse_lock(std::string_view text, const std::string& what);
/// Indented JSON in a fixed order, one fact a line, for review in a diff.
std::string to_json(const Lock& lock);
/// `:LINE` of the first text `value` in the text of a lock file, for messages; empty if it is not there.
std::string line_of(const std::string& text, const std::string& value);
/// The JSON Schema of lock files.
std::string lock_schema();

/// What is written when the file was changed by others since `before` was read: their entries and `lock`'s,
/// in the usual order. Where both changed one entry, `lock` has the last word.
Lock merge(const Lock& before, const Lock& lock, const Lock& others);
/// Writes the lock file at `path`, with what others wrote since `before` was read; one process at a time.
/// Throws Error `cannot write PATH: cause`.
void write_lock(const std::string& path, const Lock& before, const Lock& lock);

/// What the names of images and URLs stand for.
std::map<std::string, oci::Digest> pins_of(const Lock& lock);

}  // namespace minibuild::project
