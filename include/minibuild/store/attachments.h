// What belongs to an image and travels with it: signatures, SBOMs, attestations.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/store/blob_source.h"
#include "minibuild/store/graph.h"

namespace minibuild::store {

/// The tags under which cosign keeps what belongs to a manifest: `sha256-HEX.sig`, `.att`, `.sbom`.
std::vector<std::string> attachment_tags(const oci::Digest& subject);
/// True for such a tag.
bool is_attachment_tag(std::string_view tag);

/// What a manifest or index names as its `subject`; nothing if it names none. Throws Error, which calls it
/// `what`, where that cannot be read.
std::optional<oci::Digest> subject_of(const std::string& json_text, const std::string& what);
/// What kind of thing a manifest or index is, as lists of referrers tell it: its `artifactType`; without one,
/// a manifest's config's media type, and of an index nothing (distribution-spec, "Listing Referrers"). Throws
/// Error if it is neither.
std::string artifact_type_of(std::string_view media_type, const std::string& json_text);

struct FoundAttachment {
  oci::Descriptor descriptor;
  std::string tag;  // empty if the manifest names its subject
};
/// Gives what belongs to a manifest: those that name it as `subject`, and those under its attachment_tags.
using FindAttachments = std::function<std::vector<FoundAttachment>(const oci::Digest& subject)>;
/// Fills `graph.attachments` with everything that belongs to its documents, and to what was so found; at most
/// 1000. Throws Error for what is not as its descriptor says.
void read_attachments(Graph& graph, const BlobSource& source, const FindAttachments& find, Cache& cache);

/// What a layout's index.json lists as belonging to a manifest. An entry without a tag whose manifest cannot
/// be read is among them: nobody can say what it belongs to.
std::vector<FoundAttachment> list_attachments(const BlobSource& source, const oci::Digest& subject);

/// Adds to an OCI layout what belongs to its images. A manifest with a tag takes the place of the one that
/// had it; all else in index.json stays as it is. Throws Error; then index.json is as it was.
void add_attachments(const std::string& directory, const std::vector<Attachment>& attachments, Cache& cache);

}  // namespace minibuild::store
