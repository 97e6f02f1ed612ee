// Key-based signatures and attestations as cosign creates and finds them: the classic form, a "simple
// signing" payload in a manifest under a tag, and the sigstore bundle 0.3, a referrer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/trust/keys.h"

namespace minibuild::trust {

inline constexpr std::string_view bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
inline constexpr std::string_view simple_signing_type = "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view envelope_type = "application/vnd.dsse.envelope.v1+json";
inline constexpr std::string_view empty_config_type = "application/vnd.oci.empty.v1+json";
/// The annotation of a classic layer that holds the signature.
inline constexpr const char* signature_annotation = "dev.cosignproject.cosign/signature";
/// The predicate type of a bundle that is only a signature.
inline constexpr std::string_view sign_predicate = "https://sigstore.dev/cosign/sign/v1";

/// A manifest to be stored next to an image, with everything that it refers to.
struct Artifact {
  struct Blob {
    oci::Descriptor descriptor;
    std::string bytes;
  };
  std::string manifest_json;
  std::vector<Blob> blobs;  // config and layers; those already in the repository may be absent
};

/// The predicate type for which cosign uses a word such as `spdxjson` or `slsaprovenance1`, or the URI
/// itself. Throws Error{Code::usage} listing the words for anything else.
std::string predicate_type_of(const std::string& word);

/// The classic payload for an image named `docker_reference` (`registry.example.com/team/app`).
std::string simple_signing(const std::string& docker_reference, const oci::Digest& image);
struct SimpleSigning {
  std::string docker_reference;
  oci::Digest image;
  bool operator==(const SimpleSigning&) const = default;
};
/// Refuses other types and unknown or missing fields of `critical`, as containers/image does. Throws Error.
SimpleSigning parse_simple_signing(std::string_view payload, const std::string& what);

/// A classic signature manifest before another signature is added.
struct ClassicManifest {
  std::string manifest_json;
  std::string config_json;
};
/// Whether classic signatures can be made with a key: not with Ed25519.
bool has_classic_form(const PublicKey& key);
/// The manifest for the tag `sha256-HEX.sig`. The contents of `before` are kept, except a signature of the
/// same payload by the same key, which is replaced. Throws Error if `before` is not such a manifest, or if
/// the key is Ed25519, which cosign's classic form uses with a hash that OpenSSL 3.0 does not offer
/// (Ed25519ph).
Artifact classic_signature(const Signer& signer, const std::string& docker_reference,
                           const oci::Digest& image, const std::optional<ClassicManifest>& before);

/// An in-toto statement (in-toto/attestation spec v1) about an image. `predicate` is a JSON object whose text
/// is used verbatim. Throws Error if it is not one.
std::string make_statement(const oci::Digest& image, const std::string& predicate_type,
                           std::string_view predicate);
/// Signs the statement and returns it as a sigstore bundle.
std::string make_bundle(const Signer& signer, const std::string& statement);
/// The bundle as a referrer of `subject`. `created` is in seconds since 1970.
Artifact bundle_artifact(const std::string& bundle, const oci::Descriptor& subject,
                         const std::string& predicate_type, int64_t created);

/// A signature that was verified.
struct Accepted {
  size_t key = 0;                // index of the given key that made it
  std::string docker_reference;  // the image's name according to a classic signature
  std::string predicate_type;    // of a statement
  std::string predicate;         // JSON
};
/// Each throws Error, with the reason, unless one of `keys` signed it for `image`. The classic payload, with
/// the signature as in its annotation:
Accepted verify_classic(std::string_view payload, std::string_view signature, const oci::Digest& image,
                        const std::vector<PublicKey>& keys);
/// A bundle whose statement has that predicate type. The bundle's key hint is ignored.
Accepted verify_bundle(std::string_view bundle, const oci::Digest& image, const std::string& predicate_type,
                       const std::vector<PublicKey>& keys);
/// A bare envelope, as in classic attestations.
Accepted verify_envelope(std::string_view envelope, const oci::Digest& image,
                         const std::string& predicate_type, const std::vector<PublicKey>& keys);

}  // namespace minibuild::trust
