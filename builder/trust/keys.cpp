// Public keys, and signatures by keys in memory: OpenSSL's EVP.
#include "minibuild/trust/keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <vector>

#include "builder/trust/openssl.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr size_t max_parts = 64;
constexpr int min_rsa_bits = 2048;
constexpr int max_rsa_bits = 16384;

// The curve's name as OpenSSL has it; empty for other keys and for curves that are written out (the attack of
// CVE-2020-0601 needs such a key).
std::string curve_of(const EVP_PKEY* key) {
  std::array<char, 64> name{};
  size_t size = 0;
  if (::EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
      ::EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(), &size) != 1)
    return "";
  return {name.data(), size};
}

// The length of the SubjectPublicKeyInfo of an uncompressed point on a named curve.
size_t size_on(const std::string& curve) {
  if (curve == "prime256v1") return 91;
  if (curve == "secp384r1") return 120;
  if (curve == "secp521r1") return 158;
  return 0;
}

Key key_from_der(std::string_view der) {
  if (der.size() > max_der) return nullptr;
  const unsigned char* at = bytes_of(der);
  Key key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (key && at != bytes_of(der) + der.size()) key.reset();
  return key;
}

Key key_from_certificate(std::string_view der) {
  if (der.size() > max_der) return nullptr;
  const unsigned char* at = bytes_of(der);
  const Certificate certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate || at != bytes_of(der) + der.size()) return nullptr;
  return Key(::X509_get_pubkey(certificate.get()));
}

// How a context for signing or verifying is to treat an RSA key.
bool set_padding(EVP_PKEY_CTX* context, Scheme scheme) {
  if (!is_pss(scheme)) return true;
  return ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         ::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

class KeySigner : public Signer {
 public:
  KeySigner(Key key, const std::string& what)
      : key_(std::move(key)), public_(public_half(key_.get(), what)), what_(what) {}

  const PublicKey& public_key() const override { return public_; }

  std::string sign(std::string_view bytes, Scheme scheme) const override {
    if (!suits(scheme, key_.get()))
      fail("cannot sign with {}: the key is not one for {}", what_, name_of(scheme));
    const DigestContext context(::EVP_MD_CTX_new());
    EVP_PKEY_CTX* inner = nullptr;
    size_t size = 0;
    std::string signature;
    const bool started =
        context != nullptr &&
        ::EVP_DigestSignInit(context.get(), &inner, digest_of(scheme), nullptr, key_.get()) == 1 &&
        set_padding(inner, scheme) &&
        ::EVP_DigestSign(context.get(), nullptr, &size, bytes_of(bytes), bytes.size()) == 1;
    if (started) signature.resize(size);
    const bool done = started && ::EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(bytes),
                                                  bytes.size()) == 1;
    ::ERR_clear_error();
    if (!done) fail("cannot sign with {}: OpenSSL refuses", what_);
    signature.resize(size);
    return signature;
  }

 private:
  Key key_;
  PublicKey public_;
  std::string what_;
};

}  // namespace

void start_openssl() { ::OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr); }

std::vector<PemPart> parse_pem(std::string_view text) {
  start_openssl();
  std::vector<PemPart> parts;
  if (text.size() > max_pem) return parts;
  const Bio bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (bio && parts.size() < max_parts && ::PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    PemPart part{name, header, Secret(std::string_view(reinterpret_cast<const char*>(data), size))};
    parts.push_back(std::move(part));
    ::OPENSSL_free(name);
    ::OPENSSL_free(header);
    ::OPENSSL_clear_free(data, size);
  }
  ::ERR_clear_error();
  return parts;
}

Key open_public_key(const PublicKey& key, const std::string& what) {
  start_openssl();
  Key opened = key_from_der(key.der);
  ::ERR_clear_error();
  if (!opened) fail("cannot read {}: it is not a public key", what);
  return opened;
}

PublicKey public_half(EVP_PKEY* key, const std::string& what) {
  const int kind = ::EVP_PKEY_get_base_id(key);
  const std::string curve = curve_of(key);
  if (kind == EVP_PKEY_EC) {
    if (size_on(curve) == 0)
      fail("cannot use {}: its curve is '{}'; P-256, P-384 and P-521 can be used", what,
           base::printable(curve));
    ::EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed");
  } else if (kind == EVP_PKEY_RSA) {
    const int bits = ::EVP_PKEY_get_bits(key);
    if (bits < min_rsa_bits || bits > max_rsa_bits)
      fail("cannot use {}: an RSA key of {} bits; want {} to {}", what, bits, min_rsa_bits, max_rsa_bits);
  } else if (kind != EVP_PKEY_ED25519) {
    fail("cannot use {}: ECDSA, RSA and Ed25519 keys can be used", what);
  }
  unsigned char* der = nullptr;
  const int size = ::i2d_PUBKEY(key, &der);
  ::ERR_clear_error();
  if (size <= 0) fail("cannot read {}: it has no public key", what);
  PublicKey half{{reinterpret_cast<const char*>(der), static_cast<size_t>(size)}};
  ::OPENSSL_free(der);
  if (kind == EVP_PKEY_EC && half.der.size() != size_on(curve))
    fail("cannot use {}: its curve is written out, not named", what);
  return half;
}

bool suits(Scheme scheme, const EVP_PKEY* key) {
  switch (scheme) {
    case Scheme::ecdsa_p256_sha256:
      return curve_of(key) == "prime256v1";
    case Scheme::ecdsa_p384_sha384:
      return curve_of(key) == "secp384r1";
    case Scheme::ecdsa_p521_sha512:
      return curve_of(key) == "secp521r1";
    case Scheme::rsa_pkcs1_sha256:
    case Scheme::rsa_pss_sha256:
    case Scheme::rsa_pss_sha384:
    case Scheme::rsa_pss_sha512:
      return ::EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    case Scheme::ed25519:
      return ::EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  }
  return false;
}

const EVP_MD* digest_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::ecdsa_p256_sha256:
    case Scheme::rsa_pkcs1_sha256:
    case Scheme::rsa_pss_sha256:
      return ::EVP_sha256();
    case Scheme::ecdsa_p384_sha384:
    case Scheme::rsa_pss_sha384:
      return ::EVP_sha384();
    case Scheme::ecdsa_p521_sha512:
    case Scheme::rsa_pss_sha512:
      return ::EVP_sha512();
    case Scheme::ed25519:
      break;
  }
  return nullptr;
}

bool is_pss(Scheme scheme) {
  return scheme == Scheme::rsa_pss_sha256 || scheme == Scheme::rsa_pss_sha384 ||
         scheme == Scheme::rsa_pss_sha512;
}

bool is_ecdsa(Scheme scheme) {
  return scheme == Scheme::ecdsa_p256_sha256 || scheme == Scheme::ecdsa_p384_sha384 ||
         scheme == Scheme::ecdsa_p521_sha512;
}

std::string_view name_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::ecdsa_p256_sha256:
      return "ECDSA P-256 with SHA-256";
    case Scheme::ecdsa_p384_sha384:
      return "ECDSA P-384 with SHA-384";
    case Scheme::ecdsa_p521_sha512:
      return "ECDSA P-521 with SHA-512";
    case Scheme::rsa_pkcs1_sha256:
      return "RSA PKCS#1 with SHA-256";
    case Scheme::rsa_pss_sha256:
      return "RSA-PSS with SHA-256";
    case Scheme::rsa_pss_sha384:
      return "RSA-PSS with SHA-384";
    case Scheme::rsa_pss_sha512:
      return "RSA-PSS with SHA-512";
    case Scheme::ed25519:
      return "Ed25519";
  }
  return "";
}

std::unique_ptr<Signer> make_signer(Key key, const std::string& what) {
  return std::make_unique<KeySigner>(std::move(key), what);
}

PublicKey parse_public_key(std::string_view pem, const std::string& what) {
  if (pem.size() > max_pem) fail("cannot read {}: it is larger than {} bytes", what, max_pem);
  const std::vector<PemPart> parts = parse_pem(pem);
  if (std::count_if(parts.begin(), parts.end(), [](const auto& part) { return part.label == "PUBLIC KEY"; }) >
      1)
    fail("cannot read {}: it has several public keys; give each in a file of its own", what);
  for (const PemPart& part : parts) {
    if (part.label.ends_with("PRIVATE KEY"))
      fail("cannot read {}: it is a private key, and a public one is wanted", what);
    Key key;
    if (part.label == "PUBLIC KEY")
      key = key_from_der(part.der.bytes);
    else if (part.label == "CERTIFICATE")
      key = key_from_certificate(part.der.bytes);
    else
      continue;
    ::ERR_clear_error();
    if (!key)
      fail("cannot read {}: its {} is malformed", what,
           part.label == "CERTIFICATE" ? "certificate" : "public key");
    return public_half(key.get(), what);
  }
  fail("cannot read {}: it has neither a PUBLIC KEY nor a CERTIFICATE in PEM", what);
}

std::string to_pem(const PublicKey& key) {
  const std::string text = base::base64(key.der);
  std::string pem = "-----BEGIN PUBLIC KEY-----\n";
  for (size_t at = 0; at < text.size(); at += 64) pem += text.substr(at, 64) + "\n";
  return pem + "-----END PUBLIC KEY-----\n";
}

Scheme scheme_of(const PublicKey& key) {
  const Key opened = open_public_key(key, "the key");
  for (const Scheme scheme : {Scheme::ecdsa_p256_sha256, Scheme::ecdsa_p384_sha384, Scheme::ecdsa_p521_sha512,
                              Scheme::rsa_pkcs1_sha256, Scheme::ed25519})
    if (suits(scheme, opened.get())) return scheme;
  fail("cannot use the key: ECDSA, RSA and Ed25519 keys can be used");
}

bool verify(const PublicKey& key, Scheme scheme, std::string_view bytes, std::string_view signature) {
  const Key opened = open_public_key(key, "the key");
  if (!suits(scheme, opened.get())) return false;
  const DigestContext context(::EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;
  const bool good =
      context != nullptr &&
      ::EVP_DigestVerifyInit(context.get(), &inner, digest_of(scheme), nullptr, opened.get()) == 1 &&
      set_padding(inner, scheme) &&
      ::EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(bytes),
                         bytes.size()) == 1;
  ::ERR_clear_error();
  return good;
}

}  // namespace minibuild::trust
