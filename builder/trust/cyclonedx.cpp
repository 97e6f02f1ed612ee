// CycloneDX 1.6 as JSON (ECMA-424), with the properties by which trivy knows source packages.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "builder/trust/licenses.h"
#include "builder/trust/sbom_parts.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::trust {

namespace {

using oci::Json;

Json hash(const char* algorithm, const std::string& hex) { return {{"alg", algorithm}, {"content", hex}}; }

void add_property(Json& list, const std::string& name, const std::string& value) {
  if (!value.empty()) list.push_back({{"name", name}, {"value", value}});
}

// A list of licenses that all hold, or one expression: the schema allows no mixture.
Json licenses_of(const std::vector<License>& licenses) {
  Json list = Json::array();
  const auto is_name = [](const License& license) {
    return license.names.size() == 1 && license.names.begin()->first == license.expression;
  };
  const auto is_simple = [&](const License& license) {
    return is_name(license) || spdx_license(license.expression) == license.expression;
  };
  if (!std::all_of(licenses.begin(), licenses.end(), is_simple)) {
    list.push_back({{"expression", joined_expression(licenses)}});
    return list;
  }
  for (const License& license : licenses) {
    Json one =
        is_name(license) ? Json{{"name", license.names.begin()->second}} : Json{{"id", license.expression}};
    one["acknowledgement"] = "declared";
    list.push_back({{"license", one}});
  }
  return list;
}

std::string reference_of(const CopiedFile& file) { return "file:" + shown_path(file.path); }

class CycloneDocument {
 public:
  CycloneDocument(const ImageIdentity& image, const Components& components, const std::string& version)
      : image_(image), components_(components), version_(version) {}

  std::string text() {
    root_ = image_url(image_.name, image_.tag, image_.digest, image_.platform);
    owner_ = root_;
    depends_[root_];
    add_system();
    for (const PackageComponent& component : components_.packages) add(component);
    for (const auto& [url, part] : parts_of(components_)) add(part);
    for (const CopiedFile& file : components_.files) add(file);
    Json json;
    json["$schema"] = "http://cyclonedx.org/schema/bom-1.6.schema.json";
    json["bomFormat"] = "CycloneDX";
    json["specVersion"] = "1.6";
    json["serialNumber"] = "";
    json["version"] = 1;
    json["metadata"]["timestamp"] = base::format_time(image_.created);
    json["metadata"]["tools"]["components"] =
        Json::array({{{"type", "application"}, {"name", "minibuild"}, {"version", version_}}});
    json["metadata"]["component"] = image_json();
    json["components"] = list_;
    json["dependencies"] = Json::array();
    for (const auto& [reference, others] : depends_)
      json["dependencies"].push_back({{"ref", reference}, {"dependsOn", others}});
    json["serialNumber"] = uuid_urn(document_text(json));
    return document_text(json);
  }

 private:
  Json image_json() const {
    Json json{{"type", "container"}, {"bom-ref", root_}};
    json["name"] = image_.name;
    json["version"] = oci::to_string(image_.digest);
    json["purl"] = root_;
    if (const std::string url = base_url(image_); !url.empty())
      json["pedigree"]["ancestors"] = Json::array({{{"type", "container"},
                                                    {"bom-ref", "base:" + url},
                                                    {"name", image_.base_name},
                                                    {"version", image_.base_digest},
                                                    {"purl", url}}});
    json["properties"] = Json::array({{{"name", "aquasecurity:trivy:SchemaVersion"}, {"value", "2"}}});
    return json;
  }

  // False if the document has it already.
  bool add(Json component, const std::string& reference, const std::string& below) {
    if (!depends_.emplace(reference, std::set<std::string>()).second) return false;
    depends_[below].insert(reference);
    list_.push_back(std::move(component));
    return true;
  }

  void add_system() {
    const OperatingSystem& os = components_.os;
    if (os.id.empty()) return;
    owner_ =
        "os:" + base::printable(os.id) + (os.version_id.empty() ? "" : "-" + base::printable(os.version_id));
    Json json{{"type", "operating-system"}, {"bom-ref", owner_}, {"name", base::printable(os.id)}};
    if (!os.version_id.empty()) json["version"] = base::printable(os.version_id);
    if (!os.name.empty()) json["description"] = base::printable(os.name);
    Json properties = Json::array();
    add_property(properties, "aquasecurity:trivy:Class", "os-pkgs");
    add_property(properties, "aquasecurity:trivy:Type", base::printable(os.id));
    json["properties"] = properties;
    add(json, owner_, root_);
  }

  void add(const PackageComponent& component) {
    const InstalledPackage& package = component.package;
    Json json{{"type", "library"}, {"bom-ref", component.url}};
    if (const size_t open = component.maintainer.find('<'); !component.maintainer.empty()) {
      const std::string name(base::trim(std::string_view(component.maintainer).substr(0, open)));
      if (!name.empty()) json["supplier"] = {{"name", name}};
    }
    json["name"] = package.name;
    json["version"] = package.version;
    if (!component.summary.empty()) json["description"] = component.summary;
    if (!component.licenses.empty()) json["licenses"] = licenses_of(component.licenses);
    json["purl"] = component.url;
    Json links = Json::array();
    if (!component.homepage.empty()) links.push_back({{"type", "website"}, {"url", component.homepage}});
    if (!component.download.empty()) {
      Json link{{"type", "distribution"}, {"url", component.download}};
      if (component.download_digest)
        link["hashes"] = Json::array({hash("SHA-256", oci::hex(*component.download_digest))});
      links.push_back(link);
    }
    if (!links.empty()) json["externalReferences"] = links;
    const SourceVersion source = source_version(package);
    Json properties = Json::array();
    add_property(properties, "aquasecurity:trivy:PkgID", package.name + "@" + package.version);
    add_property(properties, "aquasecurity:trivy:PkgType", base::printable(components_.os.id));
    add_property(properties, "aquasecurity:trivy:SrcEpoch", source.epoch);
    add_property(properties, "aquasecurity:trivy:SrcName", package.source);
    add_property(properties, "aquasecurity:trivy:SrcRelease", source.release);
    add_property(properties, "aquasecurity:trivy:SrcVersion", source.version);
    json["properties"] = properties;
    add(json, component.url, owner_);
  }

  void add(const Part& part) {
    Json json{{"type", "library"}, {"bom-ref", part.module.url}, {"name", part.module.name}};
    if (!part.module.version.empty()) json["version"] = part.module.version;
    json["purl"] = part.module.url;
    Json properties = Json::array();
    add_property(properties, "minibuild:go.sum", part.module.sum);
    add_property(properties, "aquasecurity:trivy:PkgType",
                 part.kind == "golang"  ? "gobinary"
                 : part.kind == "cargo" ? "rustbinary"
                                        : "");
    if (!properties.empty()) json["properties"] = properties;
    add(json, part.module.url, root_);
    depends_[root_].erase(part.module.url);  // the files depend on it
  }

  void add(const CopiedFile& file) {
    const std::string reference = reference_of(file);
    Json json{{"type", file.build ? "application" : "file"}, {"bom-ref", reference}};
    json["name"] = shown_path(file.path);
    json["hashes"] = Json::array({hash("SHA-1", file.sha1), hash("SHA-256", file.sha256)});
    Json properties = Json::array();
    if (file.build) {
      const bool go = file.build->language == ProgramBuild::Language::go;
      add_property(properties, "aquasecurity:trivy:Class", "lang-pkgs");
      add_property(properties, "aquasecurity:trivy:Type", go ? "gobinary" : "rustbinary");
      add_property(properties, "minibuild:toolchain", file.build->toolchain);
    }
    add_property(properties, "minibuild:build-id", file.build_id);
    if (!properties.empty()) json["properties"] = properties;
    if (!add(json, reference, root_)) return;
    std::set<std::string>& others = depends_[reference];
    if (file.note) others.insert(file.note->url);
    if (!file.build) return;
    if (file.build->main) others.insert(file.build->main->url);
    for (const Module& module : file.build->modules) others.insert(module.url);
  }

  const ImageIdentity& image_;
  const Components& components_;
  const std::string& version_;
  std::string root_;
  std::string owner_;  // of the distribution's packages
  std::map<std::string, std::set<std::string>> depends_;
  Json list_ = Json::array();
};

}  // namespace

std::string to_cyclonedx(const ImageIdentity& image, const Components& components,
                         const std::string& version) {
  return CycloneDocument(image, components, version).text();
}

}  // namespace minibuild::trust
