// Whether what a lock file says of a package fits the sources of the spec: a lock is text that anybody may
// have changed, and its URL and hash alone decide what is installed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/project/lock_file.h"
#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// The name of the source whose URL (in the texts of a lock file) the package is below; empty if there is
/// none.
std::string source_of(const project::LockedPackage& package, const std::vector<std::string>& source_texts);

/// Why a package of a set cannot have come from the sources of the spec, as a sentence that begins with its
/// name; nothing if it can. `architecture` is the platform's in the format's words. With `other_snapshots`
/// another date of the same snapshots is as good.
std::optional<std::string> wrong_origin(const project::LockedPackage& package, const spec::Spec& spec,
                                        const std::string& architecture, bool other_snapshots);

}  // namespace minibuild::build
