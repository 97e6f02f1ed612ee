// The lock file: what the names of a spec's outside inputs stood for when it was made.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/build/build.h"

namespace minibuild::build {

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

/// `SPEC` with `.lock.json` in the place of `.yaml`.
std::string lock_path(const std::string& spec_path);
/// The lock file beside a spec, or that of a shipped one; nothing if there is none. Throws as `parse_lock`.
std::optional<Lock> read_lock(const std::string& spec_path);
/// Throws Error `cannot read WHAT:LINE: cause`, without the line where no part is to blame. Duplicate names
/// and unknown fields are refused: a lock is written by minibuild alone.
Lock parse_lock(std::string_view text, const std::string& what);
/// Indented JSON in a fixed order, one fact a line, for review in a diff.
std::string to_json(const Lock& lock);
/// `:LINE` of the first text `value` in the lock file at `path`, for messages; empty if it is not there.
std::string line_in_lock(const std::string& path, const std::string& value);
/// The JSON Schema of lock files.
std::string lock_schema();

enum class LockMode {
  as_needed,  // what the lock has stays; what it lacks is resolved and written
  exact,      // --locked: nothing is resolved; a lock that lacks something or has too much is an error
  update,     // the named images, or all, are resolved again
  look,       // as needed, and says which tags have moved since
};

/// A tag or URL that stands for something else than the lock says.
struct Moved {
  std::string name;
  oci::Digest before;
  oci::Digest now;
};

struct Locking {
  Lock lock;
  Lock before{};                             // what the file says
  bool changed = false;                      // it differs from the file
  std::vector<Moved> moved;                  // for `update` and `look`
  std::vector<std::string> package_changes;  // `libc6 2.36-1 -> 2.36-2`, for `update`
  std::vector<std::string> dropped;          // entries that the spec has no use for any more
  std::vector<std::string> warnings;         // about packages: older ones, other sources
  std::string compressor;                    // of the file, if this build has another
};

/// Finds the images of registries and the downloads that the spec names, in stages and in specs that it
/// stands on too, for all its platforms, and gives each a digest; downloads are brought into the cache. What
/// the spec gives a digest needs no lock. What the lock has for other platforms, other machines' stages and
/// other arguments stays; `look` and `update` without `options.platforms` resolve for all platforms that the
/// lock has, and drop those that the spec's `platforms` lacks. `look` asks for tags only. Throws Error at the
/// spec's place if one cannot be resolved, or is missing under `exact`; Code::usage if `update_names` has one
/// that the spec does not name.
Locking resolve_lock(const std::string& spec_path, const Options& options, LockMode mode, store::Cache& cache,
                     const std::vector<std::string>& update_names = {});

/// What is written when the file was changed by others since `before` was read: their entries and `lock`'s,
/// in the usual order. Where both changed one entry, `lock` has the last word.
Lock merge(const Lock& before, const Lock& lock, const Lock& others);
/// Writes the lock file beside the spec, with what others wrote meanwhile; one process at a time. Throws
/// Error `cannot write PATH: cause`.
void write_lock(const std::string& spec_path, const Locking& locking);

/// The lock's digests for `Registries::pinned`.
std::map<std::string, oci::Digest> pins_of(const Lock& lock);

}  // namespace minibuild::build
