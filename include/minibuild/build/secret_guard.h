// The first step of every command that reads a spec and is given secrets.
#pragma once

#include <string>

#include "minibuild/build/build.h"

namespace minibuild::build {

/// Throws Error{Code::refused} if the spec, the specs that it is based on, their lock file, or their contents
/// after argument substitution contain one of the options' secrets: for the image platforms `images` and for
/// the stages of this machine. Must be called before any request is sent and anything is written. Reads
/// nothing if there are no secrets.
void guard_secrets(const project::Project& project, const std::vector<oci::Platform>& images,
                   const Options& options);
void guard_secrets(const project::Project& project, const Options& options);

}  // namespace minibuild::build
