// Which of the images that an index or a layout names is meant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/store/blob_source.h"

namespace minibuild::store {

constexpr int max_index_depth = 32;  // of indexes in indexes

/// A manifest below an index.
struct Candidate {
  oci::Descriptor descriptor;
  std::optional<oci::Platform> platform;  // of its entry, else of its config; nothing if it has none
  std::string other;                      // what it is, if it is no image: `an attestation`
};

/// The manifests below the entries of an index, those of nested indexes too, in order. Where an entry does
/// not say its platform, its config is asked. With `wanted`, what an entry says to be for another platform is
/// not read. Throws Error for what is missing or damaged.
std::vector<Candidate> candidates_of(const BlobSource& source, const std::vector<oci::Descriptor>& entries,
                                     const std::optional<oci::Platform>& wanted);

/// The images among them. Throws Error saying what there is instead.
std::vector<oci::Descriptor> images_of(const std::vector<Candidate>& candidates);

/// The image below the entries of an index that is for a platform, the one that containerd and skopeo choose:
/// in each index the entry that is nearest to it, of equals the first, and those that do not say their
/// platform after all that do. No more is read than that takes. Throws Error saying what there is instead.
oci::Descriptor image_for(const BlobSource& source, const std::vector<oci::Descriptor>& entries,
                          const oci::Platform& wanted);

/// What a manifest is that is no image, such as `an artifact of the type application/x`; empty for an image.
std::string other_than_image(const BlobSource& source, const oci::Descriptor& descriptor,
                             const oci::Json& manifest);

}  // namespace minibuild::store
