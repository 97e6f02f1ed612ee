// Manifest, index and config as JSON in one fixed form.
#include "minibuild/oci/image.h"

namespace minibuild::oci {

namespace {

void put(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

void put(Json& json, const char* key, const std::map<std::string, std::string>& values) {
  if (!values.empty()) json[key] = values;
}

void put(Json& json, const char* key, const std::vector<std::string>& values) {
  if (!values.empty()) json[key] = values;
}

void put_set(Json& json, const char* key, const std::vector<std::string>& values) {
  for (const std::string& value : values) json[key][value] = Json::object();
}

}  // namespace

Json json_of(const Descriptor& descriptor) {
  Json json;
  json["mediaType"] = descriptor.media_type;
  json["digest"] = to_string(descriptor.digest);
  json["size"] = descriptor.size;
  if (descriptor.platform) {
    Json platform;
    platform["architecture"] = descriptor.platform->architecture;
    platform["os"] = descriptor.platform->os;
    put(platform, "variant", descriptor.platform->variant);
    json["platform"] = platform;
  }
  put(json, "urls", descriptor.urls);
  put(json, "annotations", descriptor.annotations);
  put(json, "artifactType", descriptor.artifact_type);
  return json;
}

std::string to_json(const Manifest& manifest) {
  Json json;
  json["schemaVersion"] = 2;
  json["mediaType"] = manifest.media_type;
  json["config"] = json_of(manifest.config);
  json["layers"] = Json::array();
  // The platform belongs to the index's entries alone.
  for (const Descriptor& layer : manifest.layers) json["layers"].push_back(json_of(layer));
  put(json, "annotations", manifest.annotations);
  return json.dump();
}

std::string to_json(const ImageIndex& index) {
  Json json;
  json["schemaVersion"] = 2;
  json["mediaType"] = index.media_type;
  json["manifests"] = Json::array();
  for (const Descriptor& entry : index.manifests) json["manifests"].push_back(json_of(entry));
  put(json, "annotations", index.annotations);
  return json.dump();
}

Json json_of(const ImageConfig& config) {
  Json json;
  put(json, "created", config.created);
  put(json, "author", config.author);
  json["architecture"] = config.platform.architecture;
  json["os"] = config.platform.os;
  put(json, "variant", config.platform.variant);
  Json process = Json::object();
  put(process, "User", config.user);
  put_set(process, "ExposedPorts", config.exposed_ports);
  for (const auto& [name, value] : config.env) process["Env"].push_back(name + "=" + value);
  put(process, "Entrypoint", config.entrypoint);
  put(process, "Cmd", config.cmd);
  put_set(process, "Volumes", config.volumes);
  put(process, "WorkingDir", config.working_dir);
  put(process, "Labels", config.labels);
  put(process, "StopSignal", config.stop_signal);
  json["config"] = process;
  Json rootfs;
  rootfs["type"] = "layers";
  rootfs["diff_ids"] = Json::array();
  for (const DiffId& diff_id : config.diff_ids) rootfs["diff_ids"].push_back(to_string(diff_id));
  json["rootfs"] = rootfs;
  for (const History& entry : config.history) {
    Json one = Json::object();
    put(one, "created", entry.created);
    put(one, "created_by", entry.created_by);
    put(one, "author", entry.author);
    put(one, "comment", entry.comment);
    if (entry.empty_layer) one["empty_layer"] = true;
    json["history"].push_back(one);
  }
  return json;
}

std::string to_json(const ImageConfig& config) { return json_of(config).dump(); }

}  // namespace minibuild::oci
