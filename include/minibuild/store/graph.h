// Everything that a manifest or an index names, down to the last blob, to be copied byte for byte. An index
// is a graph of descriptors (image-spec image-index.md), of which the images for a platform are only a part.
#pragma once

#include <string>
#include <vector>

#include "minibuild/store/blob_source.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

/// Content that has a digest: a file, or bytes in memory.
struct Blob {
  oci::Descriptor descriptor;
  std::string path;                        // empty: `bytes`
  std::string bytes;                       // empty if there is a path
  std::optional<oci::Reference> origin{};  // the repository that it came from
};

/// A manifest or an index as it was written, and the blobs that it names itself.
struct Document {
  oci::Descriptor descriptor;
  std::string json;
  std::vector<Blob> blobs;
};

struct Graph {
  std::vector<Document> documents;  // each once, after those that it names; the last is the top
  std::vector<Attachment> attachments;
};
/// The descriptor of the whole graph: that of the last document.
const oci::Descriptor& top_of(const Graph& graph);

/// Reads everything below `top`: nested indexes, attestations, artifacts, entries without a platform. All of
/// it is checked against its descriptors; none of it is judged. Content whose descriptor says that it is
/// elsewhere (`urls` of a non-distributable layer) is left out if the source lacks it. At most 10,000
/// documents of 256 MiB together, 32 levels deep. Throws Error naming what is missing, and what names it.
Graph read_graph(const BlobSource& source, const oci::Descriptor& top, Cache& cache);
/// The media type of a document: the one that the document itself states, else `said`, the one that others
/// state for it, else the one that follows from its content.
std::string media_type_of(const oci::Json& document, const std::string& said);
/// The graph of images that were built or read: the index if there is one, its images, and what belongs to
/// them.
Graph graph_of(const ImageSet& set);

}  // namespace minibuild::store
