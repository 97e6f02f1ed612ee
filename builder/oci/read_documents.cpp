// Manifest, index and config from JSON that nobody vouches for.
#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/image.h"

namespace minibuild::oci {

namespace {

constexpr size_t max_layers = 1000;
constexpr size_t max_manifests = 10'000;

// One object of a document, with messages that say where in it something is wrong.
class Object {
 public:
  Object(const Json& json, std::string what) : json_(json), what_(std::move(what)) {
    if (!json_.is_object()) fail("it is not an object");
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    base::fail("cannot read {}: {}", what_, fmt::format(format, std::forward<Args>(args)...));
  }

  // Null counts as absent: Docker writes it for empty lists.
  const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) fail("'{}' is not a string", key);
    return value->get<std::string>();
  }

  std::string needed_text(const char* key) const {
    if (find(key) == nullptr) fail("'{}' is missing", key);
    return text(key);
  }

  // A field that only describes: what is no string says nothing.
  std::string description(const char* key) const {
    const Json* value = find(key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  }

  // A null among them is an empty string, as it is to Go's readers.
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_array()) fail("'{}' is not a list", key);
    for (const Json& one : *value) {
      if (!one.is_string() && !one.is_null()) fail("'{}' holds something that is not a string", key);
      out.push_back(one.is_null() ? std::string() : one.get<std::string>());
    }
    return out;
  }

  // Labels and annotations: a null is an empty string, as it is to Go's readers; what is no text says
  // nothing.
  std::map<std::string, std::string> descriptions(const char* key) const {
    std::map<std::string, std::string> out;
    const Json* value = find(key);
    if (value == nullptr || !value->is_object()) return out;
    for (const auto& [name, one] : value->items()) {
      if (one.is_string()) out[name] = one.get<std::string>();
      if (one.is_null()) out[name] = "";
    }
    return out;
  }

  // The keys of an object used as a set.
  std::vector<std::string> keys(const char* key) const {
    std::vector<std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_object()) fail("'{}' is not an object", key);
    for (const auto& [name, one] : value->items()) out.push_back(name);
    std::sort(out.begin(), out.end());
    return out;
  }

  const Json& list(const char* key, size_t limit) const {
    const Json* value = find(key);
    if (value == nullptr) fail("'{}' is missing", key);
    if (!value->is_array()) fail("'{}' is not a list", key);
    if (value->size() > limit) fail("'{}' has {} entries, want at most {}", key, value->size(), limit);
    return *value;
  }

  const std::string& what() const { return what_; }

 private:
  const Json& json_;
  std::string what_;
};

Platform read_platform(const Json& json, const std::string& what) {
  const Object object(json, what);
  Platform platform{object.description("os"), object.description("architecture"),
                    object.description("variant")};
  if (platform.os.empty() && !platform.architecture.empty()) platform.os = "linux";
  return platform;
}

Descriptor read_descriptor(const Json& json, const std::string& what) {
  const Object object(json, what);
  Descriptor descriptor;
  descriptor.media_type = object.text("mediaType");
  descriptor.digest = parse_digest(object.needed_text("digest"), what);
  const Json* size = object.find("size");
  if (size == nullptr) object.fail("'size' is missing");
  if (!size->is_number_integer() || (!size->is_number_unsigned() && size->get<int64_t>() < 0) ||
      (size->is_number_unsigned() && size->get<uint64_t>() > INT64_MAX))
    object.fail("'size' is not a number of bytes");
  descriptor.size = size->get<uint64_t>();
  // Without a name of a machine it says nothing.
  if (const Json* platform = object.find("platform"); platform != nullptr && platform->is_object()) {
    descriptor.platform = read_platform(*platform, what + ", platform");
    if (descriptor.platform->os.empty() && descriptor.platform->architecture.empty())
      descriptor.platform.reset();
  }
  descriptor.annotations = object.descriptions("annotations");
  descriptor.artifact_type = object.description("artifactType");
  if (const Json* urls = object.find("urls"); urls != nullptr && urls->is_array())
    for (const Json& url : *urls)
      if (url.is_string()) descriptor.urls.push_back(url.get<std::string>());
  return descriptor;
}

// Only a type that says that it is the other kind of document makes one ambiguous (CVE-2021-41190).
std::string read_media_type(const Object& object, bool (*other)(std::string_view), std::string_view want) {
  const Json* version = object.find("schemaVersion");
  if (version == nullptr || !version->is_number_integer() || *version != 2)
    object.fail("its schemaVersion is not 2");
  std::string type = object.description("mediaType");
  if (other(type)) object.fail("it says mediaType '{}', want '{}'", type, want);
  return type.empty() ? std::string(want) : type;
}

}  // namespace

Descriptor parse_descriptor(const Json& json, std::string_view what) {
  return read_descriptor(json, std::string(what));
}

Manifest parse_manifest(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  Manifest manifest;
  manifest.media_type = read_media_type(object, is_index, media_type::manifest);
  for (const char* foreign : {"manifests", "fsLayers", "history"})
    if (object.find(foreign) != nullptr)
      object.fail("it holds '{}', which is not part of a manifest", foreign);
  if (object.find("config") == nullptr) object.fail("'config' is missing");
  manifest.config = read_descriptor(*object.find("config"), object.what() + ", config");
  size_t number = 0;
  for (const Json& layer : object.list("layers", max_layers))
    manifest.layers.push_back(read_descriptor(layer, fmt::format("{}, layer {}", what, ++number)));
  manifest.annotations = object.descriptions("annotations");
  return manifest;
}

ImageIndex parse_index(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  ImageIndex index;
  index.media_type = read_media_type(object, is_manifest, media_type::index);
  for (const char* foreign : {"layers", "config", "fsLayers"})
    if (object.find(foreign) != nullptr) object.fail("it holds '{}', which is not part of an index", foreign);
  size_t number = 0;
  for (const Json& entry : object.list("manifests", max_manifests))
    index.manifests.push_back(read_descriptor(entry, fmt::format("{}, entry {}", what, ++number)));
  index.annotations = object.descriptions("annotations");
  return index;
}

namespace {

void read_process(const Object& object, ImageConfig& config) {
  config.user = object.text("User");
  config.exposed_ports = object.keys("ExposedPorts");
  for (const std::string& entry : object.texts("Env")) {
    // What is not NAME=VALUE sets nothing wherever the image is run.
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    config.env.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  config.entrypoint = object.texts("Entrypoint");
  config.cmd = object.texts("Cmd");
  config.volumes = object.keys("Volumes");
  config.working_dir = object.text("WorkingDir");
  config.labels = object.descriptions("Labels");
  config.stop_signal = object.text("StopSignal");
}

// History describes and decides nothing: entries that are none are left out.
std::vector<History> read_history(const Object& config) {
  std::vector<History> history;
  const Json* list = config.find("history");
  if (list == nullptr || !list->is_array()) return history;
  for (const Json& json : *list) {
    if (!json.is_object()) continue;
    const Object object(json, config.what() + ", history");
    const Json* empty = object.find("empty_layer");
    history.push_back({object.description("created"), object.description("created_by"),
                       object.description("author"), object.description("comment"),
                       empty != nullptr && empty->is_boolean() && empty->get<bool>()});
  }
  return history;
}

}  // namespace

ImageConfig parse_config(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  ImageConfig config;
  config.created = object.description("created");
  config.author = object.description("author");
  config.platform = {object.description("os"), object.description("architecture"),
                     object.description("variant")};
  if (config.platform.os.empty()) config.platform.os = "linux";
  if (const Json* process = object.find("config"))
    read_process(Object(*process, object.what() + ", config"), config);
  if (object.find("rootfs") == nullptr) object.fail("'rootfs' is missing");
  const Object rootfs(*object.find("rootfs"), object.what() + ", rootfs");
  if (rootfs.find("diff_ids") != nullptr)
    for (const Json& one : rootfs.list("diff_ids", max_layers)) {
      if (!one.is_string()) rootfs.fail("'diff_ids' holds something that is not a string");
      config.diff_ids.push_back(parse_diff_id(one.get<std::string>(), what));
    }
  config.history = read_history(object);
  return config;
}

std::string tag_of(const Descriptor& entry) {
  const auto it = entry.annotations.find(ref_name);
  return it == entry.annotations.end() ? "" : it->second;
}

bool is_index(std::string_view type) { return type == media_type::index || type == media_type::docker_list; }
bool is_manifest(std::string_view type) {
  return type == media_type::manifest || type == media_type::docker_manifest;
}
bool is_layer(std::string_view type) {
  // Which compression a layer has, its own first bytes say.
  for (const std::string_view start :
       {"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar"})
    if (type.starts_with(start)) return !type.ends_with("+encrypted");
  return false;
}
bool is_document(std::string_view type) {
  return is_index(type) || is_manifest(type) || type == "application/vnd.oci.artifact.manifest.v1+json" ||
         type == "application/vnd.cncf.oras.artifact.manifest.v1+json" ||
         type.starts_with("application/vnd.docker.distribution.manifest.v1+");
}
bool is_image_config(std::string_view type) {
  return type == media_type::config || type == media_type::docker_config;
}

Kind kind_of(const Json& document) {
  if (!document.is_object()) return Kind::other;
  const auto list = [&](const char* key) {
    const auto it = document.find(key);
    return it != document.end() && it->is_array();
  };
  // What could be both is refused by the one that it says to be.
  const bool layers = list("layers") || list("blobs");
  const auto type = document.find("mediaType");
  const bool says_manifest =
      type != document.end() && type->is_string() && is_manifest(type->get<std::string>());
  if (list("manifests") && !(layers && says_manifest)) return Kind::index;
  return layers ? Kind::manifest : Kind::other;
}

}  // namespace minibuild::oci
