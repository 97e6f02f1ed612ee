// What the formats share, and SBOMs as referrers.
#include "minibuild/trust/sbom.h"

#include <fmt/format.h>

#include <algorithm>

#include "builder/trust/sbom_parts.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

namespace {

// RFC 3339 with or without a fraction of a second, which other builders write.
int64_t time_of(const std::string& text) {
  std::string whole = text;
  if (const size_t dot = whole.find('.'); dot != std::string::npos) {
    const size_t end = std::min(whole.find_first_not_of("0123456789", dot + 1), whole.size());
    whole.erase(dot, end - dot);
  }
  return std::max<int64_t>(0, base::parse_time(whole).value_or(0));
}

std::string value_of(const std::map<std::string, std::string>& map, const char* name) {
  const auto it = map.find(name);
  return it == map.end() ? std::string() : it->second;
}

}  // namespace

SbomFormat parse_sbom_format(const std::string& word) {
  if (word == "spdx") return SbomFormat::spdx;
  if (word == "cyclonedx") return SbomFormat::cyclonedx;
  throw base::Error(base::Code::usage,
                    fmt::format("got the SBOM format '{}', want spdx or cyclonedx", base::printable(word)));
}

std::string_view media_type_of(SbomFormat format) {
  return format == SbomFormat::spdx ? "application/spdx+json" : "application/vnd.cyclonedx+json";
}

std::string_view extension_of(SbomFormat format) {
  return format == SbomFormat::spdx ? ".spdx.json" : ".cdx.json";
}

ImageIdentity identify(const store::Image& image, const std::vector<oci::Reference>& names) {
  ImageIdentity identity;
  const auto named =
      std::find_if(names.begin(), names.end(), [](const oci::Reference& name) { return !name.host.empty(); });
  if (!names.empty()) {
    const oci::Reference& name = named == names.end() ? names.front() : *named;
    identity.name = (name.host.empty() ? "" : name.host + "/") + name.repository;
    identity.tag = name.tag;
  } else {
    constexpr const char* title = "org.opencontainers.image.title";
    identity.name = value_of(image.manifest.annotations, title);
    if (identity.name.empty()) identity.name = value_of(image.config.labels, title);
    identity.name = base::printable(identity.name);
    if (identity.name.empty()) identity.name = "image";
  }
  identity.digest = image.descriptor.digest;
  identity.platform = image.config.platform;
  identity.created = time_of(image.config.created);
  identity.base_name = value_of(image.manifest.annotations, "org.opencontainers.image.base.name");
  identity.base_digest = value_of(image.manifest.annotations, "org.opencontainers.image.base.digest");
  try {
    if (!identity.base_name.empty()) oci::parse_reference(identity.base_name);
    if (!identity.base_digest.empty()) oci::parse_digest(identity.base_digest, "the base");
  } catch (const base::Error&) {  // annotations of another builder may say anything
    identity.base_name.clear();
  }
  if (identity.base_name.empty()) identity.base_digest.clear();
  return identity;
}

std::string image_url(const std::string& name, const std::string& tag, const oci::Digest& digest,
                      const oci::Platform& platform) {
  const std::string last = base::lower_case(tree::name_of(name));
  std::string url = fmt::format("pkg:oci/{}@{}", escape_for_url(last), oci::to_string(digest));
  std::vector<std::string> qualifiers;
  if (!platform.architecture.empty()) qualifiers.push_back("arch=" + escape_for_url(platform.architecture));
  if (name.find('/') != std::string::npos) qualifiers.push_back("repository_url=" + escape_for_url(name));
  if (!tag.empty()) qualifiers.push_back("tag=" + escape_for_url(tag));
  return qualifiers.empty() ? url : url + "?" + base::join(qualifiers, "&");
}

std::string base_url(const ImageIdentity& image) {
  if (image.base_name.empty() || image.base_digest.empty()) return {};
  const oci::Reference base = oci::parse_reference(image.base_name);
  return image_url((base.host.empty() ? "" : base.host + "/") + base.repository, base.tag,
                   oci::parse_digest(image.base_digest, "the base"), {"linux", "", ""});
}

std::string uuid_urn(std::string_view text) {
  base::Hash hash = base::sha256(text);
  hash[6] = static_cast<uint8_t>((hash[6] & 0x0FU) | 0x80U);
  hash[8] = static_cast<uint8_t>((hash[8] & 0x3FU) | 0x80U);
  const std::string hex = base::to_hex(hash);
  return fmt::format("urn:uuid:{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20, 12));
}

std::string short_hash(std::string_view text) { return base::to_hex(base::sha256(text)).substr(0, 16); }

std::string document_text(const oci::Json& json) {
  return json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
}

std::string shown_path(const std::string& path) {
  return "/" + (base::is_utf8(path) ? path : base::printable(path));
}

std::map<std::string, Part> parts_of(const Components& components) {
  std::map<std::string, Part> parts;
  for (const CopiedFile& file : components.files) {
    if (file.note)
      parts.emplace(file.note->url,
                    Part{{file.note->name, file.note->version, "", file.note->url}, file.note->type});
    if (!file.build) continue;
    const std::string kind = file.build->language == ProgramBuild::Language::go ? "golang" : "cargo";
    if (file.build->main) parts.emplace(file.build->main->url, Part{*file.build->main, kind});
    for (const Module& module : file.build->modules) parts.emplace(module.url, Part{module, kind});
  }
  // A note may name a package that the database has as well.
  for (const PackageComponent& component : components.packages) parts.erase(component.url);
  return parts;
}

std::string joined_expression(const std::vector<License>& licenses) {
  std::vector<std::string> parts;
  for (const License& license : licenses) parts.push_back(license.expression);
  // An OR alone needs no brackets.
  if (parts.size() == 1 && parts[0].starts_with('(')) return parts[0].substr(1, parts[0].size() - 2);
  return base::join(parts, " AND ");
}

SourceVersion source_version(const InstalledPackage& package) {
  SourceVersion parts{"", package.source_version, ""};
  if (package.format != packages::Format::deb) return parts;
  if (const size_t colon = parts.version.find(':'); colon != std::string::npos) {
    parts.epoch = parts.version.substr(0, colon);
    parts.version.erase(0, colon + 1);
  }
  if (const size_t dash = parts.version.rfind('-'); dash != std::string::npos) {
    parts.release = parts.version.substr(dash + 1);
    parts.version.resize(dash);
  }
  return parts;
}

std::string to_sbom(SbomFormat format, const ImageIdentity& image, const Components& components,
                    const std::string& version) {
  return format == SbomFormat::spdx ? to_spdx(image, components, version)
                                    : to_cyclonedx(image, components, version);
}

Artifact document_artifact(std::string_view media_type, const std::string& document,
                           const oci::Descriptor& subject, int64_t created,
                           const std::map<std::string, std::string>& annotations) {
  static const std::string nothing = "{}";
  const auto descriptor = [](std::string_view type, const std::string& bytes) {
    return oci::Descriptor{std::string(type), oci::digest_of(bytes), bytes.size(), {}, {}};
  };
  Artifact artifact;
  artifact.blobs = {{descriptor(empty_config_type, nothing), nothing},
                    {descriptor(media_type, document), document}};
  artifact.blobs.back().descriptor.annotations = annotations;
  oci::Json json;
  json["schemaVersion"] = 2;
  json["mediaType"] = oci::media_type::manifest;
  json["artifactType"] = media_type;
  json["config"] = oci::json_of(artifact.blobs.front().descriptor);
  json["layers"] = oci::Json::array({oci::json_of(artifact.blobs.back().descriptor)});
  json["subject"] = oci::json_of(oci::Descriptor{subject.media_type, subject.digest, subject.size, {}, {}});
  oci::Annotations all = annotations;
  all["org.opencontainers.image.created"] = base::format_time(created);
  json["annotations"] = all;
  artifact.manifest_json = json.dump();
  return artifact;
}

store::Attachment keep_artifact(const Artifact& artifact, const oci::Digest& subject, store::Cache& cache,
                                const std::string& tag) {
  store::Attachment attachment;
  attachment.descriptor = {std::string(oci::media_type::manifest),
                           oci::digest_of(artifact.manifest_json),
                           artifact.manifest_json.size(),
                           {},
                           {}};
  attachment.manifest_json = artifact.manifest_json;
  attachment.subject = subject;
  attachment.tag = tag;
  for (const Artifact::Blob& blob : artifact.blobs) {
    base::MemorySource source(blob.bytes);
    cache.put_blob(source, blob.descriptor.digest, "a document about the image");
    attachment.blobs.push_back({blob.descriptor, {}, cache.blob_path(blob.descriptor.digest)});
  }
  return attachment;
}

std::vector<store::Attachment> sbom_attachments(const store::Image& image,
                                                const std::vector<oci::Reference>& names,
                                                const Components& components,
                                                const std::vector<SbomFormat>& formats,
                                                const std::string& version, store::Cache& cache) {
  const ImageIdentity identity = identify(image, names);
  std::vector<store::Attachment> attachments;
  for (const SbomFormat format : formats)
    attachments.push_back(
        keep_artifact(document_artifact(media_type_of(format), to_sbom(format, identity, components, version),
                                        image.descriptor, identity.created),
                      image.descriptor.digest, cache));
  return attachments;
}

}  // namespace minibuild::trust
