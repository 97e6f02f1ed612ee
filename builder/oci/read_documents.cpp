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

  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_array()) fail("'{}' is not a list", key);
    for (const Json& one : *value) {
      if (!one.is_string()) fail("'{}' holds something that is not a string", key);
      out.push_back(one.get<std::string>());
    }
    return out;
  }

  std::map<std::string, std::string> text_map(const char* key) const {
    std::map<std::string, std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_object()) fail("'{}' is not an object", key);
    for (const auto& [name, one] : value->items()) {
      if (!one.is_string()) fail("'{}' holds something that is not a string", key);
      out[name] = one.get<std::string>();
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
  return {object.text("os"), object.text("architecture"), object.text("variant")};
}

Descriptor read_descriptor(const Json& json, const std::string& what) {
  const Object object(json, what);
  Descriptor descriptor;
  descriptor.media_type = object.needed_text("mediaType");
  descriptor.digest = parse_digest(object.needed_text("digest"), what);
  const Json* size = object.find("size");
  if (size == nullptr) object.fail("'size' is missing");
  if (!size->is_number_integer() || (!size->is_number_unsigned() && size->get<int64_t>() < 0) ||
      (size->is_number_unsigned() && size->get<uint64_t>() > INT64_MAX))
    object.fail("'size' is not a number of bytes");
  descriptor.size = size->get<uint64_t>();
  if (const Json* platform = object.find("platform"))
    descriptor.platform = read_platform(*platform, what + ", platform");
  descriptor.annotations = object.text_map("annotations");
  return descriptor;
}

void check_version(const Object& object, std::string_view oci_type, std::string_view docker_type) {
  const Json* version = object.find("schemaVersion");
  if (version == nullptr || !version->is_number_integer() || *version != 2)
    object.fail("its schemaVersion is not 2");
  const std::string type = object.text("mediaType");
  if (!type.empty() && type != oci_type && type != docker_type)
    object.fail("it says mediaType '{}', want '{}'", base::printable(type.substr(0, 100)), oci_type);
}

}  // namespace

Manifest parse_manifest(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  check_version(object, media_type::manifest, media_type::docker_manifest);
  for (const char* foreign : {"manifests", "fsLayers", "history"})
    if (object.find(foreign) != nullptr)
      object.fail("it holds '{}', which is not part of a manifest", foreign);
  Manifest manifest;
  if (const std::string type = object.text("mediaType"); !type.empty()) manifest.media_type = type;
  if (object.find("config") == nullptr) object.fail("'config' is missing");
  manifest.config = read_descriptor(*object.find("config"), object.what() + ", config");
  size_t number = 0;
  for (const Json& layer : object.list("layers", max_layers))
    manifest.layers.push_back(read_descriptor(layer, fmt::format("{}, layer {}", what, ++number)));
  manifest.annotations = object.text_map("annotations");
  return manifest;
}

ImageIndex parse_index(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  check_version(object, media_type::index, media_type::docker_list);
  for (const char* foreign : {"layers", "config", "fsLayers"})
    if (object.find(foreign) != nullptr) object.fail("it holds '{}', which is not part of an index", foreign);
  ImageIndex index;
  if (const std::string type = object.text("mediaType"); !type.empty()) index.media_type = type;
  size_t number = 0;
  for (const Json& entry : object.list("manifests", max_manifests))
    index.manifests.push_back(read_descriptor(entry, fmt::format("{}, entry {}", what, ++number)));
  index.annotations = object.text_map("annotations");
  return index;
}

namespace {

void read_process(const Object& object, ImageConfig& config) {
  config.user = object.text("User");
  config.exposed_ports = object.keys("ExposedPorts");
  for (const std::string& entry : object.texts("Env")) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0)
      object.fail("'Env' holds '{}', want NAME=VALUE", base::printable(entry.substr(0, 100)));
    config.env.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  config.entrypoint = object.texts("Entrypoint");
  config.cmd = object.texts("Cmd");
  config.volumes = object.keys("Volumes");
  config.working_dir = object.text("WorkingDir");
  config.labels = object.text_map("Labels");
  config.stop_signal = object.text("StopSignal");
}

History read_history(const Json& json, const std::string& what) {
  const Object object(json, what);
  History entry{object.text("created"), object.text("created_by"), object.text("author"),
                object.text("comment"), false};
  if (const Json* empty = object.find("empty_layer")) {
    if (!empty->is_boolean()) object.fail("'empty_layer' is not true or false");
    entry.empty_layer = empty->get<bool>();
  }
  return entry;
}

}  // namespace

ImageConfig parse_config(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what);
  const Object object(json, std::string(what));
  ImageConfig config;
  config.created = object.text("created");
  config.author = object.text("author");
  config.platform = {object.needed_text("os"), object.needed_text("architecture"), object.text("variant")};
  if (const Json* process = object.find("config"))
    read_process(Object(*process, object.what() + ", config"), config);
  if (object.find("rootfs") == nullptr) object.fail("'rootfs' is missing");
  const Object rootfs(*object.find("rootfs"), object.what() + ", rootfs");
  if (rootfs.text("type") != "layers")
    rootfs.fail("its type is '{}', want 'layers'", base::printable(rootfs.text("type")));
  if (rootfs.find("diff_ids") != nullptr)
    for (const Json& one : rootfs.list("diff_ids", max_layers)) {
      if (!one.is_string()) rootfs.fail("'diff_ids' holds something that is not a string");
      config.diff_ids.push_back(parse_diff_id(one.get<std::string>(), what));
    }
  if (object.find("history") != nullptr) {
    size_t number = 0;
    for (const Json& one : object.list("history", max_manifests))
      config.history.push_back(read_history(one, fmt::format("{}, history {}", what, ++number)));
  }
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
  return type == media_type::layer || type == media_type::layer_gzip || type == media_type::layer_zstd ||
         type == media_type::docker_layer || type == media_type::docker_layer_gzip ||
         type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar");
}

}  // namespace minibuild::oci
