// Reads images from OCI layouts (image-layout.md), archives of them, and what `docker save` writes.
#include <algorithm>

#include "minibuild/archive/compress.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/attachments.h"
#include "minibuild/store/blob_source.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

using base::fail;

namespace {

// A small blob, checked against its descriptor.
std::string document(const BlobSource& source, const oci::Descriptor& want) {
  const std::string name = "blobs/sha256/" + oci::hex(want.digest);
  std::optional<std::string> bytes = source.document(want);
  if (!bytes) fail("{} is missing", name);
  if (bytes->size() != want.size) fail("{} has {} bytes, want {}", name, bytes->size(), want.size);
  if (oci::digest_of(*bytes) != want.digest) fail("{} does not have the bytes that its digest says", name);
  return std::move(*bytes);
}

void check_config(const oci::ImageConfig& config, const oci::Manifest& manifest) {
  if (config.diff_ids.size() != manifest.layers.size())
    fail("the config has {} diff ids, want {}, one for each layer", config.diff_ids.size(),
         manifest.layers.size());
  if (config.history.empty()) return;
  const auto filled = std::count_if(config.history.begin(), config.history.end(),
                                    [](const oci::History& entry) { return !entry.empty_layer; });
  if (static_cast<size_t>(filled) != manifest.layers.size())
    fail("the config's history tells of {} layers, want {}", filled, manifest.layers.size());
}

Image read_manifest(const BlobSource& source, const oci::Descriptor& descriptor, Cache& cache) {
  Image image;
  image.descriptor = descriptor;
  image.manifest_json = document(source, descriptor);
  image.manifest = oci::parse_manifest(image.manifest_json, "manifest " + oci::to_string(descriptor.digest));
  image.config_json = document(source, image.manifest.config);
  image.config =
      oci::parse_config(image.config_json, "config " + oci::to_string(image.manifest.config.digest));
  check_config(image.config, image.manifest);
  for (size_t i = 0; i < image.manifest.layers.size(); ++i)
    if (const std::string& type = image.manifest.layers[i].media_type; !oci::is_layer(type))
      fail("layer {} has the media type '{}', which is not a layer", i + 1, base::printable(type));
  const std::vector<std::string> paths = source.layers(image.manifest.layers, cache);
  for (size_t i = 0; i < paths.size(); ++i)
    image.layers.push_back({image.manifest.layers[i], image.config.diff_ids[i], paths[i], 0});
  if (!image.descriptor.platform) image.descriptor.platform = image.config.platform;
  return image;
}

std::string tags_of(const oci::ImageIndex& index) {
  std::vector<std::string> tags;
  for (const oci::Descriptor& entry : index.manifests)
    if (const std::string tag = oci::tag_of(entry); !tag.empty()) tags.push_back(tag);
  return tags.empty() ? "none" : base::join(tags, ", ");
}

// True for a manifest that says of itself that it belongs to another.
bool has_subject(const BlobSource& source, const oci::Descriptor& entry) {
  const auto bytes = source.document(entry);
  if (!bytes || !oci::is_manifest(entry.media_type)) return false;
  const oci::Json json = oci::parse_json(*bytes, "manifest " + oci::to_string(entry.digest));
  return json.is_object() && json.contains("subject");
}

bool same_digests(const std::vector<oci::Descriptor>& entries) {
  return std::all_of(entries.begin(), entries.end(),
                     [&](const oci::Descriptor& entry) { return entry.digest == entries.front().digest; });
}

// The entry of index.json that `tag` names: exactly, or as the tag of a full reference; without a tag the
// only one. What belongs to an image is none itself, unless it is asked for.
oci::Descriptor choose(const BlobSource& source, const oci::ImageIndex& index, const std::string& tag) {
  const bool any_named =
      std::any_of(index.manifests.begin(), index.manifests.end(), [&](const oci::Descriptor& entry) {
        return !oci::tag_of(entry).empty() && !is_attachment_tag(oci::tag_of(entry));
      });
  std::vector<oci::Descriptor> found;
  for (const oci::Descriptor& entry : index.manifests) {
    if (!oci::is_manifest(entry.media_type) && !oci::is_index(entry.media_type)) continue;
    const std::string name = oci::tag_of(entry);
    if (tag.empty() && (is_attachment_tag(name) || (any_named && name.empty()))) continue;
    const bool same = tag.empty() || name == tag || (name.size() > tag.size() && name.ends_with(":" + tag));
    if (same && std::find(found.begin(), found.end(), entry) == found.end()) found.push_back(entry);
  }
  if (tag.empty() && !any_named && !same_digests(found))
    std::erase_if(found, [&](const oci::Descriptor& entry) { return has_subject(source, entry); });
  if (found.empty() && tag.empty()) fail("it holds no image");
  if (found.empty()) fail("it has no image '{}'; its tags are: {}", tag, tags_of(index));
  if (!same_digests(found)) fail("it holds {} images; name one by its tag: {}", found.size(), tags_of(index));
  return found.front();
}

std::vector<oci::Descriptor> platforms_of(const oci::ImageIndex& index,
                                          const std::optional<oci::Platform>& wanted) {
  std::vector<oci::Descriptor> found;
  std::vector<std::string> have;
  for (const oci::Descriptor& entry : index.manifests) {
    if (!oci::is_manifest(entry.media_type)) continue;
    if (entry.platform && entry.platform->architecture == "unknown") continue;  // attestations of BuildKit
    have.push_back(entry.platform ? oci::to_string(*entry.platform) : "none");
    if (!wanted || (entry.platform && oci::matches(*wanted, *entry.platform))) found.push_back(entry);
  }
  if (found.empty() && wanted)
    fail("it has no image for {}, only for: {}", oci::to_string(*wanted), base::join(have, ", "));
  if (found.empty()) fail("its index holds no image");
  if (wanted && found.size() > 1) {
    const auto exact = std::find_if(found.begin(), found.end(),
                                    [&](const oci::Descriptor& entry) { return *entry.platform == *wanted; });
    found = {exact == found.end() ? found.front() : *exact};
  }
  return found;
}

void check_platform(const Image& image, const std::optional<oci::Platform>& wanted) {
  if (wanted && !oci::matches(*wanted, image.config.platform))
    fail("it is an image for {}, want {}", oci::to_string(image.config.platform), oci::to_string(*wanted));
}

ImageSet read_layout(const BlobSource& source, const std::string& tag,
                     const std::optional<oci::Platform>& wanted, Cache& cache) {
  return read_set(source, find_in_layout(source, tag), wanted, cache);
}

std::string media_type_of(const std::string& path) {
  const base::Fd fd = base::open_file(path);
  char first[4] = {};
  base::FdSource source(fd.get(), path);
  base::read_full(source, first);
  const std::string_view magic(first, 4);
  if (magic.starts_with("\x1f\x8b")) return std::string(oci::media_type::layer_gzip);
  if (magic == "\x28\xb5\x2f\xfd") return std::string(oci::media_type::layer_zstd);
  return std::string(oci::media_type::layer);
}

// `docker save`: manifest.json names config and layers; the manifest is made here.
ImageSet read_docker(const BlobSource& source, const std::optional<oci::Platform>& wanted, Cache& cache) {
  const auto text = source.file("manifest.json", oci::max_json_size);
  if (!text) fail("it has no manifest.json, so it is not what 'docker save' writes");
  const oci::Json list = oci::parse_json(*text, "manifest.json");
  if (!list.is_array() || list.size() != 1 || !list[0].is_object())
    fail("its manifest.json holds {} images, want 1", list.is_array() ? list.size() : 0);
  const oci::Json& entry = list[0];
  if (!entry.contains("Config") || !entry["Config"].is_string() || !entry.contains("Layers") ||
      !entry["Layers"].is_array())
    fail("its manifest.json lacks Config or Layers");
  Image image;
  const std::string config_name = entry["Config"].get<std::string>();
  const auto config = source.file(config_name, oci::max_json_size);
  if (!config) fail("{} is missing", base::printable(config_name));
  image.config_json = *config;
  image.config = oci::parse_config(*config, base::printable(config_name));
  image.manifest.config = {
      std::string(oci::media_type::config), oci::digest_of(*config), config->size(), {}, {}};
  for (const oci::Json& name : entry["Layers"]) {
    if (!name.is_string()) fail("its manifest.json has a layer that is not a name");
    oci::Digest digest;
    const std::string path = source.blob(name.get<std::string>(), std::nullopt, cache, &digest);
    struct stat st {};
    base::lstat_path(path, st);
    image.manifest.layers.push_back({media_type_of(path), digest, static_cast<uint64_t>(st.st_size), {}, {}});
  }
  check_config(image.config, image.manifest);
  for (size_t i = 0; i < image.manifest.layers.size(); ++i)
    image.layers.push_back({image.manifest.layers[i], image.config.diff_ids[i],
                            cache.blob_path(image.manifest.layers[i].digest), 0});
  image.manifest_json = oci::to_json(image.manifest);
  image.descriptor = {std::string(oci::media_type::manifest),
                      oci::digest_of(image.manifest_json),
                      image.manifest_json.size(),
                      image.config.platform,
                      {}};
  check_platform(image, wanted);
  ImageSet set;
  set.images.push_back(std::move(image));
  return set;
}

}  // namespace

const oci::Descriptor& top_of(const ImageSet& set) {
  return set.index ? *set.index : set.images.front().descriptor;
}

oci::Descriptor find_in_layout(const BlobSource& source, const std::string& tag) {
  const auto marker = source.file("oci-layout", 4096);
  if (!marker) fail("it has no file 'oci-layout', so it is not an OCI image layout");
  const oci::Json version = oci::parse_json(*marker, "oci-layout");
  if (!version.is_object() || !version.contains("imageLayoutVersion") ||
      version["imageLayoutVersion"] != "1.0.0")
    fail("its file 'oci-layout' does not say imageLayoutVersion 1.0.0");
  const auto index = source.file("index.json", oci::max_json_size);
  if (!index) fail("it has no index.json");
  return choose(source, oci::parse_index(*index, "index.json"), tag);
}

ImageSet read_set(const BlobSource& source, const oci::Descriptor& top,
                  const std::optional<oci::Platform>& wanted, Cache& cache) {
  ImageSet set;
  if (!oci::is_index(top.media_type)) {
    set.images.push_back(read_manifest(source, top, cache));
    check_platform(set.images.front(), wanted);
    return set;
  }
  set.index = top;
  set.index_json = document(source, top);
  const oci::ImageIndex inner = oci::parse_index(set.index_json, "index " + oci::to_string(top.digest));
  for (const oci::Descriptor& entry : platforms_of(inner, wanted))
    set.images.push_back(read_manifest(source, entry, cache));
  return set;
}

ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                    Cache& cache) {
  try {
    switch (location.transport) {
      case oci::Transport::oci_layout:
        return read_layout(*open_directory(location.path), location.tag, wanted, cache);
      case oci::Transport::oci_archive:
        return read_layout(*open_tar(location.path), location.tag, wanted, cache);
      case oci::Transport::docker_archive:
        return read_docker(*open_tar(location.path), wanted, cache);
      default:
        fail("it is not an image on disk");
    }
  } catch (const base::Error& error) {
    throw base::Error(error.code(),
                      fmt::format("cannot read {}: {}", oci::to_string(location), error.what()));
  }
}

std::shared_ptr<const tree::Archive> plain_layer(const ImageLayer& layer, Cache& cache,
                                                 const std::string& what) {
  const oci::Digest as_blob{layer.diff_id.hash};
  const base::Hash key =
      base::Sha256().update("plain").update(base::as_bytes(layer.descriptor.digest.hash)).finish();
  const auto known = cache.find_result(key);
  if (known && known->blobs.size() == 1 && known->blobs.front() == as_blob)
    return std::make_shared<const tree::Archive>(tree::Archive{cache.blob_path(as_blob), layer.diff_id.hash});
  const base::Fd fd = base::open_file(layer.path);
  base::FdSource file(fd.get(), what);
  const std::unique_ptr<base::Source> plain = archive::decompress(file, what);
  const oci::Digest got = cache.put_blob(*plain, as_blob, what + " (decompressed)");
  cache.put_result(key, {"base", "", {got}});
  return std::make_shared<const tree::Archive>(tree::Archive{cache.blob_path(got), got.hash});
}

tree::FileTree image_tree(const Image& image, Cache& cache, const std::string& what) {
  tree::FileTree tree;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const std::string name = fmt::format("{}: layer {}", what, i + 1);
    archive::apply_layer(tree, plain_layer(image.layers[i], cache, name), name);
  }
  return tree;
}

}  // namespace minibuild::store
