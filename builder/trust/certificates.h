// X.509 certificates (RFC 5280) as the Notary Project uses them: which ones may sign, and how they form a
// chain. Extensions other than basicConstraints, keyUsage and extendedKeyUsage are ignored, as
// signature-specification.md, "Certificate Requirements", demands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "builder/trust/distinguished_name.h"
#include "builder/trust/openssl.h"
#include "minibuild/trust/notation.h"

namespace minibuild::trust {

/// Throws Error naming `what` unless the bytes are exactly one certificate in canonical DER.
Certificate open_certificate(std::string_view der, const std::string& what);
std::vector<Certificate> open_chain(const CertificateChain& chain);

DistinguishedName subject_of(const X509* certificate);
PublicKey key_of(const X509* certificate, const std::string& what);

/// Throws Error saying which certificate violates which requirement: the first must be fit for signing, the
/// others must be CAs, and each must be signed by the next, the last by itself.
void check_chain(const std::vector<Certificate>& chain);
/// Says which certificate is not valid at that time; empty if all are.
std::string validity_fault(const std::vector<Certificate>& chain, int64_t time);
/// Says which certificate names a place to check for revocation; empty if none does.
std::string revocation_place(const std::vector<Certificate>& chain);

}  // namespace minibuild::trust
