// X.509 certificates (RFC 5280) as the Notary Project uses them: which ones may sign, and how they follow
// from each other. Other extensions than basicConstraints, keyUsage and extendedKeyUsage are not looked at:
// signature-specification.md, "Certificate Requirements", wants it so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "builder/trust/distinguished_name.h"
#include "builder/trust/openssl.h"
#include "minibuild/trust/notation.h"

namespace minibuild::trust {

/// Throws Error naming `what` unless the bytes are one certificate, in the one way that DER writes it.
Certificate open_certificate(std::string_view der, const std::string& what);
std::vector<Certificate> open_chain(const CertificateChain& chain);

DistinguishedName subject_of(const X509* certificate);
PublicKey key_of(const X509* certificate, const std::string& what);

/// Throws Error that says which requirement is not met, by which certificate: of the chain's first as signer,
/// of the others as CAs, and that each is signed by the next and the last by itself.
void check_chain(const std::vector<Certificate>& chain);
/// Which certificate is not valid at that time; empty if all are.
std::string validity_fault(const std::vector<Certificate>& chain, int64_t time);
/// Which certificate says where to ask whether it is revoked; empty if none does.
std::string revocation_place(const std::vector<Certificate>& chain);

}  // namespace minibuild::trust
