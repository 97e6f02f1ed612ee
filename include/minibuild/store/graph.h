// What a manifest or an index names, down to the last blob, to be copied byte for byte: an index is a graph
// of descriptors (image-spec image-index.md), of which images for a platform are only a part.
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
/// What names the whole: the last document.
const oci::Descriptor& top_of(const Graph& graph);

/// Reads everything that is below `top`: nested indexes, attestations, artifacts, entries without platform.
/// All of it is checked against its descriptors, and none of it is judged. What a descriptor says is
/// elsewhere
/// (`urls` of a layer that is not distributable) is left out where the source lacks it. At most 10,000
/// documents of 256 MiB together, 32 deep. Throws Error naming what is missing, and what names it.
Graph read_graph(const BlobSource& source, const oci::Descriptor& top, Cache& cache);
/// The media type that a document has: the one that it says itself, else the one that is `said` of it, else
/// by what it holds.
std::string media_type_of(const oci::Json& document, const std::string& said);
/// Images that were made or read, as a graph: the index if there is one, its images, and what belongs to
/// them.
Graph graph_of(const ImageSet& set);

}  // namespace minibuild::store
