// What every command does first that reads a spec and was given secrets.
#pragma once

#include <string>

#include "minibuild/build/build.h"

namespace minibuild::build {

/// Throws Error{Code::refused} if the spec, those that it stands on, their lock file, or what they say once
/// arguments are put in has one of the options' secrets: for the images of `images` and the stages of this
/// machine. To be called before anybody is asked and anything is written. Nothing is read if there are no
/// secrets.
void guard_secrets(const project::Project& project, const std::vector<oci::Platform>& images,
                   const Options& options);
void guard_secrets(const project::Project& project, const Options& options);

}  // namespace minibuild::build
