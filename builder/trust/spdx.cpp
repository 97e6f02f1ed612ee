// SPDX 2.3 as JSON (spdx-spec v2.3, clauses 6 to 11; schema of the tag v2.3).
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "builder/trust/sbom_parts.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::trust {

namespace {

using oci::Json;

// What an SPDX identifier may hold (3.2): letters, digits, `.` and `-`.
std::string id_of(std::string_view kind, std::string_view name, std::string_view unique) {
  std::string id = fmt::format("SPDXRef-{}-", kind);
  for (const char c : name.substr(0, 80)) {
    const bool plain = base::is_alphanumeric(c) || c == '.' || c == '-';
    id += plain ? c : '-';
  }
  return id + "-" + short_hash(unique);
}

std::string id_of(const PackageComponent& component) {
  return id_of(component.package.format == packages::Format::deb ? "Package-deb" : "Package-apk",
               component.package.name, component.url);
}
std::string id_of(const Part& part) {
  return id_of("Package-" + part.kind, part.module.name, part.module.url);
}
std::string id_of(const CopiedFile& file) { return id_of("File", tree::name_of(file.path), file.path); }

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  if (::EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, ::EVP_sha1(), nullptr) != 1)
    base::fail("cannot compute a SHA-1");
  return base::to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), size));
}

Json package_json(const std::string& id, const std::string& name, const std::string& version) {
  Json json;
  json["SPDXID"] = id;
  json["name"] = name;
  if (!version.empty()) json["versionInfo"] = version;
  json["downloadLocation"] = "NOASSERTION";
  json["filesAnalyzed"] = false;
  json["licenseConcluded"] = "NOASSERTION";
  json["licenseDeclared"] = "NOASSERTION";
  json["copyrightText"] = "NOASSERTION";
  return json;
}

void add_url(Json& package, const std::string& url) {
  package["externalRefs"] = Json::array(
      {{{"referenceCategory", "PACKAGE-MANAGER"}, {"referenceType", "purl"}, {"referenceLocator", url}}});
}

Json checksum(const char* algorithm, const std::string& hex) {
  return {{"algorithm", algorithm}, {"checksumValue", hex}};
}

// `Organization: NAME (EMAIL)` (7.5) of `NAME <EMAIL>`. Nobody tells whether a maintainer is one person.
std::string supplier_of(const std::string& maintainer) {
  const size_t open = maintainer.find('<');
  const std::string name(base::trim(std::string_view(maintainer).substr(0, open)));
  if (name.empty()) return "NOASSERTION";
  std::string email;
  if (open != std::string::npos) email = maintainer.substr(open + 1, maintainer.find('>') - open - 1);
  const bool plain = name.find_first_of("()") == std::string::npos;
  return "Organization: " + name + (email.empty() || !plain ? "" : " (" + email + ")");
}

class SpdxDocument {
 public:
  SpdxDocument(const ImageIdentity& image, const Components& components, const std::string& version)
      : image_(image), components_(components), version_(version) {}

  std::string text() {
    root_ = id_of("ContainerImage", tree::name_of(image_.name), oci::to_string(image_.digest));
    relate("SPDXRef-DOCUMENT", "DESCRIBES", root_);
    add_image();
    add_system();
    for (const PackageComponent& component : components_.packages) add(component);
    for (const auto& [url, part] : parts_of(components_)) add(part);
    add_files();
    Json json;
    json["spdxVersion"] = "SPDX-2.3";
    json["dataLicense"] = "CC0-1.0";
    json["SPDXID"] = "SPDXRef-DOCUMENT";
    json["name"] = image_.name + (image_.tag.empty() ? "" : ":" + image_.tag);
    json["documentNamespace"] = "";
    json["creationInfo"] = {{"created", base::format_time(image_.created)},
                            {"creators", Json::array({"Tool: minibuild-" + version_})}};
    json["packages"] = packages_;
    if (!files_.empty()) json["files"] = files_;
    if (!names_.empty()) json["hasExtractedLicensingInfos"] = license_texts();
    json["relationships"] = relationships_;
    json["documentNamespace"] = uuid_urn(document_text(json));
    return document_text(json);
  }

 private:
  void relate(const std::string& from, const char* type, const std::string& to) {
    relationships_.push_back(
        {{"spdxElementId", from}, {"relationshipType", type}, {"relatedSpdxElement", to}});
  }

  void add_image() {
    Json json = package_json(root_, image_.name, oci::to_string(image_.digest));
    json["primaryPackagePurpose"] = "CONTAINER";
    json["checksums"] = Json::array({checksum("SHA256", oci::hex(image_.digest))});
    add_url(json, image_url(image_.name, image_.tag, image_.digest, image_.platform));
    packages_.push_back(json);
    if (const std::string url = base_url(image_); !url.empty()) {
      const std::string id = id_of("BaseImage", tree::name_of(image_.base_name), url);
      Json base = package_json(id, image_.base_name, image_.base_digest);
      base["primaryPackagePurpose"] = "CONTAINER";
      base["checksums"] = Json::array({checksum("SHA256", image_.base_digest.substr(7))});
      add_url(base, url);
      packages_.push_back(base);
      relate(root_, "DESCENDANT_OF", id);
    }
  }

  void add_system() {
    const OperatingSystem& os = components_.os;
    owner_ = root_;
    if (os.id.empty()) return;
    owner_ = id_of("OperatingSystem", os.id, os.id + "\n" + os.version_id);
    Json json = package_json(owner_, base::printable(os.id), base::printable(os.version_id));
    if (!os.name.empty()) json["description"] = base::printable(os.name);
    json["primaryPackagePurpose"] = "OPERATING_SYSTEM";
    packages_.push_back(json);
    relate(root_, "CONTAINS", owner_);
  }

  void add(const PackageComponent& component) {
    const InstalledPackage& package = component.package;
    const std::string id = id_of(component);
    if (!ids_.insert(id).second) return;
    Json json = package_json(id, package.name, package.version);
    json["supplier"] = supplier_of(component.maintainer);
    if (!component.download.empty()) json["downloadLocation"] = component.download;
    if (component.download_digest)
      json["checksums"] = Json::array({checksum("SHA256", oci::hex(*component.download_digest))});
    if (!component.homepage.empty()) json["homepage"] = component.homepage;
    json["sourceInfo"] = fmt::format("built package from: {} {}", package.source, package.source_version);
    if (!component.licenses.empty()) json["licenseDeclared"] = joined_expression(component.licenses);
    if (!component.license_comment.empty()) json["licenseComments"] = component.license_comment;
    if (!component.summary.empty()) json["summary"] = component.summary;
    json["primaryPackagePurpose"] = "LIBRARY";
    add_url(json, component.url);
    packages_.push_back(json);
    relate(owner_, "CONTAINS", id);
    for (const License& license : component.licenses)
      for (const auto& [reference, name] : license.names) names_[reference].insert(name);
  }

  void add(const Part& part) {
    Json json = package_json(id_of(part), part.module.name, part.module.version);
    if (!part.module.sum.empty()) json["comment"] = "go.sum: " + part.module.sum;
    json["primaryPackagePurpose"] = "LIBRARY";
    add_url(json, part.module.url);
    packages_.push_back(json);
    relate(root_, "CONTAINS", id_of(part));
  }

  // Files have to be in a package whose files were looked at (7.8): the copied ones are one of their own.
  void add_files() {
    if (components_.files.empty()) return;
    const std::string group = id_of("Package-files", "copied", oci::to_string(image_.digest));
    std::vector<std::string> sums;
    for (const CopiedFile& file : components_.files) sums.push_back(file.sha1);
    std::sort(sums.begin(), sums.end());
    Json json = package_json(group, "copied files", "");
    json["filesAnalyzed"] = true;
    json["packageVerificationCode"] = {{"packageVerificationCodeValue", sha1_hex(base::join(sums, ""))}};
    json["licenseInfoFromFiles"] = Json::array({"NOASSERTION"});
    json["description"] = "The regular files of the image that belong to no package of its databases";
    packages_.push_back(json);
    relate(root_, "CONTAINS", group);
    for (const CopiedFile& file : components_.files) add(file, group);
  }

  void add(const CopiedFile& file, const std::string& group) {
    const std::string id = id_of(file);
    Json json;
    json["SPDXID"] = id;
    json["fileName"] = "." + shown_path(file.path);
    if (file.elf) json["fileTypes"] = Json::array({"BINARY"});
    json["checksums"] = Json::array({checksum("SHA1", file.sha1), checksum("SHA256", file.sha256)});
    json["licenseConcluded"] = "NOASSERTION";
    json["licenseInfoInFiles"] = Json::array({"NOASSERTION"});
    json["copyrightText"] = "NOASSERTION";
    std::vector<std::string> remarks;
    if (!file.build_id.empty()) remarks.push_back("build id: " + file.build_id);
    if (file.build && !file.build->toolchain.empty())
      remarks.push_back("built with " + file.build->toolchain);
    if (!remarks.empty()) json["comment"] = base::join(remarks, "; ");
    files_.push_back(json);
    relate(group, "CONTAINS", id);
    const std::map<std::string, std::string>& parts = part_ids();
    const auto to = [&](const char* type, const std::string& url) {
      if (const auto it = parts.find(url); it != parts.end()) relate(id, type, it->second);
    };
    // Not GENERATED_FROM: readers take what that points to for source packages, which they pass over.
    if (file.note) to("CONTAINS", file.note->url);
    if (!file.build) return;
    if (file.build->main) to("CONTAINS", file.build->main->url);
    for (const Module& module : file.build->modules) to("STATIC_LINK", module.url);
  }

  const std::map<std::string, std::string>& part_ids() {
    if (part_ids_.empty()) {
      for (const PackageComponent& component : components_.packages)
        part_ids_.emplace(component.url, id_of(component));
      for (const auto& [url, part] : parts_of(components_)) part_ids_.emplace(url, id_of(part));
    }
    return part_ids_;
  }

  // 10.2: the text is not looked for, and the name has to serve.
  Json license_texts() const {
    Json list = Json::array();
    for (const auto& [reference, names] : names_) {
      const std::string called = base::join({names.begin(), names.end()}, ", ");
      list.push_back(
          {{"licenseId", reference},
           {"extractedText", fmt::format("The license is called: {}. Its text is with the packages "
                                         "that have it.",
                                         called)},
           {"name", called}});
    }
    return list;
  }

  const ImageIdentity& image_;
  const Components& components_;
  const std::string& version_;
  std::string root_;
  std::string owner_;  // of the distribution's packages
  std::set<std::string> ids_;
  std::map<std::string, std::set<std::string>> names_;  // of LicenseRefs
  std::map<std::string, std::string> part_ids_;         // by package URL
  Json packages_ = Json::array();
  Json files_ = Json::array();
  Json relationships_ = Json::array();
};

}  // namespace

std::string to_spdx(const ImageIdentity& image, const Components& components, const std::string& version) {
  return SpdxDocument(image, components, version).text();
}

}  // namespace minibuild::trust
