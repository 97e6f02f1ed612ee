// RAII wrappers for OpenSSL objects, and what the keys of this room have in common.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/trust/keys.h"

namespace minibuild::trust {

template <auto Function>
struct Free {
  template <typename Object>
  void operator()(Object* object) const {
    Function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<&::EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<&::EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<&::EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Free<&::X509_free>>;
using Bio = std::unique_ptr<BIO, Free<&::BIO_free>>;

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

/// Bytes that are overwritten when no longer needed.
struct Secret {
  std::string bytes;
  Secret() = default;
  explicit Secret(std::string_view text) : bytes(text) {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&&) = default;
  Secret& operator=(Secret&&) = default;
  ~Secret() { ::OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

constexpr size_t max_pem = size_t{256} << 10;
constexpr size_t max_der = size_t{64} << 10;  // of one key or certificate

/// Keeps the library from reading the configuration that the environment or /etc names. Must be called before
/// any other use.
void start_openssl();

/// One section of a PEM file (RFC 7468).
struct PemPart {
  std::string label;
  std::string header;  // of the legacy encryption; else empty
  Secret der;
};
/// The sections of a text; empty if it is not PEM. At most 64.
std::vector<PemPart> parse_pem(std::string_view text);

/// The key as an OpenSSL object. Throws Error naming `what`.
Key open_public_key(const PublicKey& key, const std::string& what);
/// The public half; refuses key types and sizes that minibuild does not use. Throws Error naming `what`.
PublicKey public_half(EVP_PKEY* key, const std::string& what);

/// Whether a key suits a scheme, and the digest that the scheme signs; null for Ed25519.
bool suits(Scheme scheme, const EVP_PKEY* key);
const EVP_MD* digest_of(Scheme scheme);
bool is_pss(Scheme scheme);
bool is_ecdsa(Scheme scheme);
std::string_view name_of(Scheme scheme);

/// A signer for a private key in memory.
std::unique_ptr<Signer> make_signer(Key key, const std::string& what);

}  // namespace minibuild::trust
