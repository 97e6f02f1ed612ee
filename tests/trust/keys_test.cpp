// Keys as the openssl program makes them, with its verdict on signatures of ours and ours on its.
#include "minibuild/trust/keys.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "tests/trust/scratch.h"

namespace minibuild::trust {
namespace {

struct Kind {
  const char* name;
  const char* generate;  // writes key.pem
  Scheme scheme;
  const char* sign;    // data → signature
  const char* verify;  // data, signature
};

const Kind kinds[] = {
    {"P256", "openssl ecparam -name prime256v1 -genkey -out key.pem", Scheme::ecdsa_p256_sha256,
     "openssl dgst -sha256 -sign key.pem -out signature data",
     "openssl dgst -sha256 -verify pub.pem -signature signature data"},
    {"P384", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem",
     Scheme::ecdsa_p384_sha384, "openssl dgst -sha384 -sign key.pem -out signature data",
     "openssl dgst -sha384 -verify pub.pem -signature signature data"},
    {"P521", "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key.pem",
     Scheme::ecdsa_p521_sha512, "openssl dgst -sha512 -sign key.pem -out signature data",
     "openssl dgst -sha512 -verify pub.pem -signature signature data"},
    {"RSA", "openssl genrsa -traditional -out key.pem 2048", Scheme::rsa_pkcs1_sha256,
     "openssl dgst -sha256 -sign key.pem -out signature data",
     "openssl dgst -sha256 -verify pub.pem -signature signature data"},
    {"Ed25519", "openssl genpkey -algorithm ED25519 -out key.pem", Scheme::ed25519,
     "openssl pkeyutl -sign -rawin -inkey key.pem -in data -out signature",
     "openssl pkeyutl -verify -rawin -pubin -inkey pub.pem -in data -sigfile signature"},
};

TEST(Keys, SignAsOpensslVerifiesAndVerifyWhatItSigns) {
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const Scratch scratch;
    ASSERT_TRUE(scratch.run(kind.generate)) << scratch.read("log");
    ASSERT_TRUE(scratch.run("openssl pkey -in key.pem -pubout -out pub.pem")) << scratch.read("log");
    const auto signer = parse_private_key(scratch.read("key.pem"), "", "key.pem");
    const PublicKey key = parse_public_key(scratch.read("pub.pem"), "pub.pem");
    EXPECT_EQ(signer->public_key(), key);
    EXPECT_EQ(to_pem(key), scratch.read("pub.pem"));
    EXPECT_EQ(scheme_of(key), kind.scheme);
    const std::string data("some\0data", 9);
    scratch.write("data", data);
    ASSERT_TRUE(scratch.run(kind.sign)) << scratch.read("log");
    EXPECT_TRUE(verify(key, kind.scheme, data, scratch.read("signature")));
    const std::string signature = signer->sign(data, kind.scheme);
    scratch.write("signature", signature);
    EXPECT_TRUE(scratch.run(kind.verify)) << scratch.read("log");
    EXPECT_TRUE(verify(key, kind.scheme, data, signature));
    EXPECT_FALSE(verify(key, kind.scheme, "other data", signature));
    EXPECT_FALSE(verify(key, kind.scheme, data, signature + '\0'));
    EXPECT_FALSE(verify(key, kind.scheme, data, ""));
    for (size_t i = 0; i < signature.size(); ++i) {
      std::string wrong = signature;
      wrong[i] = static_cast<char>(wrong[i] ^ 1);
      EXPECT_FALSE(verify(key, kind.scheme, data, wrong)) << "byte " << i;
    }
    for (const Kind& other : kinds)
      if (other.scheme != kind.scheme) {
        EXPECT_FALSE(verify(key, other.scheme, data, signature));
        EXPECT_NE(error_of([&] { signer->sign(data, other.scheme); }), "no error");
      }
  }
}

TEST(Keys, PssIsThatOfJws) {
  const Scratch scratch;
  ASSERT_TRUE(
      scratch.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem && "
                  "openssl pkey -in key.pem -pubout -out pub.pem"));
  const auto signer = parse_private_key(scratch.read("key.pem"), "", "key.pem");
  scratch.write("data", "data");
  const std::pair<Scheme, const char*> schemes[] = {
      {Scheme::rsa_pss_sha256, "256"}, {Scheme::rsa_pss_sha384, "384"}, {Scheme::rsa_pss_sha512, "512"}};
  for (const auto& [scheme, bits] : schemes) {
    const std::string signature = signer->sign("data", scheme);
    scratch.write("signature", signature);
    // RFC 7518, 3.5: the salt is as long as the hash, and MGF1 uses the same one.
    EXPECT_TRUE(scratch.run(std::string("openssl dgst -sha") + bits +
                            " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -verify pub.pem "
                            "-signature signature data"))
        << scratch.read("log");
    EXPECT_TRUE(verify(signer->public_key(), scheme, "data", signature));
    EXPECT_FALSE(verify(signer->public_key(), Scheme::rsa_pkcs1_sha256, "data", signature));
  }
}

std::string pem_of(const std::string& label, const std::string& bytes) {
  std::string pem = "-----BEGIN " + label + "-----\n";
  const std::string encoded = base::base64(bytes);
  for (size_t i = 0; i < encoded.size(); i += 64) pem += encoded.substr(i, 64) + "\n";
  return pem + "-----END " + label + "-----\n";
}

TEST(Keys, ReadsEncryptedPkcs8) {
  const Scratch scratch;
  ASSERT_TRUE(
      scratch.run("openssl ecparam -name prime256v1 -genkey -noout -out plain.pem && "
                  "openssl pkcs8 -topk8 -in plain.pem -passout pass:horse -out key.pem && "
                  "openssl pkcs8 -topk8 -scrypt -in plain.pem -passout pass:horse -out scrypt.pem && "
                  "openssl pkcs8 -topk8 -in plain.pem -passout pass:horse -iter 65536 -out many.pem && "
                  "openssl asn1parse -in many.pem -noout -out many.der && "
                  "openssl ec -aes128 -passout pass:horse -in plain.pem -out old.pem"));
  const auto plain = parse_private_key(scratch.read("plain.pem"), "", "plain.pem");
  for (const char* name : {"key.pem", "scrypt.pem"}) {
    const std::string pem = scratch.read(name);
    EXPECT_EQ(parse_private_key(pem, "horse", name)->public_key(), plain->public_key());
    EXPECT_EQ(error_of([&] { parse_private_key(pem, "cow", name); }),
              std::string("cannot read ") + name + ": the password is wrong");
    EXPECT_EQ(error_of([&] { parse_private_key(pem, "", name); }),
              std::string("cannot read ") + name + ": it is encrypted, and no password was given");
  }
  // 65536 rounds become 8 million.
  std::string der = scratch.read("many.der");
  const size_t rounds = der.find(std::string("\x02\x03\x01\x00\x00", 5));
  ASSERT_NE(rounds, std::string::npos);
  der.replace(rounds + 2, 3, "\x7f\xff\xff");
  const std::string slow = pem_of("ENCRYPTED PRIVATE KEY", der);
  EXPECT_NE(error_of([&] { parse_private_key(slow, "horse", "slow.pem"); }).find("rounds"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              parse_private_key(scratch.read("old.pem"), "horse", "old.pem");
            }).find("openssl pkcs8 -topk8"),
            std::string::npos);
}

std::string fixture(const std::string& name) {
  return base::read_file(std::string(MINIBUILD_SOURCE_DIR) + "/tests/trust/keys/" + name);
}

TEST(Keys, ReadsCosignsEncryption) {
  const std::string sigstore = fixture("sigstore.key");
  EXPECT_TRUE(is_encrypted(sigstore));
  EXPECT_FALSE(is_encrypted(fixture("sigstore.pub")));
  EXPECT_EQ(parse_private_key(sigstore, "pw", "it")->public_key(),
            parse_public_key(fixture("sigstore.pub"), "it"));
  EXPECT_EQ(parse_private_key(fixture("cosign.key"), "", "it")->public_key(),
            parse_public_key(fixture("cosign.pub"), "it"));
  EXPECT_EQ(error_of([&] { parse_private_key(sigstore, "wrong", "it"); }),
            "cannot read it: the password is wrong");
  EXPECT_EQ(error_of([&] { parse_private_key(sigstore, "", "it"); }),
            "cannot read it: it is encrypted, and no password was given");
}

// The document in cosign's PEM with another text in the place of one.
std::string with(const std::string& from, const std::string& to) {
  std::string text;
  for (const std::string& line : base::split(fixture("cosign.key"), '\n'))
    if (!line.starts_with("-----")) text += line;
  std::string json = base::unbase64(text).value();
  const size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  return pem_of("ENCRYPTED COSIGN PRIVATE KEY", json);
}

TEST(Keys, RefusesOtherParametersOfScrypt) {
  const std::pair<const char*, const char*> changes[] = {{"32768", "1073741824"},
                                                         {"32768", "16384"},
                                                         {"32768", "-1"},
                                                         {"32768", "32768.0"},
                                                         {"\"r\":8", "\"r\":9"},
                                                         {"\"p\":1", "\"p\":2"},
                                                         {"scrypt", "argon2"},
                                                         {"nacl/secretbox", "aes"},
                                                         {"\"salt\":\"", "\"salt\":\"AAAA"},
                                                         {"\"nonce\":\"", "\"nonce\":\"AAAA"},
                                                         {"\"ciphertext\":\"", "\"x\":\""}};
  for (const auto& [from, to] : changes) {
    const std::string pem = with(from, to);
    const std::string error = error_of([&] { parse_private_key(pem, "", "it"); });
    EXPECT_TRUE(error.starts_with("cannot read it: ")) << from << ": " << error;
    EXPECT_EQ(error.find("password"), std::string::npos) << from << ": " << error;
  }
}

TEST(Keys, ReadsTheKeyOfACertificate) {
  const Scratch scratch;
  ASSERT_TRUE(
      scratch.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem "
                  "-subj /CN=example -out cert.pem && openssl pkey -in key.pem -pubout -out pub.pem"))
      << scratch.read("log");
  EXPECT_EQ(parse_public_key(scratch.read("cert.pem"), "cert.pem"),
            parse_public_key(scratch.read("pub.pem"), "pub.pem"));
  EXPECT_THROW(parse_public_key(scratch.read("pub.pem") + scratch.read("pub.pem"), "two"), base::Error);
}

TEST(Keys, RefusesOtherKeys) {
  const Scratch scratch;
  ASSERT_TRUE(scratch.run(
      "openssl ecparam -name secp256k1 -genkey -noout -out curve.pem && "
      "openssl ec -in curve.pem -pubout -out curve.pub && "
      "openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit -out explicit.pem && "
      "openssl ec -in explicit.pem -pubout -out explicit.pub && "
      "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.pem && "
      "openssl pkey -in small.pem -pubout -out small.pub && "
      "openssl genpkey -algorithm X25519 -out x.pem && openssl pkey -in x.pem -pubout -out x.pub"))
      << scratch.read("log");
  const std::pair<const char*, const char*> names[] = {
      {"curve", "curve"}, {"explicit", "written out"}, {"small", "1024 bits"}, {"x", "can be used"}};
  for (const auto& [name, part] : names) {
    SCOPED_TRACE(name);
    const std::string key = std::string(name) + ".pem";
    const std::string pub = std::string(name) + ".pub";
    const std::string private_error = error_of([&] { parse_private_key(scratch.read(key), "", key); });
    EXPECT_NE(private_error.find(part), std::string::npos) << private_error;
    EXPECT_NE(private_error.find(key), std::string::npos) << private_error;
    const std::string public_error = error_of([&] { parse_public_key(scratch.read(pub), pub); });
    EXPECT_NE(public_error.find(part), std::string::npos) << public_error;
  }
  EXPECT_NE(error_of([&] { parse_public_key(scratch.read("curve.pem"), "it"); }).find("private key"),
            std::string::npos);
  EXPECT_NE(error_of([] { parse_public_key("", "it"); }), "no error");
  EXPECT_NE(error_of([] {
              parse_private_key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "", "it");
            }).find("malformed"),
            std::string::npos);
}

}  // namespace
}  // namespace minibuild::trust
