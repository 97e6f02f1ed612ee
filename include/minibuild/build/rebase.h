// Moves an image to another base image without rebuilding it.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/images.h"

namespace minibuild::build {

/// What a rebase cannot know or redo, each with its consequence for the image.
using RebaseNotes = std::vector<std::string>;

/// The settings for `image`, built on a base with the settings `before`, when moved to a base with the
/// settings `after`. Settings that equal the old base's came from there, and become the new base's; all
/// others stay. The user is left to the caller, since it requires the accounts.
oci::ImageConfig rebased_config(const oci::ImageConfig& image, const oci::ImageConfig& before,
                                const oci::ImageConfig& after, RebaseNotes& notes);

/// Replaces the layers of the image's base, which its annotations `org.opencontainers.image.base.name` and
/// `.digest` name (annotations.md), with those of `onto`. The layers above the base are unchanged; settings
/// are those of rebased_config; history and annotations describe the new base. The old base's layers must be
/// the image's first layers. Throws Error saying what does not match, also if the image's layers would hide
/// content of the new base.
store::Image rebase(const store::Image& image, const oci::ImageLocation& onto, store::Cache& cache,
                    const Registries& registries, RebaseNotes& notes);

}  // namespace minibuild::build
