// The documents of a finished image.
#pragma once

#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/compress.h"
#include "minibuild/archive/layer.h"

namespace minibuild::build {

/// The PATH of an image that has no other.
constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variable in its place, or behind all others.
void set_env(spec::Environment& env, const std::string& name, const std::string& value);
/// Puts the default PATH first if there is none.
void add_path(spec::Environment& env);
/// Both lists, sorted, each value once.
void merge_sorted(std::vector<std::string>& values, const std::vector<std::string>& more);

/// The config before the layers are known: the base's, with what the spec says. Throws Error at the spec's
/// place if its user is not known.
oci::ImageConfig image_config(const project::SpecFile& file, const Base& base, const tree::FileTree& tree,
                              const oci::Platform& platform, int64_t epoch);

/// A layer that this build made, and what the history says of it.
struct MadeLayer {
  store::ImageLayer layer;
  std::string comment;
};

/// Config, manifest and descriptors over the base's layers and those made here, which come last. On a base
/// from a registry the manifest says so, unless the spec does: `org.opencontainers.image.base.name` and
/// `.digest` (annotations.md); the digest is that of the base's manifest for the platform.
store::Image describe(const project::SpecFile& file, oci::ImageConfig config, const Base& base,
                      const std::vector<store::ImageLayer>& base_layers, const std::vector<MadeLayer>& layers,
                      int64_t epoch);

/// The index over the images of several platforms.
void add_index(const project::SpecFile& file, store::ImageSet& set);

/// The number of layers that a history tells of.
size_t filled(const std::vector<oci::History>& history);

/// The compression of the layers that a spec makes.
archive::Compression compression_of(const spec::Compression& wanted);

}  // namespace minibuild::build
