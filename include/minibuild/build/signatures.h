// Signs and verifies images and attestations about them, in registries and on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/build/images.h"
#include "minibuild/trust/cosign.h"
#include "minibuild/trust/keys.h"

namespace minibuild::build {

struct SignOptions {
  bool bundle = true;            // a sigstore bundle, as a referrer
  bool classic = true;           // a "simple signing" payload, under the tag `sha256-HEX.sig`
  std::string docker_reference;  // the image's name; empty: the registry's HOST/REPOSITORY
  int64_t created = 0;           // seconds since 1970
};

/// Signs what a name refers to, resolved once: a manifest, or an index and every manifest below it. Anything
/// already signed the same way by the same key is left alone. For registries and `oci:` layouts. Throws Error
/// `cannot sign IMAGE: cause`. Returns the digest that was signed.
oci::Digest sign_image(const oci::ImageLocation& location, const trust::Signer& signer,
                       const SignOptions& options, store::Cache& cache, const Registries& registries);

/// A statement about an image.
struct Claim {
  std::string predicate_type;
  std::string predicate;                   // a JSON object
  std::optional<oci::Descriptor> subject;  // below the index; std::nullopt: what the name refers to
};
/// Adds a signed statement about an image (about the index, if it has several platforms), as a bundle. A
/// statement that the key has already made is not repeated. Throws Error `cannot attest IMAGE: cause`.
/// Returns the digest that it is about.
oci::Digest attest_image(const oci::ImageLocation& location, const trust::Signer& signer, const Claim& claim,
                         int64_t created, store::Cache& cache, const Registries& registries);

/// Signs what a name refers to, and every manifest below an index, in another form: `make` returns the
/// manifest for a subject, which is stored as its referrer.
oci::Digest sign_image(const oci::ImageLocation& location,
                       const std::function<trust::Artifact(const oci::Descriptor& subject)>& make,
                       store::Cache& cache, const Registries& registries);

/// A manifest that belongs to an image, and the blobs that it refers to; read and verified against their
/// digests.
struct AttachedManifest {
  std::string name;
  std::string manifest_json;
  std::function<std::string(const oci::Descriptor& blob, size_t limit)> blob;  // throws Error
};
/// Something that may be a signature.
struct Candidate {
  std::string name;          // `bundle sha256:…`, `signature 1 of tag sha256-HEX.sig`
  std::string fault;         // why it is invalid; empty if valid
  trust::Accepted accepted;  // if valid
  bool bundle = false;       // else classic
  std::string remark;        // in other forms, what to report for a valid one: who signed
};
struct Verification {
  oci::Descriptor image;              // what the name refers to, resolved once
  std::vector<Candidate> candidates;  // in the order in which they are stored
};
/// Returns true if at least one candidate is valid.
bool is_verified(const Verification& verification);
/// Checks all signatures of an image, or with another predicate type all attestations of that type. For an
/// index, only its own signatures count, not those of the manifests below it. Throws Error `cannot verify
/// IMAGE: cause` if the image or the list of its signatures cannot be read; Error{Code::refused} if its bytes
/// do not match its digest.
Verification verify_image(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                          const std::string& predicate_type, store::Cache& cache,
                          const Registries& registries);
/// The same for another form: `judge` is called with each manifest that belongs to `image`. It returns
/// std::nullopt for anything not of that form, a remark for a valid signature, and throws Error for an
/// invalid one.
Verification verify_image(
    const oci::ImageLocation& location,
    const std::function<std::optional<std::string>(const AttachedManifest&, const oci::Descriptor& image)>&
        judge,
    store::Cache& cache, const Registries& registries);
/// Whether a signature that names an image `said` is valid for `wanted`, following containers/policy.json:
/// matchRepoDigestOrExact and, for signatures without a tag as cosign makes them, matchRepository. The
/// repository must be the same, and so must the tag, if both have one. A digest in `wanted` is ignored: the
/// signature itself covers one.
bool is_called(const std::string& said, const std::string& wanted);
/// Returns the verified digest. `called` is the name that a signature must give the image, if it gives one;
/// empty: any. If no signature is valid, throws Error{Code::refused} naming each candidate and its fault.
oci::Digest require_signature(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                              const std::string& called, store::Cache& cache, const Registries& registries);
/// The message of that error: why no signature is valid.
std::string why_refused(const oci::ImageLocation& location, const Verification& verification);

/// Visits the manifests that belong to a manifest of an image. If there are too many to visit all, those with
/// a tag of their own come first, and `broken` is told. Anything that cannot be read is passed to `broken`
/// with its name and the reason.
void visit_attached(const OpenedImage& image, const oci::ImageLocation& location, const oci::Digest& subject,
                    store::Cache& cache, const Registries& registries,
                    const std::function<void(const AttachedManifest&, const std::string& tag)>& visit,
                    const std::function<void(const std::string& name, const std::string& why)>& broken);

}  // namespace minibuild::build
