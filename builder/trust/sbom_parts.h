// What both SBOM formats have in common.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/json.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::trust {

/// `urn:uuid:…` for a text: the first bits of its SHA-256 (RFC 9562, version 8).
std::string uuid_urn(std::string_view text);
/// 16 hexadecimal digits that distinguish texts within a document.
std::string short_hash(std::string_view text);
/// Indented JSON with a final newline; bytes that are not UTF-8 are replaced.
std::string document_text(const oci::Json& json);

/// A path as it may appear in a document, with leading `/`.
std::string shown_path(const std::string& path);

/// What is compiled into the files or identifies their package, unique, by package URL.
struct Part {
  Module module;
  std::string kind;  // `golang`, `cargo`; for a note, its package type
};
std::map<std::string, Part> parts_of(const Components& components);

/// All expressions joined by AND; empty if there is none.
std::string joined_expression(const std::vector<License>& licenses);

/// The package URL of the base image; empty if the image does not record its base.
std::string base_url(const ImageIdentity& image);

/// Epoch, upstream version and revision of a Debian version (deb-version(7)); any other version is an
/// upstream version as a whole.
struct SourceVersion {
  std::string epoch;
  std::string version;
  std::string release;
};
SourceVersion source_version(const InstalledPackage& package);

}  // namespace minibuild::trust
