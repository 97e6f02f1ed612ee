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

/// The tags under which cosign stores what belongs to a manifest: `sha256-HEX.sig`, `.att`, `.sbom`.
std::vector<std::string> attachment_tags(const oci::Digest& subject);
/// True for such a tag.
bool is_attachment_tag(std::string_view tag);

/// The `subject` of a manifest or index; std::nullopt if it has none. Throws Error, which calls the document
/// `what`, if the subject cannot be read.
std::optional<oci::Digest> subject_of(const std::string& json_text, const std::string& what);
/// The type that lists of referrers give for a manifest or index: its `artifactType`; without one, the media
/// type of a manifest's config, and nothing for an index (distribution-spec, "Listing Referrers"). Throws
/// Error if it is neither.
std::string artifact_type_of(std::string_view media_type, const std::string& json_text);

struct FoundAttachment {
  oci::Descriptor descriptor;
  std::string tag;  // empty if the manifest names its subject
};
/// Returns what belongs to a manifest: manifests that name it as `subject`, and those under its
/// attachment_tags.
using FindAttachments = std::function<std::vector<FoundAttachment>(const oci::Digest& subject)>;
/// Fills `graph.attachments` with everything that belongs to its documents and, in turn, to what was found
/// this way; at most 1000. Throws Error for anything that does not match its descriptor.
void read_attachments(Graph& graph, const BlobSource& source, const FindAttachments& find, Cache& cache);

/// What a layout's index.json lists as belonging to a manifest. This includes an untagged entry whose
/// manifest cannot be read: what it belongs to is unknown.
std::vector<FoundAttachment> list_attachments(const BlobSource& source, const oci::Digest& subject);

/// Adds to an OCI layout what belongs to its images. A manifest with a tag replaces the one that had the tag;
/// everything else in index.json is kept. Throws Error on failure; index.json is then unchanged.
void add_attachments(const std::string& directory, const std::vector<Attachment>& attachments, Cache& cache);

}  // namespace minibuild::store
