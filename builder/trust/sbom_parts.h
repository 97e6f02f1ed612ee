// What both kinds of SBOM are made of.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/json.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::trust {

/// `urn:uuid:…` of a text: the first bits of its SHA-256 (RFC 9562, version 8).
std::string uuid_urn(std::string_view text);
/// 16 hexadecimal digits that tell texts apart within a document.
std::string short_hash(std::string_view text);
/// Indented JSON with a line end; bytes that are not UTF-8 are replaced.
std::string document_text(const oci::Json& json);

/// A path as it can stand in a document, with leading `/`.
std::string shown_path(const std::string& path);

/// What is compiled into the files or says where they belong, each once, by package URL.
struct Part {
  Module module;
  std::string kind;  // `golang`, `cargo`; of a note its package type
};
std::map<std::string, Part> parts_of(const Components& components);

/// All expressions joined by AND; empty if there is none.
std::string joined_expression(const std::vector<License>& licenses);

/// The name of an image's package URL and the version of the base image's reference.
std::string base_url(const ImageIdentity& image);

/// Epoch, upstream version and revision of a Debian version (deb-version(7)); others are an upstream version
/// as they are.
struct SourceVersion {
  std::string epoch;
  std::string version;
  std::string release;
};
SourceVersion source_version(const InstalledPackage& package);

}  // namespace minibuild::trust
