// The documents of a finished image.
#pragma once

#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/compress.h"
#include "minibuild/archive/layer.h"

namespace minibuild::build {

/// The PATH of an image that sets none.
constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Sets the variable in place, or appends it.
void set_env(spec::Environment& env, const std::string& name, const std::string& value);
/// Prepends the default PATH if there is none.
void add_path(spec::Environment& env);
/// Merges `more` into `values`, sorted and without duplicates.
void merge_sorted(std::vector<std::string>& values, const std::vector<std::string>& more);

/// The config before the layers are known: the base's config with the spec's settings. Throws Error located
/// in the spec if its user is unknown.
oci::ImageConfig image_config(const project::SpecFile& file, const Base& base, const tree::FileTree& tree,
                              const oci::Platform& platform, int64_t epoch);

/// A layer that this build created, and its history comment.
struct MadeLayer {
  store::ImageLayer layer;
  std::string comment;
};

/// Config, manifest and descriptors over the base's layers followed by those created here. For a base from a
/// registry the manifest records it, unless the spec does: `org.opencontainers.image.base.name` and `.digest`
/// (annotations.md); the digest is that of the base's manifest for the platform.
store::Image describe(const project::SpecFile& file, oci::ImageConfig config, const Base& base,
                      const std::vector<store::ImageLayer>& base_layers, const std::vector<MadeLayer>& layers,
                      int64_t epoch);

/// The index over the images of several platforms.
void add_index(const project::SpecFile& file, store::ImageSet& set);

/// The number of layers that a history describes.
size_t filled(const std::vector<oci::History>& history);

/// The compression of the layers that a spec creates.
archive::Compression compression_of(const spec::Compression& wanted);

}  // namespace minibuild::build
