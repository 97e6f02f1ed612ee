// Images on disk: reading every supported form, and the value that all forms are written from.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

/// A layer whose blob is a file of its own, with the correct digest.
struct ImageLayer {
  oci::Descriptor descriptor;
  oci::DiffId diff_id;
  std::string path;                        // of the blob
  uint64_t plain_size = 0;                 // of the tar; 0 if not known
  std::optional<oci::Reference> origin{};  // the repository that it came from
};

/// A complete, verified image for one platform.
struct Image {
  oci::Descriptor descriptor;  // of the manifest, with the platform
  oci::Manifest manifest;
  std::string manifest_json;
  oci::ImageConfig config;
  std::string config_json;
  std::vector<ImageLayer> layers;
};

/// A manifest that belongs to an image and travels with it: a signature, an SBOM, an attestation. It either
/// names the image as its `subject` (image-spec manifest.md), or is found under a tag derived from the
/// image's digest.
struct Attachment {
  oci::Descriptor descriptor;  // of the manifest
  std::string manifest_json;
  oci::Digest subject;
  std::string tag;                // empty if the manifest has a subject
  std::vector<ImageLayer> blobs;  // the config too; without diff IDs
};

/// One or several platforms under one name.
struct ImageSet {
  std::vector<Image> images;
  std::optional<oci::Descriptor> index;  // of `index_json`, if the images are under an index
  std::string index_json;
  std::vector<Attachment> attachments{};
  std::vector<std::string> names{};  // the names that a docker archive gives it (RepoTags)
};
/// The descriptor of the whole set: the index, or the manifest of its only image.
const oci::Descriptor& top_of(const ImageSet& set);

/// The image of the set that is nearest to a platform (oci::distance); null if none fits.
const Image* image_for(const ImageSet& set, const oci::Platform& wanted);

/// Reads an image: all images of an index, or the one for `wanted`; anything else that an index names
/// (attestations, artifacts) is ignored. Every blob is checked against its descriptor, sizes first, and the
/// number of diff IDs against the number of layers. Diff IDs are not verified here but in `plain_layer`.
/// Layers of archives are copied into the cache. Throws Error `cannot read IMAGE: cause`.
ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                    Cache& cache);

class BlobSource;
/// The annotation of an index.json entry in which containerd and Docker store the full name of an image.
inline constexpr const char* containerd_name = "io.containerd.image.name";
/// The entry of a layout's index.json that a tag, a full name or a digest refers to. If `tag` is empty: the
/// only image, or index.json itself if it lists one image for several platforms and names none of them. Among
/// several under one name, the one for `wanted`. Throws Error saying what exists.
oci::Descriptor find_in_layout(const BlobSource& source, const std::string& tag,
                               const std::optional<oci::Platform>& wanted = {});
/// The manifest for a platform below `top`, which may itself be that manifest.
oci::Descriptor find_for_platform(const BlobSource& source, const oci::Descriptor& top,
                                  const oci::Platform& wanted);
/// The same for an image whose manifest or index is known: `top` and everything below it come from `source`.
ImageSet read_set(const BlobSource& source, const oci::Descriptor& top,
                  const std::optional<oci::Platform>& wanted, Cache& cache);

/// The layer's tar as an archive on disk, decompressed into the cache if that has not been done before; its
/// diff ID is verified. Throws Error naming `what`.
std::shared_ptr<const tree::Archive> plain_layer(const ImageLayer& layer, Cache& cache,
                                                 const std::string& what);

/// The file tree of all layers.
tree::FileTree image_tree(const Image& image, Cache& cache, const std::string& what);

}  // namespace minibuild::store
