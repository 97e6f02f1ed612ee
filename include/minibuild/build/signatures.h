// Signing images and attestations about them, and verifying them, wherever they are.
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
  bool classic = true;           // the payload of "simple signing", under the tag `sha256-HEX.sig`
  std::string docker_reference;  // what the image is called; empty: the registry's HOST/REPOSITORY
  int64_t created = 0;           // seconds since 1970
};

/// Signs what a name stands for, asked for once: a manifest, or an index and every manifest below it. What is
/// signed so by the same key already stays as it is. For registries and `oci:` layouts. Throws Error `cannot
/// sign IMAGE: cause`. The digest that was signed.
oci::Digest sign_image(const oci::ImageLocation& location, const trust::Signer& signer,
                       const SignOptions& options, store::Cache& cache, const Registries& registries);

/// What is stated about an image.
struct Claim {
  std::string predicate_type;
  std::string predicate;                   // a JSON object
  std::optional<oci::Descriptor> subject;  // a manifest below the index; nothing: what the name stands for
};
/// Adds a signed statement about an image (about the index, if it has several platforms), as a bundle. What
/// the key has stated already is not stated again. Throws Error `cannot attest IMAGE: cause`. The digest that
/// it is about.
oci::Digest attest_image(const oci::ImageLocation& location, const trust::Signer& signer, const Claim& claim,
                         int64_t created, store::Cache& cache, const Registries& registries);

/// Signs what a name stands for, and every manifest below an index, in another form: `make` gives the
/// manifest for a subject, which is stored as its referrer.
oci::Digest sign_image(const oci::ImageLocation& location,
                       const std::function<trust::Artifact(const oci::Descriptor& subject)>& make,
                       store::Cache& cache, const Registries& registries);

/// A manifest that belongs to an image, and what it names; read and checked against their digests.
struct AttachedManifest {
  std::string name;
  std::string manifest_json;
  std::function<std::string(const oci::Descriptor& blob, size_t limit)> blob;  // throws Error
};
/// Something that may be a signature.
struct Candidate {
  std::string name;          // `bundle sha256:…`, `signature 1 of tag sha256-HEX.sig`
  std::string fault;         // why it does not count; empty if it does
  trust::Accepted accepted;  // if it does
  bool bundle = false;       // else classic
  std::string remark;        // of other forms, what is to be said of a good one: who signed
};
struct Verification {
  oci::Descriptor image;              // what the name stands for, asked for once
  std::vector<Candidate> candidates;  // in the order of the place where they are
};
/// True if one candidate is good.
bool is_verified(const Verification& verification);
/// Looks at all signatures of an image, or with another predicate type at all attestations of that type. Of
/// an index, its own count, not those of the manifests below. Throws Error `cannot verify IMAGE: cause` if
/// the image or the list of its signatures cannot be read: Error{Code::refused} if its bytes do not have its
/// digest.
Verification verify_image(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                          const std::string& predicate_type, store::Cache& cache,
                          const Registries& registries);
/// The same for another form: `judge` is given each manifest that belongs to `image`. It gives nothing for
/// what is not of that form, a remark for a good signature, and throws Error for one that is not good.
Verification verify_image(
    const oci::ImageLocation& location,
    const std::function<std::optional<std::string>(const AttachedManifest&, const oci::Descriptor& image)>&
        judge,
    store::Cache& cache, const Registries& registries);
/// Whether a signature that calls an image `said` is one for `wanted`, as containers/policy.json's
/// matchRepoDigestOrExact and, for signatures without a tag as cosign makes them, matchRepository have it:
/// the repository is the same, and the tag, if the signature names one, is the one that is wanted, if that
/// names one. Digests in `wanted` do not matter: the signature is over one.
bool is_called(const std::string& said, const std::string& wanted);
/// The verified digest. `called` is what a signature that names the image has to call it; empty: anything.
/// Throws Error{Code::refused} that names each candidate and its fault, if none is good.
oci::Digest require_signature(const oci::ImageLocation& location, const std::vector<trust::PublicKey>& keys,
                              const std::string& called, store::Cache& cache, const Registries& registries);
/// The message of that error: why nothing is good.
std::string why_refused(const oci::ImageLocation& location, const Verification& verification);

/// Visits what belongs to a manifest of an image: what has a tag of its own first if it is too much to visit
/// all, which `broken` is told. What cannot be read is given to `broken` with
/// its name and the reason.
void visit_attached(const OpenedImage& image, const oci::ImageLocation& location, const oci::Digest& subject,
                    store::Cache& cache, const Registries& registries,
                    const std::function<void(const AttachedManifest&, const std::string& tag)>& visit,
                    const std::function<void(const std::string& name, const std::string& why)>& broken);

}  // namespace minibuild::build
