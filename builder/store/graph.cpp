#include "minibuild/store/graph.h"

#include <set>

#include "builder/store/choose.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using base::fail;

namespace {

constexpr size_t max_documents = 10'000;
constexpr size_t max_document_bytes = size_t{256} << 20;

struct Child {
  oci::Descriptor descriptor;
  bool is_document = false;
};

// The lists of descriptors that a document has, in whatever form it has them.
std::vector<Child> named_by(const oci::Json& json, const std::string& what) {
  std::vector<Child> all;
  const auto add = [&](const std::string& key, const oci::Json& one) {
    oci::Descriptor descriptor = oci::parse_descriptor(one, fmt::format("{}, {}", what, key));
    // What a manifest names is a blob, whatever it is.
    const std::string& type = descriptor.media_type;
    const bool is_document = key == "manifests" && (oci::is_document(type) || type.empty());
    all.push_back({std::move(descriptor), is_document});
  };
  if (!json.is_object()) return all;
  for (const char* key : {"config", "layers", "blobs", "manifests"}) {
    const auto it = json.find(key);
    if (it == json.end() || it->is_null()) continue;
    if (it->is_array())
      for (const oci::Json& one : *it) add(key, one);
    else
      add(key, *it);
  }
  return all;
}

class Reader {
 public:
  Reader(const BlobSource& source, Cache& cache) : source_(source), cache_(cache) {}

  void visit(const oci::Descriptor& descriptor, const std::string& namer, int depth) {
    if (!seen_.insert(descriptor.digest).second) return;
    const std::string what = oci::to_string(descriptor.digest);
    if (depth > max_index_depth) fail("{}: its indexes are more than {} deep", what, max_index_depth);
    if (graph_.documents.size() >= max_documents) fail("it holds more than {} manifests", max_documents);
    Document document{descriptor, read_document(source_, descriptor, namer), {}};
    bytes_ += document.json.size();
    if (bytes_ > max_document_bytes)
      fail("its manifests have more than {}", base::human_size(max_document_bytes));
    std::vector<oci::Descriptor> blobs;
    const oci::Json json = oci::parse_json(document.json, what);
    document.descriptor.media_type = media_type_of(json, descriptor.media_type);
    for (Child& child : named_by(json, what)) {
      // Who saves an image of several platforms and has only one writes the whole index all the same.
      const std::string_view hint =
          child.descriptor.platform ? "; if only some of its platforms were saved, choose one with --platform"
                                    : "";
      if (child.is_document)
        visit(child.descriptor, fmt::format("{}{}", what, hint), depth + 1);
      else if (child.descriptor.urls.empty() || source_.holds(child.descriptor))
        blobs.push_back(std::move(child.descriptor));
    }
    const std::vector<std::string> paths = source_.layers(blobs, cache_);
    for (size_t i = 0; i < blobs.size(); ++i)
      document.blobs.push_back({std::move(blobs[i]), paths[i], {}, source_.origin()});
    graph_.documents.push_back(std::move(document));
  }

  Graph take() { return std::move(graph_); }

 private:
  const BlobSource& source_;
  Cache& cache_;
  Graph graph_;
  std::set<oci::Digest> seen_;
  size_t bytes_ = 0;
};

}  // namespace

const oci::Descriptor& top_of(const Graph& graph) { return graph.documents.back().descriptor; }

Graph read_graph(const BlobSource& source, const oci::Descriptor& top, Cache& cache) {
  Reader reader(source, cache);
  reader.visit(top, "", 0);
  return reader.take();
}

std::string media_type_of(const oci::Json& document, const std::string& said) {
  const auto own = document.is_object() ? document.find("mediaType") : document.end();
  if (own != document.end() && own->is_string() && oci::is_document(own->get<std::string>()))
    return own->get<std::string>();
  if (oci::is_document(said)) return said;
  return std::string(oci::kind_of(document) == oci::Kind::index ? oci::media_type::index
                                                                : oci::media_type::manifest);
}

Graph graph_of(const ImageSet& set) {
  Graph graph;
  for (const Image& image : set.images) {
    Document document{image.descriptor, image.manifest_json, {}};
    document.blobs.push_back({image.manifest.config, {}, image.config_json, {}});
    for (const ImageLayer& layer : image.layers)
      document.blobs.push_back({layer.descriptor, layer.path, {}, layer.origin});
    graph.documents.push_back(std::move(document));
  }
  if (set.index) graph.documents.push_back({*set.index, set.index_json, {}});
  graph.attachments = set.attachments;
  return graph;
}

}  // namespace minibuild::store
