// Reads images from OCI layouts (image-layout.md), archives of them, and what `docker save` writes.
#include <algorithm>
#include <limits>
#include <map>

#include "builder/store/choose.h"
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

void check_config(const oci::ImageConfig& config, const oci::Manifest& manifest) {
  if (config.diff_ids.size() != manifest.layers.size())
    fail("the config has {} diff ids, want {}, one for each layer", config.diff_ids.size(),
         manifest.layers.size());
}

Image read_manifest(const BlobSource& source, const oci::Descriptor& descriptor, std::string json,
                    Cache& cache) {
  const std::string what = "manifest " + oci::to_string(descriptor.digest);
  Image image;
  image.descriptor = descriptor;
  image.manifest_json = std::move(json);
  image.manifest = oci::parse_manifest(image.manifest_json, what);
  image.config_json = read_document(source, image.manifest.config, what);
  image.config =
      oci::parse_config(image.config_json, "config " + oci::to_string(image.manifest.config.digest));
  check_config(image.config, image.manifest);
  for (size_t i = 0; i < image.manifest.layers.size(); ++i)
    if (const std::string& type = image.manifest.layers[i].media_type; !oci::is_layer(type))
      fail("it is not an image: its layer {} has the media type '{}'", i + 1, base::printable(type));
  const std::vector<std::string> paths = source.layers(image.manifest.layers, cache);
  for (size_t i = 0; i < paths.size(); ++i)
    image.layers.push_back(
        {image.manifest.layers[i], image.config.diff_ids[i], paths[i], 0, source.origin()});
  if (!image.descriptor.platform) image.descriptor.platform = image.config.platform;
  return image;
}

// The names of an entry of index.json: its tag, and the whole name that containerd and Docker write.
std::vector<std::string> names_of(const oci::Descriptor& entry) {
  std::vector<std::string> names;
  for (const char* key : {oci::ref_name, containerd_name})
    if (const auto it = entry.annotations.find(key); it != entry.annotations.end() && !it->second.empty())
      names.push_back(it->second);
  return names;
}

bool is_named(const oci::Descriptor& entry, const std::string& tag) {
  for (const std::string& name : names_of(entry))
    if (name == tag || name.ends_with(":" + tag)) return true;
  return oci::to_string(entry.digest) == tag;
}

std::string names_of(const oci::ImageIndex& index) {
  std::vector<std::string> names;
  for (const oci::Descriptor& entry : index.manifests)
    for (const std::string& name : names_of(entry))
      if (!is_attachment_tag(name) && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return base::join(names, ", ");
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

// The images of an index.json that names none of them: they are those of one image for several platforms, as
// several tools write it, if each has a platform of its own.
void refuse_rivals(const BlobSource& source, const std::vector<oci::Descriptor>& entries) {
  std::map<oci::Platform, oci::Digest> seen;
  for (const Candidate& one : candidates_of(source, entries, std::nullopt)) {
    if (!one.other.empty()) continue;
    const oci::Platform platform = oci::normal_form(one.platform.value_or(oci::Platform{}));
    const auto [there, fresh] = seen.emplace(platform, one.descriptor.digest);
    if (!fresh && there->second != one.descriptor.digest)
      fail("its index.json has two images {} and a name for neither, {} and {}; name one by its digest",
           one.platform ? "for " + oci::to_string(platform) : "without a platform",
           oci::to_string(there->second), oci::to_string(one.descriptor.digest));
  }
}

// The entry of index.json that `tag` names: exactly, or as the tag of a full reference, or by its digest;
// without a tag the only one, or all of them if they are named by nothing but their platforms. What belongs
// to an image is none itself, unless it is asked for.
oci::Descriptor choose(const BlobSource& source, const std::string& index_json, const std::string& tag,
                       const std::optional<oci::Platform>& wanted) {
  const oci::ImageIndex index = oci::parse_index(index_json, "index.json");
  const bool any_named =
      std::any_of(index.manifests.begin(), index.manifests.end(), [&](const oci::Descriptor& entry) {
        return !names_of(entry).empty() && !is_attachment_tag(oci::tag_of(entry));
      });
  std::vector<oci::Descriptor> found;
  for (const oci::Descriptor& entry : index.manifests) {
    if (!oci::is_document(entry.media_type) && !entry.media_type.empty()) continue;
    const bool named = !names_of(entry).empty();
    if (tag.empty() && (is_attachment_tag(oci::tag_of(entry)) || (any_named && !named))) continue;
    if ((tag.empty() || is_named(entry, tag)) && std::find(found.begin(), found.end(), entry) == found.end())
      found.push_back(entry);
  }
  if (tag.empty() && !any_named && !same_digests(found))
    std::erase_if(found, [&](const oci::Descriptor& entry) { return has_subject(source, entry); });
  if (found.empty() && tag.empty()) fail("it holds no image");
  if (found.empty() && !any_named)
    fail("it has no image '{}'; its index.json gives its images no names", tag);
  if (found.empty()) fail("it has no image '{}'; its tags are: {}", tag, names_of(index));
  if (same_digests(found)) return found.front();
  if (tag.empty() && !any_named) {
    refuse_rivals(source, found);
    return {std::string(oci::media_type::index), oci::digest_of(index_json), index_json.size(), {}, {}};
  }
  // Several under one name are told apart by their platforms; under several names by a name alone.
  const std::vector<std::string> names = names_of(found.front());
  const bool one_name = std::all_of(found.begin(), found.end(),
                                    [&](const oci::Descriptor& entry) { return names_of(entry) == names; });
  if (!one_name) fail("it holds {} images; name one by its tag: {}", found.size(), names_of(index));
  refuse_rivals(source, found);
  if (!wanted)
    fail("it holds {} images of the name {}; choose one with --platform", found.size(), names.front());
  return image_for(source, found, *wanted);
}

// Of an image that no index says the platform of. What its config leaves out it does not contradict.
void check_platform(const oci::Platform& platform, const std::optional<oci::Platform>& wanted) {
  if (!wanted || platform.architecture.empty() || oci::distance(*wanted, platform)) return;
  oci::Platform any = platform;
  any.variant = wanted->variant;
  if (platform.variant.empty() && oci::distance(*wanted, any)) return;
  fail("it is an image for {}, want {}", oci::to_string(platform), oci::to_string(*wanted));
}

ImageSet read_layout(const BlobSource& source, const std::string& tag,
                     const std::optional<oci::Platform>& wanted, Cache& cache) {
  return read_set(source, find_in_layout(source, tag, wanted), wanted, cache);
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

std::vector<std::string> strings_of(const oci::Json& json, const char* key) {
  std::vector<std::string> texts;
  const auto it = json.find(key);
  if (it == json.end() || !it->is_array()) return texts;
  for (const oci::Json& one : *it)
    if (one.is_string()) texts.push_back(one.get<std::string>());
  return texts;
}

// A name as Docker compares them: with its host and its tag.
std::string whole_name(const std::string& name) {
  try {
    oci::Reference reference = oci::parse_reference(name);
    if (reference.host.empty()) {
      reference.host = "docker.io";
      if (reference.repository.find('/') == std::string::npos)
        reference.repository = "library/" + reference.repository;
    }
    if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
    return oci::to_string(reference);
  } catch (const base::Error&) {
    return name;
  }
}

// The entry of manifest.json that is meant: by one of its names, or the only one.
const oci::Json& choose_saved(const oci::Json& list, const std::string& name) {
  if (!list.is_array() || list.empty()) fail("its manifest.json holds no image");
  std::vector<std::string> names;
  for (const oci::Json& entry : list) {
    if (!entry.is_object()) fail("its manifest.json holds something that is not an image");
    for (const std::string& one : strings_of(entry, "RepoTags")) {
      if (!name.empty() && whole_name(one) == whole_name(name)) return entry;
      names.push_back(base::printable(one));
    }
  }
  if (name.empty() && list.size() == 1) return list.front();
  const std::string have =
      names.empty() ? "none of them has a name" : "their names are: " + base::join(names, ", ");
  if (name.empty() && names.empty()) fail("it holds {} images, and {}", list.size(), have);
  if (name.empty())
    fail("it holds {} images; {}; name one after the file, such as FILE:{}", list.size(), have,
         names.front());
  fail("it has no image '{}'; {}", name, have);
}

// `docker save`: manifest.json names config and layers; the manifest is made here.
ImageSet read_docker(const BlobSource& source, const std::string& name,
                     const std::optional<oci::Platform>& wanted, Cache& cache) {
  const auto text = source.file("manifest.json", oci::max_json_size);
  if (!text) fail("it has no manifest.json, so it is not what 'docker save' writes");
  const oci::Json list = oci::parse_json(*text, "manifest.json");
  const oci::Json& entry = choose_saved(list, name);
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
  for (const oci::Json& layer : entry["Layers"]) {
    if (!layer.is_string()) fail("its manifest.json has a layer that is not a name");
    oci::Digest digest;
    const std::string path = source.blob(layer.get<std::string>(), std::nullopt, cache, &digest);
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
  check_platform(image.config.platform, wanted);
  ImageSet set;
  set.images.push_back(std::move(image));
  set.names = strings_of(entry, "RepoTags");
  return set;
}

// `descriptor` is a manifest, or an index of which all images, or the one for `wanted`, are read; which of
// them it is its bytes say. True if it is an index.
bool read_below(const BlobSource& source, const oci::Descriptor& descriptor,
                const std::optional<oci::Platform>& wanted, Cache& cache, ImageSet& set, std::string& json,
                int depth) {
  if (depth > max_index_depth) fail("its indexes are more than {} deep", max_index_depth);
  const std::string what = oci::to_string(descriptor.digest);
  json = read_document(source, descriptor, "");
  const oci::Json document =
      oci::parse_json(json, (oci::is_index(descriptor.media_type) ? "index " : "manifest ") + what);
  if (oci::kind_of(document) != oci::Kind::index) {
    if (const std::string other = other_than_image(source, descriptor, document); !other.empty()) {
      if (depth == 0 || wanted) fail("it is {}, not an image", other);
      return false;
    }
    set.images.push_back(read_manifest(source, descriptor, json, cache));
    return false;
  }
  const std::vector<oci::Descriptor> images =
      wanted ? std::vector{find_for_platform(source, descriptor, *wanted)}
             : images_of(candidates_of(source, oci::parse_index(json, "index " + what).manifests, {}));
  for (const oci::Descriptor& image : images) {
    std::string inner;
    read_below(source, image, wanted, cache, set, inner, depth + 1);
  }
  return true;
}

}  // namespace

const oci::Descriptor& top_of(const ImageSet& set) {
  return set.index ? *set.index : set.images.front().descriptor;
}

const Image* image_for(const ImageSet& set, const oci::Platform& wanted) {
  const Image* nearest = nullptr;
  int best = std::numeric_limits<int>::max();
  for (const Image& image : set.images) {
    const std::optional<int> far =
        oci::distance(wanted, image.descriptor.platform.value_or(image.config.platform));
    if (!far || *far >= best) continue;
    best = *far;
    nearest = &image;
  }
  return nearest;
}

oci::Descriptor find_in_layout(const BlobSource& source, const std::string& tag,
                               const std::optional<oci::Platform>& wanted) {
  const auto marker = source.file("oci-layout", 4096);
  if (!marker) fail("it has no file 'oci-layout', so it is not an OCI image layout");
  const oci::Json version = oci::parse_json(*marker, "oci-layout");
  if (!version.is_object() || !version.contains("imageLayoutVersion") ||
      version["imageLayoutVersion"] != "1.0.0")
    fail("its file 'oci-layout' does not say imageLayoutVersion 1.0.0");
  const auto index = source.file("index.json", oci::max_json_size);
  if (!index) fail("it has no index.json");
  return choose(source, *index, tag, wanted);
}

oci::Descriptor find_for_platform(const BlobSource& source, const oci::Descriptor& top,
                                  const oci::Platform& wanted) {
  const oci::Json document = oci::parse_json(read_document(source, top, ""), oci::to_string(top.digest));
  // It is meant by its name; what is said of it beside that decides nothing.
  oci::Descriptor bare = top;
  bare.platform.reset();
  bare.media_type.clear();
  if (oci::kind_of(document) != oci::Kind::index) {
    const Candidate image = candidates_of(source, {bare}, std::nullopt).front();
    if (!image.other.empty()) fail("it is {}, not an image for {}", image.other, oci::to_string(wanted));
    check_platform(image.platform.value_or(oci::Platform{}), wanted);
    return top;
  }
  return image_for(source, {bare}, wanted);
}

ImageSet read_set(const BlobSource& source, const oci::Descriptor& top,
                  const std::optional<oci::Platform>& wanted, Cache& cache) {
  ImageSet set;
  std::string json;
  if (!read_below(source, top, wanted, cache, set, json, 0)) {
    check_platform(set.images.front().config.platform, wanted);
    return set;
  }
  if (set.images.empty()) fail("its index holds no image");
  set.index = top;
  set.index_json = std::move(json);
  return set;
}

ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                    Cache& cache) {
  try {
    switch (location.transport) {
      case oci::Transport::oci_layout:
        return read_layout(*open_directory(location.path), location.tag, wanted, cache);
      case oci::Transport::oci_archive:
        return read_layout(*open_tar(location.path, cache), location.tag, wanted, cache);
      case oci::Transport::docker_archive:
        return read_docker(*open_tar(location.path, cache), location.tag, wanted, cache);
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
