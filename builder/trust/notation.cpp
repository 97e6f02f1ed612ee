// Envelopes of the Notary Project: a flattened JWS over the descriptor of an image (RFC 7515;
// signature-envelope-jws.md).
#include "minibuild/trust/notation.h"

#include <openssl/ec.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "builder/trust/certificates.h"
#include "builder/trust/fields.h"
#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr std::string_view notation_payload = "application/vnd.cncf.notary.payload.v1+json";
constexpr std::string_view cose_type = "application/cose";
constexpr std::string_view signing_scheme = "notary.x509";
constexpr const char* scheme_header = "io.cncf.notary.signingScheme";
constexpr const char* time_header = "io.cncf.notary.signingTime";
constexpr const char* expiry_header = "io.cncf.notary.expiry";
constexpr const char* authentic_time_header = "io.cncf.notary.authenticSigningTime";
constexpr const char* plugin_header = "io.cncf.notary.verificationPlugin";
constexpr const char* plugin_version_header = "io.cncf.notary.verificationPluginMinVersion";
constexpr const char* agent_header = "io.cncf.notary.signingAgent";
constexpr const char* timestamp_header = "io.cncf.notary.timestampSignature";
constexpr const char* thumbprints = "io.cncf.notary.x509chain.thumbprint#S256";
constexpr std::string_view how_to_make =
    "openssl req -x509 -key KEY -out CERT.pem -days 365 -subj '/C=DE/ST=Berlin/O=Example/CN=signer' "
    "-addext basicConstraints=critical,CA:false -addext keyUsage=critical,digitalSignature "
    "-addext extendedKeyUsage=codeSigning";

using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Free<&::ECDSA_SIG_free>>;

struct Algorithm {
  std::string_view name;
  Scheme scheme;
  int bits;     // of an RSA key; 0 for others
  size_t half;  // bytes of each number of an ECDSA signature
};
constexpr std::array<Algorithm, 6> algorithms = {{
    {"ES256", Scheme::ecdsa_p256_sha256, 0, 32},
    {"ES384", Scheme::ecdsa_p384_sha384, 0, 48},
    {"ES512", Scheme::ecdsa_p521_sha512, 0, 66},
    {"PS256", Scheme::rsa_pss_sha256, 2048, 0},
    {"PS384", Scheme::rsa_pss_sha384, 3072, 0},
    {"PS512", Scheme::rsa_pss_sha512, 4096, 0},
}};

const Algorithm& algorithm_for(const PublicKey& key) {
  const Key opened = open_public_key(key, "the key");
  for (const Algorithm& one : algorithms)
    if (suits(one.scheme, opened.get()) && (one.bits == 0 || ::EVP_PKEY_get_bits(opened.get()) == one.bits))
      return one;
  fail("the key is not one for Notation: want P-256, P-384, P-521, or RSA of 2048, 3072 or 4096 bits");
}

// The other way round: base::base64url.
std::string unbase64url(std::string_view text, const std::string& what) {
  if (text.find_first_of("+/=") != std::string_view::npos) fail("{} is not base64url", what);
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  return exact_unbase64(standard, what);
}

// ECDSA signatures are two numbers of fixed length in JWS (RFC 7518, 3.4), and DER in OpenSSL.
std::string to_numbers(std::string_view der, size_t half) {
  const unsigned char* at = bytes_of(der);
  const EcdsaSignature signature(::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string raw(2 * half, '\0');
  const bool fits = signature != nullptr &&
                    ::BN_bn2binpad(::ECDSA_SIG_get0_r(signature.get()), bytes_of(raw), int(half)) >= 0 &&
                    ::BN_bn2binpad(::ECDSA_SIG_get0_s(signature.get()), bytes_of(raw) + half, int(half)) >= 0;
  ::ERR_clear_error();
  if (!fits) fail("the key made a signature that is none");
  return raw;
}

std::string to_der(std::string_view raw, size_t half) {
  if (raw.size() != 2 * half) fail("its signature has {} bytes, want {}", raw.size(), 2 * half);
  const EcdsaSignature signature(::ECDSA_SIG_new());
  BIGNUM* r = ::BN_bin2bn(bytes_of(raw), static_cast<int>(half), nullptr);
  BIGNUM* s = ::BN_bin2bn(bytes_of(raw) + half, static_cast<int>(half), nullptr);
  if (!signature || ::ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    ::BN_free(r);
    ::BN_free(s);
    fail("there is no memory for a signature");
  }
  unsigned char* der = nullptr;
  const int size = ::i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) fail("its signature is malformed");
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  ::OPENSSL_free(der);
  return bytes;
}

// Checks that a chain may sign with that key at that time; the algorithm to sign with.
const Algorithm& algorithm_to_sign(const PublicKey& key, const CertificateChain& chain, int64_t time) {
  const std::vector<Certificate> opened = open_chain(chain);
  const Algorithm& algorithm = algorithm_for(key);
  if (key_of(opened.front().get(), "the first certificate") != key)
    fail("the first certificate, of '{}', is not for the key; want the signer's first and the root's last",
         to_string(subject_of(opened.front().get())));
  try {
    check_chain(opened);
    const std::string fault = validity_fault(opened, time);
    if (!fault.empty()) fail("{}", fault);
  } catch (const base::Error& error) {
    fail("{}\nA certificate that fits, without a CA, is made by: {}", error.what(), how_to_make);
  }
  return algorithm;
}

int64_t time_field(const oci::Json& json, const char* name, const std::string& what) {
  const std::string& text = string_field(json, name, what);
  const auto seconds = base::parse_time(text);
  if (!seconds || text.find('-') == std::string::npos) fail("'{}' of {} is not a time", name, what);
  return *seconds;
}

// The header that is signed.
struct Protected {
  std::string algorithm;
  int64_t signing_time = 0;
  std::optional<int64_t> expiry;
};

Protected read_protected(std::string_view text) {
  const std::string what = "its protected header";
  const oci::Json json = oci::parse_json(text, what);
  Protected header{string_field(json, "alg", what), 0, {}};
  const std::string& type = string_field(json, "cty", what);
  if (type != notation_payload)
    fail("its payload has the type '{}', want '{}'", base::printable(type.substr(0, 100)), notation_payload);
  bool scheme = false;
  bool expiry = false;
  for (const oci::Json& name : array_field(json, "crit", what)) {
    if (!name.is_string()) fail("'crit' of {} is not a list of texts", what);
    const std::string& known = name.get_ref<const std::string&>();
    if (known != scheme_header && known != expiry_header)
      fail("it asks for '{}' to be understood, which is unknown", base::printable(known.substr(0, 100)));
    if (!json.contains(known)) fail("{} has no '{}', which 'crit' names", what, known);
    bool& seen = known == scheme_header ? scheme : expiry;
    if (seen) fail("'crit' of {} names '{}' twice", what, known);
    seen = true;
  }
  if (!scheme) fail("'crit' of {} does not name '{}'", what, scheme_header);
  const std::string& found = string_field(json, scheme_header, what);
  if (found != signing_scheme)
    fail("its signing scheme is '{}', want '{}'", base::printable(found.substr(0, 100)), signing_scheme);
  header.signing_time = time_field(json, time_header, what);
  if (json.contains(expiry_header)) {
    if (!expiry) fail("'crit' of {} does not name '{}'", what, expiry_header);
    header.expiry = time_field(json, expiry_header, what);
    if (*header.expiry <= header.signing_time) fail("it expired before it was signed");
  }
  // RFC 7515, 4.1.1 and RFC 7797: these would change what is signed, or say otherwise who signed. Those of
  // the specification belong to another scheme, or ask for a plugin, even where they are not critical.
  for (const char* other : {"b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "kid",
                            authentic_time_header, plugin_header, plugin_version_header})
    if (json.contains(other)) fail("{} has '{}', which is not allowed there", what, other);
  return header;
}

CertificateChain read_header(const oci::Json& header) {
  const std::string what = "its header";
  only_fields(header, {"x5c", agent_header, timestamp_header}, what);
  for (const char* name : {agent_header, timestamp_header})
    if (header.contains(name)) string_field(header, name, what);
  CertificateChain chain;
  for (const oci::Json& text : array_field(header, "x5c", what)) {
    if (!text.is_string()) fail("'x5c' of {} is not a list of texts", what);
    chain.push_back(exact_unbase64(text.get_ref<const std::string&>(), "a certificate"));
  }
  return chain;
}

void check_target(std::string_view payload, const oci::Descriptor& target) {
  const std::string what = "its payload";
  const oci::Json json = oci::parse_json(payload, what);
  only_fields(json, {"targetArtifact"}, what);
  const oci::Json& artifact = object_field(json, "targetArtifact", what);
  only_fields(artifact, {"mediaType", "digest", "size", "annotations", "artifactType"}, "'targetArtifact'");
  const std::string& digest = string_field(artifact, "digest", "'targetArtifact'");
  if (digest != oci::to_string(target.digest))
    fail("it is a signature of {}", base::printable(digest.substr(0, 100)));
  const std::string& type = string_field(artifact, "mediaType", "'targetArtifact'");
  if (type != target.media_type)
    fail("it is a signature of the type '{}', want '{}'", base::printable(type.substr(0, 100)),
         target.media_type);
  if (!artifact.contains("size") || !artifact["size"].is_number_unsigned())
    fail("'targetArtifact' has no 'size'");
  if (artifact["size"].get<uint64_t>() != target.size)
    fail("it is a signature of {} bytes, want {}", artifact["size"].get<uint64_t>(), target.size);
}

// Why a chain is not trusted; empty if it is.
std::string authenticity_fault(const CertificateChain& chain, const X509* signer,
                               const NotationTrust& trust) {
  const DistinguishedName subject = subject_of(signer);
  const bool anchored = std::any_of(chain.begin(), chain.end(), [&](const std::string& one) {
    return std::find(trust.roots.begin(), trust.roots.end(), one) != trust.roots.end();
  });
  if (!anchored)
    return fmt::format("no certificate of its chain is trusted; it is signed by '{}'", to_string(subject));
  for (const std::string& identity : trust.identities) {
    if (identity == "*") return "";
    if (!identity.starts_with(subject_prefix)) continue;
    if (is_ambiguous(subject))
      return fmt::format("its signer's name, '{}', has an attribute twice, so it cannot be compared",
                         to_string(subject));
    if (has_sets(signer))
      return fmt::format("its signer's name, '{}', has several attributes in one, so it cannot be compared",
                         to_string(subject));
    if (contains(subject, parse_name(identity.substr(subject_prefix.size()), "a trusted identity")))
      return "";
  }
  return fmt::format("it is signed by '{}', which no trusted identity fits", to_string(subject));
}

// Refuses or notes what a check has found.
void act(Enforcement enforcement, const std::string& fault, std::vector<std::string>& notes) {
  if (fault.empty() || enforcement == Enforcement::skip) return;
  if (enforcement == Enforcement::enforce) fail("{}", fault);
  notes.push_back(fault);
}

}  // namespace

std::string notation_sign(const Signer& signer, const CertificateChain& chain, const oci::Descriptor& target,
                          int64_t signing_time, const std::string& agent) {
  const Algorithm& algorithm = algorithm_to_sign(signer.public_key(), chain, signing_time);
  const oci::Json payload = {
      {"targetArtifact",
       {{"mediaType", target.media_type}, {"digest", oci::to_string(target.digest)}, {"size", target.size}}}};
  const oci::Json header = {{"alg", algorithm.name},
                            {"cty", notation_payload},
                            {"crit", oci::Json::array({scheme_header})},
                            {scheme_header, signing_scheme},
                            {time_header, base::format_time(signing_time)}};
  const std::string payload_text = base::base64url(payload.dump());
  const std::string header_text = base::base64url(header.dump());
  std::string signature = signer.sign(header_text + "." + payload_text, algorithm.scheme);
  if (algorithm.half != 0) signature = to_numbers(signature, algorithm.half);
  oci::Json certificates = oci::Json::array();
  for (const std::string& der : chain) certificates.push_back(base::base64(der));
  const oci::Json envelope = {{"payload", payload_text},
                              {"protected", header_text},
                              {"header", {{"x5c", certificates}, {agent_header, agent}}},
                              {"signature", base::base64url(signature)}};
  return envelope.dump();
}

Artifact notation_artifact(const std::string& envelope, const CertificateChain& chain,
                           const oci::Descriptor& subject, int64_t created) {
  const std::string empty = "{}";
  // The specification wants the config to have the type; Notation looks for it there in layouts, and for
  // `artifactType` in registries.
  const oci::Descriptor config{
      std::string(notation_artifact_type), oci::digest_of(empty), empty.size(), {}, {}};
  const oci::Descriptor layer{std::string(jws_type), oci::digest_of(envelope), envelope.size(), {}, {}};
  oci::Json prints = oci::Json::array();
  for (const std::string& der : chain) prints.push_back(oci::hex(oci::digest_of(der)));
  const oci::Json manifest = {
      {"schemaVersion", 2},
      {"mediaType", oci::media_type::manifest},
      {"artifactType", notation_artifact_type},
      {"config", oci::json_of(config)},
      {"layers", oci::Json::array({oci::json_of(layer)})},
      {"subject", oci::json_of(oci::Descriptor{subject.media_type, subject.digest, subject.size, {}, {}})},
      {"annotations",
       {{thumbprints, prints.dump()}, {"org.opencontainers.image.created", base::format_time(created)}}}};
  return {manifest.dump(), {{config, empty}, {layer, envelope}}};
}

std::optional<oci::Descriptor> notation_layer(std::string_view manifest_json) {
  const std::string what = "its manifest";
  const oci::Json json = oci::parse_json(manifest_json, what);
  const oci::Manifest manifest = oci::parse_manifest(manifest_json, what);
  const bool typed = json.contains("artifactType") && json["artifactType"] == notation_artifact_type;
  if (!typed && manifest.config.media_type != notation_artifact_type) return std::nullopt;
  if (manifest.layers.size() != 1) fail("its manifest has {} layers, want 1", manifest.layers.size());
  const oci::Descriptor& layer = manifest.layers.front();
  if (layer.media_type == cose_type) fail("its envelope is COSE, and only JWS can be read");
  if (layer.media_type != jws_type)
    fail("its envelope has the type '{}', want '{}'", base::printable(layer.media_type.substr(0, 100)),
         jws_type);
  return layer;
}

NotationAccepted notation_verify(std::string_view envelope, const oci::Descriptor& target,
                                 const NotationTrust& trust, int64_t now) {
  const std::string what = "the envelope";
  const oci::Json json = oci::parse_json(envelope, what);
  only_fields(json, {"payload", "protected", "header", "signature"}, what);
  const std::string& payload_text = string_field(json, "payload", what);
  const std::string& header_text = string_field(json, "protected", what);
  const Protected header = read_protected(unbase64url(header_text, "its protected header"));
  const CertificateChain chain = read_header(object_field(json, "header", what));
  const std::vector<Certificate> opened = open_chain(chain);
  const PublicKey key = key_of(opened.front().get(), "its first certificate");
  const Algorithm& algorithm = algorithm_for(key);
  if (header.algorithm != algorithm.name)
    fail("its algorithm is '{}', want '{}' for the key of its certificate",
         base::printable(header.algorithm.substr(0, 100)), algorithm.name);
  std::string signature = unbase64url(string_field(json, "signature", what), "its signature");
  if (algorithm.half != 0) signature = to_der(signature, algorithm.half);
  if (!verify(key, algorithm.scheme, header_text + "." + payload_text, signature))
    fail("the key of its certificate did not sign this");
  check_chain(opened);
  // "Certificate Requirements" ask for that whatever the policy says of the time that it is now.
  const std::string then = validity_fault(opened, header.signing_time);
  if (!then.empty()) fail("when it was signed, {}", then);
  check_target(unbase64url(payload_text, "its payload"), target);

  NotationAccepted accepted{to_string(subject_of(opened.front().get())), header.signing_time, {}};
  act(trust.checks.authenticity, authenticity_fault(chain, opened.front().get(), trust), accepted.notes);
  act(trust.checks.timestamp, validity_fault(opened, now), accepted.notes);
  if (header.expiry && now >= *header.expiry)
    act(trust.checks.expiry, fmt::format("it expired {}", base::format_time(*header.expiry)), accepted.notes);
  const std::string place = revocation_place(opened);
  if (!place.empty())
    act(trust.checks.revocation,
        place +
            " says where to ask whether it is revoked, which is not done; a policy may set "
            "\"override\": {\"revocation\": \"skip\"}",
        accepted.notes);
  return accepted;
}

}  // namespace minibuild::trust
