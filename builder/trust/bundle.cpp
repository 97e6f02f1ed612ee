// Sigstore bundles (protobuf-specs sigstore_bundle.proto, version 0.3) that hold an in-toto statement about
// an image, signed by a key without certificate and without transparency log.
#include <algorithm>
#include <array>

#include "builder/trust/fields.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/cosign.h"
#include "minibuild/trust/dsse.h"
#include "minibuild/trust/provenance.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr std::string_view statement_type = "https://in-toto.io/Statement/v1";
constexpr std::string_view old_statement_type = "https://in-toto.io/Statement/v0.1";
// How the type was written before 0.3 became one of its own.
constexpr std::string_view other_bundle_type = "application/vnd.dev.sigstore.bundle+json;version=0.3";
constexpr size_t max_bundle = max_payload / 3 * 4 + (size_t{1} << 20);

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> predicate_types = {{
    {"custom", "https://cosign.sigstore.dev/attestation/v1"},
    {"cyclonedx", "https://cyclonedx.org/bom"},
    {"link", "https://in-toto.io/Link/v1"},
    {"openvex", "https://openvex.dev/ns"},
    {"slsaprovenance", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance02", "https://slsa.dev/provenance/v0.2"},
    {"slsaprovenance1", "https://slsa.dev/provenance/v1"},
    {"spdx", "https://spdx.dev/Document"},
    {"spdxjson", "https://spdx.dev/Document"},
    {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
}};

// The statement in an envelope that one of the keys signed.
Accepted accept(const Envelope& envelope, const oci::Digest& image, const std::string& predicate_type,
                const std::vector<PublicKey>& keys) {
  if (envelope.payload_type != in_toto_type)
    fail("its payload has the type '{}', want '{}'", base::printable(envelope.payload_type.substr(0, 100)),
         in_toto_type);
  if (envelope.signatures.size() != 1) fail("it has {} signatures, want 1", envelope.signatures.size());
  const std::string bytes = signed_bytes(envelope.payload_type, envelope.payload);
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const PublicKey& one) {
    return verify(one, scheme_of(one), bytes, envelope.signatures.front());
  });
  if (key == keys.end()) fail("no given key made the signature");
  const std::string what = "the statement";
  const oci::Json statement = oci::parse_json(envelope.payload, what, max_payload);
  only_fields(statement, {"_type", "subject", "predicateType", "predicate"}, what);
  const std::string& type = string_field(statement, "_type", what);
  if (type != statement_type && type != old_statement_type)
    fail("the statement has the type '{}'", base::printable(type.substr(0, 100)));
  const std::string& predicate = string_field(statement, "predicateType", what);
  if (predicate != predicate_type)
    fail("it states '{}', want '{}'", base::printable(predicate.substr(0, 200)), predicate_type);
  const std::string hex = oci::hex(image);
  const oci::Json& subjects = array_field(statement, "subject", what);
  const bool about = std::any_of(subjects.begin(), subjects.end(), [&](const oci::Json& subject) {
    return string_field(object_field(subject, "digest", "a subject"), "sha256", "a subject") == hex;
  });
  if (!about) fail("it is about another image");
  Accepted accepted{static_cast<size_t>(key - keys.begin()), "", predicate, "{}"};
  if (statement.contains("predicate")) accepted.predicate = object_field(statement, "predicate", what).dump();
  return accepted;
}

// What says by which key it is signed. Log entries and timestamps may be there; a key needs none.
void check_material(const oci::Json& material) {
  const std::string what = "'verificationMaterial'";
  only_fields(
      material,
      {"publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"}, what);
  if (material.contains("certificate") || material.contains("x509CertificateChain"))
    fail("it is signed by a certificate; only signatures by keys can be checked");
  const oci::Json& key = object_field(material, "publicKey", what);
  only_fields(key, {"hint"}, "'publicKey'");
  if (key.contains("hint")) string_field(key, "hint", "'publicKey'");
}

}  // namespace

std::string predicate_type_of(const std::string& word) {
  std::vector<std::string> words;
  for (const auto& [name, uri] : predicate_types) {
    if (name == word) return std::string(uri);
    words.emplace_back(name);
  }
  // A scheme (RFC 3986, section 3.1), a colon and more.
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static constexpr std::string_view others = "0123456789+-.";
  const size_t scheme = word.find(':');
  const bool has_scheme =
      scheme != std::string::npos && scheme > 0 &&
      word.find_first_not_of('/', scheme + 1) != std::string::npos &&
      letters.find(word.front()) != std::string_view::npos &&
      std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(scheme), [](char c) {
        return letters.find(c) != std::string_view::npos || others.find(c) != std::string_view::npos;
      });
  if (has_scheme && base::is_utf8(word) &&
      std::none_of(word.begin(), word.end(), [](unsigned char c) { return c <= ' '; }))
    return word;
  throw base::Error(base::Code::usage, fmt::format("got the type '{}', want a URI or one of {}",
                                                   base::printable(word), base::join(words, ", ")));
}

std::string make_statement(const oci::Digest& image, const std::string& predicate_type,
                           std::string_view predicate) {
  if (!oci::parse_json(predicate, "the predicate", max_payload / 2).is_object())
    fail("cannot read the predicate: it is not a JSON object");
  // As it stands: rewriting could change its numbers.
  return fmt::format(
      R"({{"_type":"{}","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":{},"predicate":{}}})",
      statement_type, oci::hex(image), oci::Json(predicate_type).dump(), base::trim(predicate));
}

std::string make_bundle(const Signer& signer, const std::string& statement) {
  const PublicKey& key = signer.public_key();
  const std::string signature = signer.sign(signed_bytes(in_toto_type, statement), scheme_of(key));
  const std::string hint = base::base64(base::as_bytes(base::sha256(key.der)));
  const oci::Json json = {
      {"mediaType", bundle_type},
      {"verificationMaterial", {{"publicKey", {{"hint", hint}}}}},
      {"dsseEnvelope", json_of(Envelope{std::string(in_toto_type), statement, {signature}})}};
  return json.dump();
}

Artifact bundle_artifact(const std::string& bundle, const oci::Descriptor& subject,
                         const std::string& predicate_type, int64_t created) {
  const std::string empty = "{}";
  const oci::Descriptor config{std::string(empty_config_type), oci::digest_of(empty), empty.size(), {}, {}};
  const oci::Descriptor layer{std::string(bundle_type), oci::digest_of(bundle), bundle.size(), {}, {}};
  const oci::Json manifest = {
      {"schemaVersion", 2},
      {"mediaType", oci::media_type::manifest},
      {"artifactType", bundle_type},
      {"config", oci::json_of(config)},
      {"layers", oci::Json::array({oci::json_of(layer)})},
      {"subject", oci::json_of(oci::Descriptor{subject.media_type, subject.digest, subject.size, {}, {}})},
      {"annotations",
       {{"dev.sigstore.bundle.content", "dsse-envelope"},
        {"dev.sigstore.bundle.predicateType", predicate_type},
        {"org.opencontainers.image.created", base::format_time(created)}}}};
  return {manifest.dump(), {{config, empty}, {layer, bundle}}};
}

Accepted verify_bundle(std::string_view bundle, const oci::Digest& image, const std::string& predicate_type,
                       const std::vector<PublicKey>& keys) {
  const std::string what = "the bundle";
  const oci::Json json = oci::parse_json(bundle, what, max_bundle);
  only_fields(json, {"mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"}, what);
  const std::string& type = string_field(json, "mediaType", what);
  if (type != bundle_type && type != other_bundle_type)
    fail("the bundle has the type '{}', want '{}'", base::printable(type.substr(0, 100)), bundle_type);
  check_material(object_field(json, "verificationMaterial", what));
  if (json.contains("messageSignature")) fail("it signs bytes, not a statement");
  return accept(parse_envelope(object_field(json, "dsseEnvelope", what), "its envelope"), image,
                predicate_type, keys);
}

Accepted verify_envelope(std::string_view envelope, const oci::Digest& image,
                         const std::string& predicate_type, const std::vector<PublicKey>& keys) {
  const std::string what = "the envelope";
  return accept(parse_envelope(oci::parse_json(envelope, what, max_bundle), what), image, predicate_type,
                keys);
}

}  // namespace minibuild::trust
