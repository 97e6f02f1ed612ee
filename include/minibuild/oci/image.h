// The JSON documents of an image: descriptor, manifest, index, config (image-spec v1.1).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minibuild/oci/digest.h"
#include "minibuild/oci/json.h"
#include "minibuild/oci/platform.h"

namespace minibuild::oci {

namespace media_type {
inline constexpr std::string_view manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer_gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
}  // namespace media_type

using Annotations = std::map<std::string, std::string>;

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;  // in bytes
  std::optional<Platform> platform;
  Annotations annotations;
  std::string artifact_type{};      // empty if absent
  std::vector<std::string> urls{};  // other places that have the content
  bool operator==(const Descriptor&) const = default;
};

/// The annotation of an index.json entry that holds its tag (annotations.md).
inline constexpr const char* ref_name = "org.opencontainers.image.ref.name";
/// The entry's tag; empty if it has none.
std::string tag_of(const Descriptor& entry);

struct Manifest {
  std::string media_type{media_type::manifest};
  Descriptor config;
  std::vector<Descriptor> layers;
  Annotations annotations;
  bool operator==(const Manifest&) const = default;
};

struct ImageIndex {
  std::string media_type{media_type::index};
  std::vector<Descriptor> manifests;
  Annotations annotations;
  bool operator==(const ImageIndex&) const = default;
};

struct History {
  std::string created;  // RFC 3339, or empty
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
  bool operator==(const History&) const = default;
};

struct ImageConfig {
  std::string created;  // RFC 3339, or empty
  std::string author;
  Platform platform;
  std::string user;
  std::vector<std::string> exposed_ports;  // `8080/tcp`, sorted
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> volumes;  // sorted
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::vector<DiffId> diff_ids;
  std::vector<History> history;
  bool operator==(const ImageConfig&) const = default;
};

/// Each `parse_…` throws Error `cannot read WHAT: cause` for a document that is not what it claims to be: a
/// missing or mistyped field, a wrong schemaVersion, the mediaType or fields of the other document kind
/// (CVE-2021-41190), a negative size, a malformed digest. Unknown fields are ignored. Purely descriptive
/// fields (annotations, labels, history, times) have no effect; mistyped ones are treated as absent.
Manifest parse_manifest(std::string_view text, std::string_view what);
ImageIndex parse_index(std::string_view text, std::string_view what);
/// Env entries without `=` are dropped. A config for a platform that minibuild does not know is accepted as
/// written, as is one without an architecture.
ImageConfig parse_config(std::string_view text, std::string_view what);

/// Parses one descriptor; without a media type, `media_type` is empty. Throws Error naming `what`.
Descriptor parse_descriptor(const Json& json, std::string_view what);

/// Compact JSON with keys in the order of the specification; equal values always produce equal bytes. Empty
/// fields are omitted.
std::string to_json(const Manifest& manifest);
std::string to_json(const ImageIndex& index);
std::string to_json(const ImageConfig& config);
/// The config as a JSON value, for display.
Json json_of(const ImageConfig& config);
Json json_of(const Descriptor& descriptor);

/// True for the media types of OCI and Docker indexes; of manifests; of layers that hold a tar, with any
/// compression; of image configs.
bool is_index(std::string_view media_type);
bool is_manifest(std::string_view media_type);
bool is_layer(std::string_view media_type);
bool is_image_config(std::string_view media_type);
/// True for everything that registries store as manifests: indexes, manifests, and the artifact manifests of
/// earlier drafts.
bool is_document(std::string_view media_type);

/// The kind of a document according to its content, whatever its media type says.
enum class Kind { index, manifest, other };
Kind kind_of(const Json& document);

}  // namespace minibuild::oci
