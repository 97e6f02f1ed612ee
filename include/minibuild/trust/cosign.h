// Signatures and attestations as cosign makes and finds them, by keys: the classic form, which is a payload
// of "simple signing" in a manifest under a tag, and the sigstore bundle 0.3, which is a referrer.
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
/// The predicate of a bundle that is a signature and says nothing else.
inline constexpr std::string_view sign_predicate = "https://sigstore.dev/cosign/sign/v1";

/// A manifest that is to be stored beside an image, with all that it names.
struct Artifact {
  struct Blob {
    oci::Descriptor descriptor;
    std::string bytes;
  };
  std::string manifest_json;
  std::vector<Blob> blobs;  // config and layers; those that are in the repository already may be absent
};

/// The predicate type that cosign means by a word such as `spdxjson` or `slsaprovenance1`, or the URI itself.
/// Throws Error{Code::usage} for anything else, naming the words.
std::string predicate_type_of(const std::string& word);

/// The classic payload for an image that is called `docker_reference` (`registry.example.com/team/app`).
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
/// The manifest for the tag `sha256-HEX.sig`. What `before` holds stays, but for a signature of the same
/// payload by the same key, which is replaced. Throws Error if `before` is no such manifest, or if the key is
/// Ed25519, which cosign's classic form uses with a hash that OpenSSL 3.0 does not offer (Ed25519ph).
Artifact classic_signature(const Signer& signer, const std::string& docker_reference,
                           const oci::Digest& image, const std::optional<ClassicManifest>& before);

/// An in-toto statement (in-toto/attestation spec v1) about an image. `predicate` is a JSON object, whose
/// text is taken as it is. Throws Error if it is none.
std::string make_statement(const oci::Digest& image, const std::string& predicate_type,
                           std::string_view predicate);
/// The statement, signed, as sigstore bundle.
std::string make_bundle(const Signer& signer, const std::string& statement);
/// The bundle as a referrer of `subject`. `created` are seconds since 1970.
Artifact bundle_artifact(const std::string& bundle, const oci::Descriptor& subject,
                         const std::string& predicate_type, int64_t created);

/// A signature that was found good.
struct Accepted {
  size_t key = 0;                // of the keys that were given, which one made it
  std::string docker_reference;  // what a classic signature says that the image is called
  std::string predicate_type;    // of a statement
  std::string predicate;         // JSON
};
/// Each throws Error, saying why, unless one of `keys` signed it about `image`. The classic payload with the
/// signature as its annotation has it:
Accepted verify_classic(std::string_view payload, std::string_view signature, const oci::Digest& image,
                        const std::vector<PublicKey>& keys);
/// A bundle whose statement has that predicate type. The bundle's hint of a key is not used.
Accepted verify_bundle(std::string_view bundle, const oci::Digest& image, const std::string& predicate_type,
                       const std::vector<PublicKey>& keys);
/// The envelope alone, as classic attestations have it.
Accepted verify_envelope(std::string_view envelope, const oci::Digest& image,
                         const std::string& predicate_type, const std::vector<PublicKey>& keys);

}  // namespace minibuild::trust
