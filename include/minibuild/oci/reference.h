// Image names: registry references and places on disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "minibuild/oci/digest.h"

namespace minibuild::oci {

/// `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]` (distribution-spec "Pulling manifests", distribution/reference
/// grammar).
struct Reference {
  std::string host;        // empty for a short name such as `hello:1`
  std::string repository;  // `team/hello`
  std::string tag;         // empty if absent
  std::optional<Digest> digest;
  bool operator==(const Reference&) const = default;
};
/// Throws Error{Code::usage} saying what is wrong. Accepts short names (without a host).
Reference parse_reference(std::string_view text);
std::string to_string(const Reference& reference);
/// True for `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
bool is_tag(std::string_view text);

enum class Transport { oci_layout, oci_archive, docker_archive, tar, directory, registry };

/// `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE`, `tar:FILE`, `dir:DIR`,
/// `docker://REFERENCE`.
struct ImageLocation {
  Transport transport = Transport::oci_layout;
  std::string path;  // for a registry: the reference
  std::string tag;   // empty if absent
  bool operator==(const ImageLocation&) const = default;
};
std::string to_string(const ImageLocation& location);

}  // namespace minibuild::oci
