// Checks whether a lock file's entry for a package fits the spec's sources: a lock is text that anybody may
// have changed, and its URL and hash alone decide what is installed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/project/lock_file.h"
#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// The name of the source whose URL (in the texts of a lock file) is a prefix of the package's; empty if
/// there is none.
std::string source_of(const project::LockedPackage& package, const std::vector<std::string>& source_texts);

/// Why a package of a set cannot have come from the spec's sources, as a sentence that starts with its name;
/// std::nullopt if it can. `architecture` is the platform's in the format's terms. With `other_snapshots`, a
/// different date of the same snapshots is accepted.
std::optional<std::string> wrong_origin(const project::LockedPackage& package, const spec::Spec& spec,
                                        const std::string& architecture, bool other_snapshots);

}  // namespace minibuild::build
