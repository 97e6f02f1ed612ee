// The lock file: what the names of a spec's external inputs resolved to when it was written.
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
  as_needed,  // existing entries stay; missing ones are resolved and written
  exact,      // --locked: nothing is resolved; missing or superfluous entries are an error
  update,     // the named images, or all, are resolved again
  look,       // like as_needed, and reports which tags have moved since
};

/// A tag or URL that now resolves to something other than what the lock says.
struct Moved {
  std::string name;
  oci::Digest before;
  oci::Digest now;
};

struct Locking {
  project::Lock lock;
  project::Lock before{};                    // the contents of the file
  bool changed = false;                      // it differs from the file
  std::vector<Moved> moved;                  // for `update` and `look`
  std::vector<std::string> package_changes;  // `libc6 2.36-1 -> 2.36-2`, for `update`
  std::vector<std::string> dropped;          // entries that the spec no longer uses
  std::vector<std::string> warnings;         // about packages: older versions, other sources
  std::string compressor;                    // the file's compressor, if this build uses another
};

/// Finds the registry images and downloads that the spec names, including in stages and in the specs that it
/// is based on, for all its platforms, and assigns each a digest; downloads are brought into the cache.
/// Anything to which the spec gives a digest needs no lock. Lock entries for other platforms, other machines'
/// stages and other arguments stay. `look` and `update` of a project without given platforms resolve for
/// everything that the lock contains, and drop platforms that are not among the spec's `platforms`. `look`
/// only queries tags. Throws Error located in the spec if an input cannot be resolved, or is missing under
/// `exact`; Code::usage if `update_names` contains a name that the spec does not use.
Locking resolve_lock(const project::Project& project, const Options& options, LockMode mode,
                     store::Cache& cache, const std::vector<std::string>& update_names = {});

}  // namespace minibuild::build
