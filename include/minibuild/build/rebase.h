// An image on another base, without building it again.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/images.h"

namespace minibuild::build {

/// What a rebase cannot know or do again, each with what it means for the image.
using RebaseNotes = std::vector<std::string>;

/// The settings that `image`, built on a base with the settings `before`, has on one with `after`: what it
/// has as the old base had it came from there, and is now as the new base has it; what it has otherwise
/// stays. The user is left to the caller: it needs accounts.
oci::ImageConfig rebased_config(const oci::ImageConfig& image, const oci::ImageConfig& before,
                                const oci::ImageConfig& after, RebaseNotes& notes);

/// `image` with the layers of `onto` in the place of those of its base, which its annotations
/// `org.opencontainers.image.base.name` and `.digest` name (annotations.md). The layers above the base stay
/// as they are; settings are those of rebased_config; history and annotations tell of the new base. The old
/// base's layers have to be the image's first. Throws Error with what does not fit, also when the image's
/// layers would hide what the new base has.
store::Image rebase(const store::Image& image, const oci::ImageLocation& onto, store::Cache& cache,
                    const Registries& registries, RebaseNotes& notes);

}  // namespace minibuild::build
