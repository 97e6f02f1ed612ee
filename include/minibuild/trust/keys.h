// Signing and verification keys.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace minibuild::trust {

/// Signature schemes. ECDSA signatures are DER-encoded (RFC 3279, 2.2.3).
enum class Scheme {
  ecdsa_p256_sha256,
  ecdsa_p384_sha384,
  ecdsa_p521_sha512,
  rsa_pkcs1_sha256,
  rsa_pss_sha256,
  rsa_pss_sha384,
  rsa_pss_sha512,
  ed25519,
};

/// A public key as SubjectPublicKeyInfo (RFC 5280, 4.1.2.7), DER.
struct PublicKey {
  std::string der;
  bool operator==(const PublicKey&) const = default;
};
/// Parses a PEM `PUBLIC KEY`, or takes the key of a certificate. Throws Error naming `what`.
PublicKey parse_public_key(std::string_view pem, const std::string& what);
std::string to_pem(const PublicKey& key);
/// The scheme that cosign uses with this kind of key: ECDSA by its curve, RSA with PKCS#1, Ed25519.
Scheme scheme_of(const PublicKey& key);
/// Returns false for a signature of other bytes or by another key, and for anything that is not a signature.
bool verify(const PublicKey& key, Scheme scheme, std::string_view bytes, std::string_view signature);

/// A private key, in memory or on a token.
class Signer {
 public:
  virtual ~Signer() = default;
  virtual const PublicKey& public_key() const = 0;
  /// Throws Error if the key does not support the scheme.
  virtual std::string sign(std::string_view bytes, Scheme scheme) const = 0;
};

/// Reads the key in a PEM: `PRIVATE KEY`, `EC PRIVATE KEY`, `RSA PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, and
/// cosign's `ENCRYPTED SIGSTORE PRIVATE KEY` or `ENCRYPTED COSIGN PRIVATE KEY`. Throws Error naming `what`; a
/// wrong password is reported as such.
std::unique_ptr<Signer> parse_private_key(std::string_view pem, std::string_view password,
                                          const std::string& what);

/// Returns true if the private key in a PEM requires a password, which may be empty.
bool is_encrypted(std::string_view pem);

}  // namespace minibuild::trust
