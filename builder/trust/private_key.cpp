// Private keys in files: PKCS#8, SEC 1 and PKCS#1 in PEM, and cosign's own encryption, which is a JSON
// document that names scrypt (RFC 7914) and secretbox (XSalsa20 and Poly1305) with their parameters.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <sodium.h>

#include <algorithm>
#include <vector>

#include "builder/trust/openssl.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

using base::fail;

namespace {

// More rounds than anybody asks for; a file could name so many that the work never ends.
constexpr long max_rounds = 5'000'000;

using EncryptedKey = std::unique_ptr<X509_SIG, Free<&::X509_SIG_free>>;
using PlainKey = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Free<&::PKCS8_PRIV_KEY_INFO_free>>;

[[noreturn]] void wrong_password(std::string_view password, const std::string& what) {
  if (password.empty()) fail("cannot read {}: it is encrypted, and no password was given", what);
  fail("cannot read {}: the password is wrong", what);
}

Key from_pkcs8(std::string_view der) {
  const unsigned char* at = bytes_of(der);
  const PlainKey plain(::d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (!plain || at != bytes_of(der) + der.size()) return nullptr;
  return Key(::EVP_PKCS82PKEY(plain.get()));
}

Key from_traditional(int kind, std::string_view der) {
  const unsigned char* at = bytes_of(der);
  Key key(::d2i_PrivateKey(kind, nullptr, &at, static_cast<long>(der.size())));
  if (key && at != bytes_of(der) + der.size()) key.reset();
  return key;
}

// The number of rounds of PBKDF2 in the parameters of PBES2 (RFC 8018, A.4); 0 if the key is derived
// otherwise.
long rounds_of(const X509_SIG* encrypted) {
  const X509_ALGOR* algorithm = nullptr;
  ::X509_SIG_get0(encrypted, &algorithm, nullptr);
  const std::unique_ptr<PBE2PARAM, Free<&::PBE2PARAM_free>> parameters(
      static_cast<PBE2PARAM*>(::ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter)));
  if (::OBJ_obj2nid(algorithm->algorithm) != NID_pbes2 || !parameters) return -1;
  if (::OBJ_obj2nid(parameters->keyfunc->algorithm) != NID_id_pbkdf2) return 0;
  const std::unique_ptr<PBKDF2PARAM, Free<&::PBKDF2PARAM_free>> derivation(static_cast<PBKDF2PARAM*>(
      ::ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), parameters->keyfunc->parameter)));
  return derivation ? ::ASN1_INTEGER_get(derivation->iter) : -1;
}

Key from_encrypted_pkcs8(std::string_view der, std::string_view password, const std::string& what) {
  const unsigned char* at = bytes_of(der);
  const EncryptedKey encrypted(::d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!encrypted || at != bytes_of(der) + der.size()) return nullptr;
  const long rounds = rounds_of(encrypted.get());
  if (rounds < 0 || rounds > max_rounds)
    fail("cannot read {}: its encryption is not PBES2 with at most {} rounds", what, max_rounds);
  const PlainKey plain(::PKCS8_decrypt(encrypted.get(), password.data(), static_cast<int>(password.size())));
  ::ERR_clear_error();
  if (!plain) wrong_password(password, what);
  return Key(::EVP_PKCS82PKEY(plain.get()));
}

// The parts of cosign's document.
struct Envelope {
  uint64_t n = 0;
  std::string salt;
  std::string nonce;
  std::string ciphertext;
};

std::string bytes_at(const oci::Json& object, const char* name, const std::string& what) {
  if (!object.contains(name) || !object[name].is_string()) fail("cannot read {}: it has no '{}'", what, name);
  const auto bytes = base::unbase64(object[name].get_ref<const std::string&>());
  if (!bytes) fail("cannot read {}: '{}' is not base64", what, name);
  return *bytes;
}

uint64_t number_at(const oci::Json& object, const char* name) {
  return object.contains(name) && object[name].is_number_unsigned() ? object[name].get<uint64_t>() : 0;
}

const oci::Json& required_object(const oci::Json& object, const char* name, const std::string& what) {
  if (!object.contains(name) || !object[name].is_object()) fail("cannot read {}: it has no '{}'", what, name);
  return object[name];
}

void check_name(const oci::Json& object, const std::string& want, const std::string& what) {
  if (!object.contains("name") || object["name"] != want)
    fail("cannot read {}: it is not encrypted with {}", what, want);
}

Envelope parse_envelope(std::string_view text, const std::string& what) {
  const oci::Json json = oci::parse_json(text, what);
  if (!json.is_object()) fail("cannot read {}: it is not an object", what);
  const oci::Json& kdf = required_object(json, "kdf", what);
  const oci::Json& cipher = required_object(json, "cipher", what);
  check_name(kdf, "scrypt", what);
  check_name(cipher, "nacl/secretbox", what);
  const oci::Json& parameters = required_object(kdf, "params", what);
  Envelope envelope{number_at(parameters, "N"), bytes_at(kdf, "salt", what), bytes_at(cipher, "nonce", what),
                    bytes_at(json, "ciphertext", what)};
  const bool usual = envelope.n == 32768 || envelope.n == 65536 || envelope.n == 131072;
  if (!usual || number_at(parameters, "r") != 8 || number_at(parameters, "p") != 1)
    fail("cannot read {}: its parameters of scrypt are not those that cosign uses", what);
  if (envelope.salt.size() != 32) fail("cannot read {}: its salt has not 32 bytes", what);
  if (envelope.nonce.size() != crypto_secretbox_NONCEBYTES)
    fail("cannot read {}: its nonce has not {} bytes", what, crypto_secretbox_NONCEBYTES);
  if (envelope.ciphertext.size() < crypto_secretbox_MACBYTES) fail("cannot read {}: it is cut off", what);
  return envelope;
}

Key from_cosign(std::string_view text, std::string_view password, const std::string& what) {
  const Envelope envelope = parse_envelope(text, what);
  if (::sodium_init() < 0) fail("cannot read {}: libsodium does not start", what);
  Secret key;
  key.bytes.resize(crypto_secretbox_KEYBYTES);
  if (::crypto_pwhash_scryptsalsa208sha256_ll(bytes_of(password), password.size(), bytes_of(envelope.salt),
                                              envelope.salt.size(), envelope.n, 8, 1, bytes_of(key.bytes),
                                              key.bytes.size()) != 0)
    fail("cannot read {}: there is no memory to derive its key", what);
  Secret plain;
  plain.bytes.resize(envelope.ciphertext.size() - crypto_secretbox_MACBYTES);
  if (::crypto_secretbox_open_easy(bytes_of(plain.bytes), bytes_of(envelope.ciphertext),
                                   envelope.ciphertext.size(), bytes_of(envelope.nonce),
                                   bytes_of(key.bytes)) != 0)
    wrong_password(password, what);
  return from_pkcs8(plain.bytes);
}

}  // namespace

bool is_encrypted(std::string_view pem) {
  const std::vector<PemPart> parts = parse_pem(pem);
  return std::any_of(parts.begin(), parts.end(), [](const PemPart& part) {
    return part.label.starts_with("ENCRYPTED ") && part.label.ends_with("PRIVATE KEY");
  });
}

std::unique_ptr<Signer> parse_private_key(std::string_view pem, std::string_view password,
                                          const std::string& what) {
  if (pem.size() > max_pem) fail("cannot read {}: it is larger than {} bytes", what, max_pem);
  for (const PemPart& part : parse_pem(pem)) {
    const std::string_view der = part.der.bytes;
    if (!part.label.ends_with("PRIVATE KEY")) continue;  // such as EC PARAMETERS
    if (!part.header.empty())
      fail("cannot read {}: it is encrypted in OpenSSL's old way; convert it with 'openssl pkcs8 -topk8'",
           what);
    Key key;
    if (part.label == "PRIVATE KEY")
      key = from_pkcs8(der);
    else if (part.label == "EC PRIVATE KEY")
      key = from_traditional(EVP_PKEY_EC, der);
    else if (part.label == "RSA PRIVATE KEY")
      key = from_traditional(EVP_PKEY_RSA, der);
    else if (part.label == "ENCRYPTED PRIVATE KEY")
      key = from_encrypted_pkcs8(der, password, what);
    else if (part.label == "ENCRYPTED SIGSTORE PRIVATE KEY" || part.label == "ENCRYPTED COSIGN PRIVATE KEY")
      key = from_cosign(der, password, what);
    else
      fail("cannot read {}: keys of the kind '{}' cannot be used", what, base::printable(part.label));
    ::ERR_clear_error();
    if (!key) fail("cannot read {}: its {} is malformed", what, part.label);
    return make_signer(std::move(key), what);
  }
  fail("cannot read {}: it has no private key in PEM", what);
}

}  // namespace minibuild::trust
