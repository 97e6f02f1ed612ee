// What belongs to an image and travels with it: signatures, SBOMs, attestations.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "minibuild/store/blob_source.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

/// The tags under which cosign keeps what belongs to a manifest: `sha256-HEX.sig`, `.att`, `.sbom`.
std::vector<std::string> attachment_tags(const oci::Digest& subject);
/// True for such a tag.
bool is_attachment_tag(std::string_view tag);

struct FoundAttachment {
  oci::Descriptor descriptor;
  std::string tag;  // empty if the manifest names its subject
};
/// Gives what belongs to a manifest: those that name it as `subject`, and those under its attachment_tags.
using FindAttachments = std::function<std::vector<FoundAttachment>(const oci::Digest& subject)>;
/// Fills `set.attachments` with everything that belongs to its images and its index, and to what was so
/// found; at most 1000. Throws Error for what is not as its descriptor says.
void read_attachments(ImageSet& set, const BlobSource& source, const FindAttachments& find, Cache& cache);
/// The same for an image on disk. Throws Error `cannot read IMAGE: cause`.
void read_attachments(ImageSet& set, const oci::ImageLocation& location, Cache& cache);

}  // namespace minibuild::store
