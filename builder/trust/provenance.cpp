// SLSA provenance v1 (slsa.dev/spec/v1.0/provenance) in an in-toto statement v1.
#include "minibuild/trust/provenance.h"

#include <algorithm>
#include <tuple>

#include "builder/trust/sbom_parts.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

namespace {

using oci::Json;

void add(Json& json, const char* name, const std::string& value) {
  if (!value.empty()) json[name] = value;
}

Json json_of(const Resource& resource) {
  Json json = Json::object();
  add(json, "name", resource.name);
  add(json, "uri", resource.uri);
  if (!resource.digest.empty()) json["digest"] = resource.digest;
  add(json, "downloadLocation", resource.download_location);
  add(json, "mediaType", resource.media_type);
  if (!resource.annotations.empty()) json["annotations"] = resource.annotations;
  return json;
}

Json list_of(std::vector<Resource> resources) {
  const auto key = [](const Resource& r) {
    return std::tie(r.uri, r.name, r.digest, r.download_location, r.media_type, r.annotations);
  };
  std::sort(resources.begin(), resources.end(),
            [&](const Resource& a, const Resource& b) { return key(a) < key(b); });
  resources.erase(std::unique(resources.begin(), resources.end()), resources.end());
  Json list = Json::array();
  for (const Resource& resource : resources) list.push_back(json_of(resource));
  return list;
}

Json predicate_json(const Provenance& provenance) {
  if (provenance.builder.empty()) base::fail("cannot write provenance: it names no builder");
  Json external;
  external["spec"] = provenance.spec;
  add(external, "target", provenance.target);
  external["args"] = provenance.args;
  external["secrets"] = provenance.secrets;
  Json definition;
  definition["buildType"] = slsa_build_type;
  definition["externalParameters"] = external;
  definition["internalParameters"] = {{"platforms", provenance.platforms}, {"version", provenance.version}};
  if (!provenance.open_stages.empty())
    definition["internalParameters"]["stagesWithNetwork"] = provenance.open_stages;
  definition["resolvedDependencies"] = list_of(provenance.dependencies);
  Json details;
  details["builder"]["id"] = provenance.builder;
  details["builder"]["version"]["minibuild"] = provenance.version;
  add(details["metadata"], "invocationId", provenance.invocation);
  details["metadata"]["startedOn"] = base::format_time(provenance.started);
  details["metadata"]["finishedOn"] = base::format_time(provenance.finished);
  if (!provenance.byproducts.empty()) details["byproducts"] = list_of(provenance.byproducts);
  return {{"buildDefinition", definition}, {"runDetails", details}};
}

}  // namespace

Resource resource(std::string name, std::string uri, const oci::Digest& digest) {
  return {std::move(name), std::move(uri), {{"sha256", oci::hex(digest)}}, "", "", {}};
}

std::string provenance_predicate(const Provenance& provenance) {
  return document_text(predicate_json(provenance));
}

std::string provenance_statement(const std::vector<Resource>& subjects, const Provenance& provenance) {
  Json json;
  json["_type"] = "https://in-toto.io/Statement/v1";
  json["subject"] = Json::array();
  for (const Resource& subject : subjects) json["subject"].push_back(json_of(subject));
  json["predicateType"] = slsa_predicate;
  json["predicate"] = predicate_json(provenance);
  return document_text(json);
}

Artifact provenance_artifact(const std::string& statement, const oci::Descriptor& subject, int64_t created) {
  return document_artifact(in_toto_type, statement, subject, created,
                           {{"in-toto.io/predicate-type", std::string(slsa_predicate)}});
}

void hide_secrets(Provenance& provenance, const std::map<std::string, std::string>& secrets) {
  // The longest first: one may be a part of another.
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& [id, value] : secrets)
    if (!value.empty()) values.emplace_back(value, id);
  std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
    return std::tuple(b.first.size(), a.second) < std::tuple(a.first.size(), b.second);
  });
  const auto hide = [&](std::string& text) {
    for (const auto& [value, id] : values) {
      const std::string shown = "[secret " + id + "]";
      for (size_t at = text.find(value); at != std::string::npos; at = text.find(value, at + shown.size()))
        text.replace(at, value.size(), shown);
    }
  };
  const auto hide_all = [&](std::map<std::string, std::string>& map) {
    std::map<std::string, std::string> hidden;
    for (auto& [name, value] : map) {
      std::string key = name;
      hide(key);
      hide(value);
      hidden.emplace(std::move(key), std::move(value));
    }
    map = std::move(hidden);
  };
  hide(provenance.spec);
  hide(provenance.target);
  hide(provenance.invocation);
  hide(provenance.builder);
  hide_all(provenance.args);
  for (auto* list : {&provenance.dependencies, &provenance.byproducts})
    for (Resource& one : *list) {
      hide(one.name);
      hide(one.uri);
      hide(one.download_location);
      hide_all(one.annotations);
    }
}

}  // namespace minibuild::trust
