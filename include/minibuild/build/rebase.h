// An image on another base, without building it again.
#pragma once

#include "minibuild/build/images.h"

namespace minibuild::build {

/// `image` with the layers of `onto` in the place of those of its base, which its annotations
/// `org.opencontainers.image.base.name` and `.digest` name (annotations.md). Settings, and the layers above
/// the base, stay as they are; history and annotations tell of the new base. The old base's layers have to be
/// the image's first. Throws Error with what does not fit.
store::Image rebase(const store::Image& image, const oci::ImageLocation& onto, store::Cache& cache,
                    const Registries& registries);

}  // namespace minibuild::build
