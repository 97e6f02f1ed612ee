// The classic form of cosign's signatures: the payload that containers/image calls "simple signing", and a
// manifest with one layer for each signature, whose config lists the layers as an image's does.
#include <algorithm>

#include "builder/trust/fields.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/cosign.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr std::string_view payload_kind = "cosign container image signature";
constexpr size_t max_signatures = 1000;

// The existing manifest, checked as far as it is going to be changed.
struct Parts {
  oci::Json manifest;
  oci::Json config;
};

oci::Json empty_config() {
  return {{"architecture", ""},
          {"os", ""},
          {"config", oci::Json::object()},
          {"rootfs", {{"type", "layers"}, {"diff_ids", oci::Json::array()}}}};
}

Parts parts_of(const std::optional<ClassicManifest>& before) {
  const std::string what = "the signatures that are there";
  if (!before)
    return {{{"schemaVersion", 2},
             {"mediaType", oci::media_type::manifest},
             {"config", oci::Json::object()},
             {"layers", oci::Json::array()}},
            empty_config()};
  oci::parse_manifest(before->manifest_json, what);
  Parts parts{oci::parse_json(before->manifest_json, what), oci::parse_json(before->config_json, what)};
  const size_t layers = array_field(parts.manifest, "layers", what).size();
  const oci::Json& rootfs = object_field(parts.config, "rootfs", "the config of " + what);
  if (array_field(rootfs, "diff_ids", "the config of " + what).size() != layers)
    fail("the config of {} does not list its layers", what);
  if (layers >= max_signatures) fail("there are {} signatures already", layers);
  return parts;
}

// Whether a layer is a signature of that payload by that key.
bool is_same(const oci::Json& layer, const std::string& payload, const PublicKey& key) {
  if (layer["digest"] != oci::to_string(oci::digest_of(payload)) || !layer.contains("annotations"))
    return false;
  const auto found = layer["annotations"].find(signature_annotation);
  if (found == layer["annotations"].end() || !found->is_string()) return false;
  const auto signature = base::unbase64(found->get_ref<const std::string&>());
  return signature && verify(key, scheme_of(key), payload, *signature);
}

oci::Descriptor describe(std::string_view type, const std::string& bytes) {
  return {std::string(type), oci::digest_of(bytes), bytes.size(), {}, {}};
}

}  // namespace

std::string simple_signing(const std::string& docker_reference, const oci::Digest& image) {
  const oci::Json json = {{"critical",
                           {{"identity", {{"docker-reference", docker_reference}}},
                            {"image", {{"docker-manifest-digest", oci::to_string(image)}}},
                            {"type", payload_kind}}},
                          {"optional", nullptr}};
  return json.dump();
}

SimpleSigning parse_simple_signing(std::string_view payload, const std::string& what) {
  const oci::Json json = oci::parse_json(payload, what);
  only_fields(json, {"critical", "optional"}, what);
  if (json.contains("optional") && !json["optional"].is_null()) object_field(json, "optional", what);
  const oci::Json& critical = object_field(json, "critical", what);
  only_fields(critical, {"identity", "image", "type"}, "'critical' of " + what);
  const oci::Json& identity = object_field(critical, "identity", what);
  only_fields(identity, {"docker-reference"}, "'identity' of " + what);
  const oci::Json& image = object_field(critical, "image", what);
  only_fields(image, {"docker-manifest-digest"}, "'image' of " + what);
  if (const std::string& type = string_field(critical, "type", what); type != payload_kind)
    fail("{} has the type '{}', want '{}'", what, base::printable(type.substr(0, 100)), payload_kind);
  return {string_field(identity, "docker-reference", what),
          oci::parse_digest(string_field(image, "docker-manifest-digest", what), what)};
}

bool has_classic_form(const PublicKey& key) { return scheme_of(key) != Scheme::ed25519; }

Artifact classic_signature(const Signer& signer, const std::string& docker_reference,
                           const oci::Digest& image, const std::optional<ClassicManifest>& before) {
  const Scheme scheme = scheme_of(signer.public_key());
  if (!has_classic_form(signer.public_key()))
    fail(
        "cannot make a classic signature with an Ed25519 key: it has no form that all tools agree on; make "
        "a bundle alone (--form bundle), or use an ECDSA key");
  const std::string payload = simple_signing(docker_reference, image);
  Parts parts = parts_of(before);
  oci::Json& layers = parts.manifest["layers"];
  oci::Json& diff_ids = parts.config["rootfs"]["diff_ids"];
  for (size_t i = layers.size(); i-- > 0;) {
    if (!is_same(layers[i], payload, signer.public_key())) continue;
    layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(i));
    diff_ids.erase(diff_ids.begin() + static_cast<std::ptrdiff_t>(i));
  }
  oci::Descriptor layer = describe(simple_signing_type, payload);
  layer.annotations[signature_annotation] = base::base64(signer.sign(payload, scheme));
  layers.push_back(oci::json_of(layer));
  diff_ids.push_back(oci::to_string(layer.digest));
  if (parts.config.contains("history") && parts.config["history"].is_array())
    parts.config.erase("history");  // it would have to tell of each layer
  const std::string config_json = parts.config.dump();
  const oci::Descriptor config = describe(oci::media_type::config, config_json);
  parts.manifest["config"] = oci::json_of(config);
  layer.annotations.clear();
  return {parts.manifest.dump(), {{config, config_json}, {layer, payload}}};
}

Accepted verify_classic(std::string_view payload, std::string_view signature, const oci::Digest& image,
                        const std::vector<PublicKey>& keys) {
  const std::string bytes = exact_unbase64(signature, "the signature");
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const PublicKey& one) {
    return verify(one, scheme_of(one), payload, bytes);
  });
  if (key == keys.end()) fail("no given key made the signature");
  const SimpleSigning said = parse_simple_signing(payload, "the payload");
  if (said.image != image) fail("it is a signature of {}", oci::to_string(said.image));
  return {static_cast<size_t>(key - keys.begin()), said.docker_reference, "", ""};
}

}  // namespace minibuild::trust
