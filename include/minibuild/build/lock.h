// The lock file: what the names of a spec's outside inputs stood for when it was made.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/project/lock_file.h"

namespace minibuild::build {

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
  project::Lock lock;
  project::Lock before{};                    // what the file says
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
/// other arguments stays; `look` and `update` of a project that was given no platforms resolve for all that
/// the lock has, and drop those that the spec's `platforms` lacks. `look` asks for tags only. Throws Error at
/// the spec's place if one cannot be resolved, or is missing under `exact`; Code::usage if `update_names` has
/// one that the spec does not name.
Locking resolve_lock(const project::Project& project, const Options& options, LockMode mode,
                     store::Cache& cache, const std::vector<std::string>& update_names = {});

}  // namespace minibuild::build
