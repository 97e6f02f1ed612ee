// Signatures of the Notary Project, as Notation makes and finds them: a JWS with a chain of X.509
// certificates, which is a referrer of what it signs, and the trust policy by which they are judged.
// Specifications: notaryproject/specifications, signature-specification.md, signature-envelope-jws.md and
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

/// X.509 certificates, each as DER; a signer's chain goes from its own to the root's.
using CertificateChain = std::vector<std::string>;

/// The certificates of a PEM, in its order, or the one that is DER itself. Throws Error naming `what`.
CertificateChain parse_certificates(std::string_view text, const std::string& what);
/// The same, of certificates that are to be trusted: each must be a CA's, or sign itself.
CertificateChain parse_roots(std::string_view text, const std::string& what);

/// Signs the descriptor of a manifest or index. The result is a flattened JWS (RFC 7515, 7.2.2) whose
/// algorithm follows from the key. `signing_time` are seconds since 1970; `agent` is the name and version of
/// the program. Throws Error that says how to make a fitting certificate, if the chain is not for the key,
/// is not valid at that time or does not meet the Certificate Requirements of the specification.
std::string notation_sign(const Signer& signer, const CertificateChain& chain, const oci::Descriptor& target,
                          int64_t signing_time, const std::string& agent);
/// The envelope as a referrer of `subject`. `created` are seconds since 1970.
Artifact notation_artifact(const std::string& envelope, const CertificateChain& chain,
                           const oci::Descriptor& subject, int64_t created);
/// The layer that holds the envelope; nothing if the manifest is no signature of this form. Throws Error if
/// it is one that cannot be read.
std::optional<oci::Descriptor> notation_layer(std::string_view manifest_json);

/// What becomes of a check that fails. A check that is skipped is not made.
enum class Enforcement { enforce, log, skip };
/// The checks of a verification level; the integrity of a signature is always enforced.
struct NotationChecks {
  Enforcement authenticity = Enforcement::enforce;  // the chain leads to a trusted certificate and identity
  Enforcement timestamp = Enforcement::enforce;     // its certificates are valid now
  Enforcement expiry = Enforcement::enforce;        // the signer's own end of use
  Enforcement revocation = Enforcement::enforce;    // see NotationTrust
  bool operator==(const NotationChecks&) const = default;
};
struct NotationTrust {
  /// One of these has to be in the signer's chain.
  CertificateChain roots;
  /// `*`, or `x509.subject: C=…, ST=…, O=…` (RFC 4514), whose attributes the signer's subject must have.
  std::vector<std::string> identities{"*"};
  /// No list of revoked certificates is ever fetched: with `revocation` enforced, a certificate that names
  /// such a list or an OCSP server is refused.
  NotationChecks checks;
};
struct NotationAccepted {
  std::string subject;             // of the signer's certificate: `C=DE,ST=Berlin,O=Example,CN=signer`
  int64_t signing_time = 0;        // as the signer says, in seconds since 1970
  std::vector<std::string> notes;  // checks that failed and are only logged
};
/// Throws Error, saying why, unless the envelope is a signature of `target` (its media type, digest and size
/// count) that `trust` accepts at `now`, in seconds since 1970. Time stamps of authorities are not looked at.
NotationAccepted notation_verify(std::string_view envelope, const oci::Descriptor& target,
                                 const NotationTrust& trust, int64_t now);

/// A statement of a trust policy.
struct TrustStatement {
  std::string name;
  std::vector<std::string> scopes;  // HOST/REPOSITORY, or only `*`
  std::string level;                // `strict`, `permissive`, `audit` or `skip`
  NotationChecks checks;            // of the level, with what overrides it; means nothing if `skip`
  std::vector<std::string> stores;  // NAME of each `ca:NAME`
  std::vector<std::string> identities;
  bool operator==(const TrustStatement&) const = default;
};
/// `trustpolicy.json`, version 1.0. Unknown fields and what contradicts itself are refused. Throws Error
/// naming `what`.
std::vector<TrustStatement> parse_trust_policy(std::string_view text, const std::string& what);
/// The statement for `scope` (HOST/REPOSITORY; empty for what is in no registry, which only `*` covers): one
/// that names it, else the one for `*`. Throws Error naming `what` if there is none.
const TrustStatement& statement_for(const std::vector<TrustStatement>& policy, const std::string& scope,
                                    const std::string& what);
/// All certificates of a trust store: DIRECTORY/x509/ca/NAME/*.{pem,crt,cer}. Throws Error if there are none.
CertificateChain read_trust_store(const std::string& directory, const std::string& name);

}  // namespace minibuild::trust
