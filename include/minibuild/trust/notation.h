// Notary Project signatures as Notation creates and finds them: a JWS with a chain of X.509 certificates,
// stored as a referrer of what it signs, and the trust policy by which they are judged. Specifications:
// notaryproject/specifications, signature-specification.md, signature-envelope-jws.md and
// trust-store-trust-policy.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/trust/cosign.h"
#include "minibuild/trust/keys.h"

namespace minibuild::trust {

inline constexpr std::string_view notation_artifact_type = "application/vnd.cncf.notary.signature";
inline constexpr std::string_view jws_type = "application/jose+json";

/// X.509 certificates, each as DER; a signer's chain runs from its own certificate to the root.
using CertificateChain = std::vector<std::string>;

/// The certificates in a PEM, in order, or a single one in DER. Throws Error naming `what`.
CertificateChain parse_certificates(std::string_view text, const std::string& what);
/// The same for certificates to be trusted: each must be a CA's or self-signed.
CertificateChain parse_roots(std::string_view text, const std::string& what);

/// Signs the descriptor of a manifest or index. The result is a flattened JWS (RFC 7515, 7.2.2) whose
/// algorithm follows from the key. `signing_time` is in seconds since 1970; `agent` is the name and version
/// of the program. If the chain does not belong to the key, is not valid at that time or does not meet the
/// specification's Certificate Requirements, throws Error that says how to make a suitable certificate.
std::string notation_sign(const Signer& signer, const CertificateChain& chain, const oci::Descriptor& target,
                          int64_t signing_time, const std::string& agent);
/// The envelope as a referrer of `subject`. `created` is in seconds since 1970.
Artifact notation_artifact(const std::string& envelope, const CertificateChain& chain,
                           const oci::Descriptor& subject, int64_t created);
/// The layer that holds the envelope; std::nullopt if the manifest is not a signature of this form. Throws
/// Error if it is one but cannot be read.
std::optional<oci::Descriptor> notation_layer(std::string_view manifest_json);

/// What happens if a check fails. A check with `skip` is not performed.
enum class Enforcement { enforce, log, skip };
/// The checks of a verification level; a signature's integrity is always enforced.
struct NotationChecks {
  Enforcement authenticity = Enforcement::enforce;  // the chain leads to a trusted certificate and identity
  Enforcement timestamp = Enforcement::enforce;     // its certificates are valid now
  Enforcement expiry = Enforcement::enforce;        // the expiry that the signer set
  Enforcement revocation = Enforcement::enforce;    // see NotationTrust
  bool operator==(const NotationChecks&) const = default;
};
struct NotationTrust {
  /// One of these must be in the signer's chain.
  CertificateChain roots;
  /// `*`, or `x509.subject: C=…, ST=…, O=…` (RFC 4514), whose attributes must all be in the signer's subject.
  std::vector<std::string> identities{"*"};
  /// Revocation lists are never fetched: with `revocation` enforced, a certificate that names a revocation
  /// list or an OCSP server is refused.
  NotationChecks checks;
};
struct NotationAccepted {
  std::string subject;             // of the signer's certificate: `C=DE,ST=Berlin,O=Example,CN=signer`
  int64_t signing_time = 0;        // according to the signer, in seconds since 1970
  std::vector<std::string> notes;  // checks that failed and are only logged
};
/// Throws Error, with the reason, unless the envelope is a signature of `target` (media type, digest and size
/// must match) that `trust` accepts at `now`, in seconds since 1970. Timestamps from timestamping authorities
/// are ignored.
NotationAccepted notation_verify(std::string_view envelope, const oci::Descriptor& target,
                                 const NotationTrust& trust, int64_t now);

/// A statement of a trust policy.
struct TrustStatement {
  std::string name;
  std::vector<std::string> scopes;  // HOST/REPOSITORY, or only `*`
  std::string level;                // `strict`, `permissive`, `audit` or `skip`
  NotationChecks checks;            // of the level, with its overrides; meaningless if `skip`
  std::vector<std::string> stores;  // NAME of each `ca:NAME`
  std::vector<std::string> identities;
  bool operator==(const TrustStatement&) const = default;
};
/// `trustpolicy.json`, version 1.0. Unknown fields and contradictions are refused. Throws Error naming
/// `what`.
std::vector<TrustStatement> parse_trust_policy(std::string_view text, const std::string& what);
/// Returns the statement for `scope` (HOST/REPOSITORY; empty for images outside a registry, which only `*`
/// covers): one that lists it, else the one for `*`. Throws Error naming `what` if there is none.
const TrustStatement& statement_for(const std::vector<TrustStatement>& policy, const std::string& scope,
                                    const std::string& what);
/// All certificates in a trust store: DIRECTORY/x509/ca/NAME/*.{pem,crt,cer}. Throws Error if there are none.
CertificateChain read_trust_store(const std::string& directory, const std::string& name);

}  // namespace minibuild::trust
