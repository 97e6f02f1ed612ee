// Software bills of materials: SPDX 2.3 and CycloneDX 1.6, derived from the image alone, so that the same
// image always gives the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/store/image.h"
#include "minibuild/trust/components.h"
#include "minibuild/trust/cosign.h"

namespace minibuild::trust {

enum class SbomFormat { spdx, cyclonedx };
/// `spdx`, `cyclonedx`; throws Error{Code::usage} for anything else.
SbomFormat parse_sbom_format(const std::string& word);
/// `application/spdx+json`, `application/vnd.cyclonedx+json`: media type and artifact type.
std::string_view media_type_of(SbomFormat format);
/// The extension of file names in that format: `.spdx.json`, `.cdx.json`.
std::string_view extension_of(SbomFormat format);

/// The image that a document describes, as documents identify it.
struct ImageIdentity {
  std::string name;  // `registry.example.com/team/app`, or a word
  std::string tag;   // may be empty
  oci::Digest digest;
  oci::Platform platform;
  int64_t created = 0;      // seconds since 1970
  std::string base_name;    // a reference; empty if unknown
  std::string base_digest;  // `sha256:…`
};
/// Uses the first of `names` that has a host, else the first, else the title among the image's annotations
/// and labels, else `image`; `created` and the base image come from config and annotations.
ImageIdentity identify(const store::Image& image, const std::vector<oci::Reference>& names);

/// The package URL of an image: `pkg:oci/app@sha256:…?arch=amd64&repository_url=…&tag=…`.
std::string image_url(const std::string& name, const std::string& tag, const oci::Digest& digest,
                      const oci::Platform& platform);

/// One described package, the container, which contains the operating system, its packages, the modules that
/// programs were compiled from, and the copied files. `version` is minibuild's. The namespace is a UUID
/// derived from the content.
std::string to_spdx(const ImageIdentity& image, const Components& components, const std::string& version);
/// The same facts; the serial number is a UUID derived from the content.
std::string to_cyclonedx(const ImageIdentity& image, const Components& components,
                         const std::string& version);
std::string to_sbom(SbomFormat format, const ImageIdentity& image, const Components& components,
                    const std::string& version);

/// A document as a referrer of `subject`: artifact type and layer use the document's media type, the config
/// is empty, and `org.opencontainers.image.created` is `created`, so that its digest depends on these alone.
Artifact document_artifact(std::string_view media_type, const std::string& document,
                           const oci::Descriptor& subject, int64_t created,
                           const std::map<std::string, std::string>& annotations = {});

/// The SBOMs of an image as attachments, with their blobs in the cache.
std::vector<store::Attachment> sbom_attachments(const store::Image& image,
                                                const std::vector<oci::Reference>& names,
                                                const Components& components,
                                                const std::vector<SbomFormat>& formats,
                                                const std::string& version, store::Cache& cache);
/// Stores an artifact's blobs in the cache. `tag` is for artifacts that are found by a tag, not by their
/// subject.
store::Attachment keep_artifact(const Artifact& artifact, const oci::Digest& subject, store::Cache& cache,
                                const std::string& tag = "");

}  // namespace minibuild::trust
