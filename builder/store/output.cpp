// The single-file destinations, and which destination is written how.
#include "minibuild/store/output.h"

#include "builder/store/output_forms.h"
#include "minibuild/archive/layer.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/text.h"
#include "minibuild/store/attachments.h"

namespace minibuild::store {

using base::fail;

std::vector<std::string> tags_for(const oci::ImageLocation& destination, const Product& product) {
  std::vector<std::string> tags;
  if (!destination.tag.empty()) return {destination.tag};
  for (const oci::Reference& name : product.names) {
    const std::string tag = name.tag.empty() ? "latest" : name.tag;
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
  if (tags.empty()) tags.emplace_back("latest");
  return tags;
}

oci::Json index_entry(const Attachment& attachment) {
  oci::Descriptor descriptor = attachment.descriptor;
  if (!attachment.tag.empty()) descriptor.annotations[oci::ref_name] = attachment.tag;
  descriptor.artifact_type =
      attachment.tag.empty() ? artifact_type_of(descriptor.media_type, attachment.manifest_json) : "";
  return oci::json_of(descriptor);
}

const Graph& graph_of(const Product& product, Graph& made) {
  if (product.graph != nullptr) return *product.graph;
  made = graph_of(*product.set);
  return made;
}

std::vector<oci::Json> index_entries(const oci::ImageLocation& destination, const Product& product,
                                     const Graph& graph) {
  std::vector<oci::Json> entries;
  for (const std::string& tag : tags_for(destination, product)) {
    oci::Descriptor entry = top_of(graph);
    entry.annotations.erase(containerd_name);  // a name that it had elsewhere
    entry.annotations[oci::ref_name] = tag;
    entries.push_back(oci::json_of(entry));
  }
  for (const Attachment& attachment : graph.attachments) entries.push_back(index_entry(attachment));
  return entries;
}

std::string index_of(const std::vector<oci::Json>& entries) {
  oci::Json index = {{"schemaVersion", 2}, {"mediaType", oci::media_type::index}, {"manifests", entries}};
  return index.dump();
}

std::map<oci::Digest, Blob> blobs_of(const Graph& graph) {
  std::map<oci::Digest, Blob> blobs;
  for (const Document& document : graph.documents) {
    for (const Blob& blob : document.blobs) blobs.emplace(blob.descriptor.digest, blob);
    blobs.emplace(document.descriptor.digest, Blob{document.descriptor, {}, document.json, {}});
  }
  for (const Attachment& attachment : graph.attachments) {
    blobs.emplace(attachment.descriptor.digest,
                  Blob{attachment.descriptor, {}, attachment.manifest_json, {}});
    for (const ImageLayer& blob : attachment.blobs)
      blobs.emplace(blob.descriptor.digest, Blob{blob.descriptor, blob.path, {}, {}});
  }
  return blobs;
}

namespace {

tree::Content file_content(const std::string& path) {
  struct stat st {};
  if (!base::lstat_path(path, st)) fail("{} is gone", path);
  return {tree::DiskFile{path, base::stamp_of(st)}, static_cast<uint64_t>(st.st_size)};
}

void write_archive(const std::string& path, const tree::FileTree& tree) {
  base::remove_stale_temporaries(base::parent_path(path));
  base::AtomicFile file(path);
  archive::write_tar(tree, file);
  file.commit();
}

void write_oci_archive(const oci::ImageLocation& destination, const Product& product) {
  tree::FileTree tree;
  const auto put = [&](const std::string& name, tree::Content content) {
    tree.put(name, tree::file_node(std::move(content), product.mtime), product.mtime);
  };
  put("oci-layout", tree::inline_content(std::string(layout_marker)));
  Graph made;
  const Graph& graph = graph_of(product, made);
  put("index.json", tree::inline_content(index_of(index_entries(destination, product, graph))));
  for (const auto& [digest, blob] : blobs_of(graph))
    put(blob_name(digest), blob.path.empty() ? tree::inline_content(blob.bytes) : file_content(blob.path));
  write_archive(destination.path, tree);
}

void write_docker_archive(const oci::ImageLocation& destination, const Product& product, Cache& cache) {
  if (product.set->images.size() != 1)
    fail("docker-archive holds one platform; this image has {}; choose one with --platform",
         product.set->images.size());
  const Image& image = product.set->images.front();
  tree::FileTree tree;
  oci::Json entry;
  const std::string config_name = oci::hex(image.manifest.config.digest) + ".json";
  entry["Config"] = config_name;
  entry["RepoTags"] = oci::Json::array();
  std::vector<oci::Reference> names = product.names;
  if (!destination.tag.empty()) names = {oci::parse_reference(destination.tag)};
  for (const oci::Reference& name : names)
    entry["RepoTags"].push_back(fmt::format("{}{}{}:{}", name.host, name.host.empty() ? "" : "/",
                                            name.repository, name.tag.empty() ? "latest" : name.tag));
  entry["Layers"] = oci::Json::array();
  tree.put(config_name, tree::file_node(tree::inline_content(image.config_json), product.mtime),
           product.mtime);
  for (const ImageLayer& layer : image.layers) {
    const std::string name = base::to_hex(layer.diff_id.hash) + ".tar";
    entry["Layers"].push_back(name);
    const auto plain = plain_layer(layer, cache, "a layer of the image");
    tree.put(name, tree::file_node(file_content(plain->path), product.mtime), product.mtime);
  }
  tree.put("manifest.json",
           tree::file_node(tree::inline_content(oci::Json::array({entry}).dump()), product.mtime),
           product.mtime);
  write_archive(destination.path, tree);
}

void write_tree_tar(const oci::ImageLocation& destination, const Product& product) {
  if (product.tree == nullptr)
    fail("it holds one file tree; this image has several platforms; choose one with --platform");
  base::remove_stale_temporaries(base::parent_path(destination.path));
  base::AtomicFile file(destination.path);
  archive::write_tar(*product.tree, file);
  file.commit();
}

template <typename Task>
void naming(const oci::ImageLocation& destination, Task task) {
  try {
    task();
  } catch (const base::Error& error) {
    throw base::Error(error.code(),
                      fmt::format("cannot write {}: {}", oci::to_string(destination), error.what()));
  }
}

}  // namespace

void write_output(const oci::ImageLocation& destination, const Product& product, Cache& cache) {
  naming(destination, [&] {
    switch (destination.transport) {
      case oci::Transport::oci_layout:
        return write_layout(destination, product, cache);
      case oci::Transport::oci_archive:
        return write_oci_archive(destination, product);
      case oci::Transport::docker_archive:
        return write_docker_archive(destination, product, cache);
      case oci::Transport::tar:
        return write_tree_tar(destination, product);
      case oci::Transport::directory:
        return write_directory(destination, product);
      case oci::Transport::registry:
        fail("it is not on disk");
    }
  });
}

void check_output(const oci::ImageLocation& destination) {
  naming(destination, [&] {
    const bool makes_directory = destination.transport == oci::Transport::oci_layout ||
                                 destination.transport == oci::Transport::directory;
    const std::string parent = base::parent_path(destination.path);
    if (!makes_directory && !base::is_directory(parent)) fail("the directory {} does not exist", parent);
    struct stat st {};
    if (!makes_directory && ::stat(destination.path.c_str(), &st) == 0 && !S_ISREG(st.st_mode))
      fail("{} of that name is there; name a file", base::kind_of_file(st.st_mode));
    if (destination.transport == oci::Transport::oci_layout) check_layout(destination.path);
    if (destination.transport == oci::Transport::directory) check_directory(destination.path);
  });
}

}  // namespace minibuild::store
