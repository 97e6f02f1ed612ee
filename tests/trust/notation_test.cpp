// Notation's signatures, with certificates as the openssl program makes them and its verdict on what is
// signed; that nothing but a good one is accepted, and why each other is not.
#include "minibuild/trust/notation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <set>

#include "builder/trust/distinguished_name.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "tests/trust/scratch.h"

namespace minibuild::trust {
namespace {

constexpr int64_t day = 86400;
constexpr const char* signer_extensions =
    "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n";
constexpr const char* ca_extensions = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n";

// With keys and certificates that openssl makes; a command that fails is a failure of the test.
class Certificates : public Scratch {
 public:
  void run(const std::string& command) const {
    if (!Scratch::run(command)) ADD_FAILURE() << command << "\n" << read("log");
  }
  // NAME.key.
  void key(const std::string& name, const std::string& kind = "EC -pkeyopt ec_paramgen_curve:P-256") const {
    run("openssl genpkey -algorithm " + kind + " -out " + name + ".key");
  }
  // NAME.pem for NAME.key, issued by `issuer`, or by itself.
  void certify(const std::string& name, const std::string& issuer, const std::string& extensions,
               const std::string& more = "-sha256 -days 100",
               const std::string& subject = "/C=DE/ST=Berlin/O=Example/CN=") const {
    write("extensions", extensions);
    const std::string by =
        issuer == name ? "-signkey " + name + ".key" : "-CA " + issuer + ".pem -CAkey " + issuer + ".key";
    run("openssl req -new -key " + name + ".key -subj '" + subject + name +
        "' -out request && openssl x509 -req " + "-in request -extfile extensions -set_serial 0x" +
        std::to_string(serial_++) + " -out " + name + ".pem " + by + " " + more);
  }
  CertificateChain chain(const std::vector<std::string>& names) const {
    CertificateChain chain;
    for (const std::string& name : names) {
      const CertificateChain one = parse_certificates(read(name + ".pem"), name);
      chain.insert(chain.end(), one.begin(), one.end());
    }
    return chain;
  }
  std::unique_ptr<Signer> signer(const std::string& name) const {
    return parse_private_key(read(name + ".key"), "", name);
  }

 private:
  mutable int serial_ = 1;
};

std::string url(std::string text) {
  text = base::base64(text);
  text.resize(text.find_last_not_of('=') + 1);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string from_url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  return base::unbase64(text).value();
}

// The two numbers of an ECDSA signature in DER: SEQUENCE { INTEGER, INTEGER } of P-256.
std::string numbers(const std::string& der) {
  std::string raw;
  size_t at = 2;
  for (int i = 0; i < 2; ++i) {
    const auto size = static_cast<size_t>(static_cast<unsigned char>(der.at(at + 1)));
    std::string number = der.substr(at + 2, size);
    if (number.size() > 32) number.erase(0, number.size() - 32);
    raw += std::string(32 - number.size(), '\0') + number;
    at += 2 + size;
  }
  return raw;
}

// A root, a CA below it and a signer `leaf`; `alone`, which signs itself.
struct Notation : public ::testing::Test {
  static void SetUpTestSuite() {
    scratch = new Certificates;
    for (const char* name : {"root", "middle", "leaf", "alone"}) scratch->key(name);
    scratch->certify("root", "root", ca_extensions);
    scratch->certify("middle", "root", ca_extensions);
    scratch->certify("leaf", "middle", signer_extensions);
    scratch->certify("alone", "alone", signer_extensions);
  }
  static void TearDownTestSuite() {
    delete scratch;
    scratch = nullptr;
  }

  static Certificates* scratch;
  int64_t now = std::time(nullptr) + 60;
  oci::Descriptor target{std::string(oci::media_type::manifest), oci::digest_of("image"), 5, {}, {}};
  CertificateChain chain = scratch->chain({"leaf", "middle", "root"});
  CertificateChain alone = scratch->chain({"alone"});
  std::unique_ptr<Signer> signer = scratch->signer("leaf");
  NotationTrust trust{{chain.back()}, {"*"}, {}};

  std::string sign() const { return notation_sign(*signer, chain, target, now, "minibuild/1"); }
  std::string fault(const std::string& envelope) const {
    return error_of([&] { notation_verify(envelope, target, trust, now); });
  }
  std::string fault_of_chain(const std::string& key, const CertificateChain& with) const {
    return error_of([&] { notation_sign(*scratch->signer(key), with, target, now, "a"); });
  }
  // An envelope with that header and payload, signed as it should be.
  std::string envelope(const std::string& header, const std::string& payload) const {
    oci::Json json = oci::Json::parse(sign());
    json["protected"] = url(header);
    json["payload"] = url(payload);
    json["signature"] =
        url(numbers(signer->sign(url(header) + "." + url(payload), Scheme::ecdsa_p256_sha256)));
    return json.dump();
  }
  std::string header() const { return from_url(oci::Json::parse(sign())["protected"]); }
  std::string payload() const { return from_url(oci::Json::parse(sign())["payload"]); }
};
Certificates* Notation::scratch = nullptr;

std::string change(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST_F(Notation, TheEnvelopeIsThatOfTheSpecification) {
  const int64_t time = now;
  const oci::Json json = oci::Json::parse(sign());
  const std::string digest = oci::to_string(target.digest);
  EXPECT_EQ(payload(),
            R"({"targetArtifact":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                digest + R"(","size":5}})");
  EXPECT_EQ(
      header(),
      R"({"alg":"ES256","cty":"application/vnd.cncf.notary.payload.v1+json","crit":["io.cncf.notary.signingScheme"],)"
      R"("io.cncf.notary.signingScheme":"notary.x509","io.cncf.notary.signingTime":")" +
          base::format_time(time) + R"("})");
  std::set<std::string> names;
  for (const auto& [name, value] : json.items()) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"payload", "protected", "header", "signature"}));
  ASSERT_EQ(json["header"]["x5c"].size(), 3U);
  scratch->run("openssl x509 -in leaf.pem -outform DER -out leaf.der");
  EXPECT_EQ(json["header"]["x5c"][0], base::base64(scratch->read("leaf.der")));
  EXPECT_EQ(json["header"]["io.cncf.notary.signingAgent"], "minibuild/1");
  EXPECT_EQ(from_url(json["signature"]).size(), 64U);
}

TEST_F(Notation, TheManifestIsThatOfTheSpecification) {
  const std::string text = sign();
  const Artifact artifact = notation_artifact(text, chain, target, 1767225600);
  const oci::Json json = oci::Json::parse(artifact.manifest_json);
  EXPECT_EQ(json["artifactType"], "application/vnd.cncf.notary.signature");
  EXPECT_EQ(json["config"]["mediaType"], "application/vnd.cncf.notary.signature");
  EXPECT_EQ(json["config"]["size"], 2);
  EXPECT_EQ(json["layers"].size(), 1U);
  EXPECT_EQ(json["layers"][0]["mediaType"], "application/jose+json");
  EXPECT_EQ(json["layers"][0]["digest"], oci::to_string(oci::digest_of(text)));
  EXPECT_EQ(json["subject"]["digest"], oci::to_string(target.digest));
  EXPECT_EQ(json["annotations"]["org.opencontainers.image.created"], "2026-01-01T00:00:00Z");
  // The fingerprints as the program prints them: `sha256 Fingerprint=AB:CD…`.
  scratch->run(
      "for i in leaf middle root; do openssl x509 -in $i.pem -noout -fingerprint -sha256; done | "
      "sed 's/.*=//; s/://g' | tr A-F a-f | awk '{ printf \"%s\\\"%s\\\"\", (NR > 1 ? \",\" : \"\"), $0 }' > "
      "prints");
  EXPECT_EQ(json["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"],
            "[" + scratch->read("prints") + "]");
  EXPECT_EQ(notation_layer(artifact.manifest_json)->digest, oci::digest_of(text));
  // With the type in one place only, as others write it; of another type; with another envelope.
  const std::string type = "application/vnd.cncf.notary.signature";
  const std::string config_only = change(artifact.manifest_json, R"("artifactType":")" + type + R"(",)", "");
  EXPECT_TRUE(notation_layer(config_only));
  const std::string type_only = change(artifact.manifest_json, R"("config":{"mediaType":")" + type,
                                       R"("config":{"mediaType":"application/vnd.oci.empty.v1+json)");
  EXPECT_TRUE(notation_layer(type_only));
  EXPECT_FALSE(notation_layer(change(config_only, type, "application/vnd.oci.empty.v1+json")));
  EXPECT_EQ(error_of([&] { notation_layer(change(artifact.manifest_json, "jose+json", "cose")); }),
            "its envelope is COSE, and only JWS can be read");
}

struct Kind {
  const char* name;
  const char* generate;
  const char* algorithm;
  const char* digest;  // options of openssl dgst
  size_t size;         // of the signature
};

struct NotationKey : public ::testing::TestWithParam<Kind> {};

TEST_P(NotationKey, OpensslVerifiesWhatIsSigned) {
  const Kind& kind = GetParam();
  const Certificates scratch;
  scratch.key("k", kind.generate);
  scratch.certify("k", "k", signer_extensions);
  const CertificateChain chain = scratch.chain({"k"});
  const oci::Descriptor target{std::string(oci::media_type::index), oci::digest_of("index"), 5, {}, {}};
  const int64_t now = std::time(nullptr) + 60;
  const std::string text = notation_sign(*scratch.signer("k"), chain, target, now, "a");
  EXPECT_EQ(notation_verify(text, target, {chain, {"*"}, {}}, now).subject, "C=DE,ST=Berlin,O=Example,CN=k");
  const oci::Json json = oci::Json::parse(text);
  EXPECT_EQ(oci::Json::parse(from_url(json["protected"]))["alg"], kind.algorithm);
  std::string signature = from_url(json["signature"]);
  ASSERT_EQ(signature.size(), kind.size);
  scratch.write("data", json["protected"].get<std::string>() + "." + json["payload"].get<std::string>());
  scratch.write("signature", signature);
  if (kind.algorithm[0] == 'E')  // openssl wants DER, and makes it from a description
    scratch.run(
        "hex() { od -An -v -tx1 \"-j$1\" -N" + std::to_string(kind.size / 2) +
        " signature | tr -d ' \\n'; }; printf 'asn1=SEQUENCE:s\\n[s]\\nr=INTEGER:0x%s\\ns=INTEGER:0x%s\\n' "
        "\"$(hex 0)\" \"$(hex " +
        std::to_string(kind.size / 2) +
        ")\" > numbers; openssl asn1parse -genconf numbers -noout -out der && mv der signature");
  scratch.run("openssl x509 -in k.pem -noout -pubkey > k.pub && openssl dgst " + std::string(kind.digest) +
              " -verify k.pub -signature signature data");
}

constexpr const char* pss = " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";
const std::string ps256 = std::string("-sha256") + pss;
const std::string ps384 = std::string("-sha384") + pss;
const std::string ps512 = std::string("-sha512") + pss;
INSTANTIATE_TEST_SUITE_P(
    All, NotationKey,
    ::testing::Values(Kind{"P256", "EC -pkeyopt ec_paramgen_curve:P-256", "ES256", "-sha256", 64},
                      Kind{"P384", "EC -pkeyopt ec_paramgen_curve:P-384", "ES384", "-sha384", 96},
                      Kind{"P521", "EC -pkeyopt ec_paramgen_curve:P-521", "ES512", "-sha512", 132},
                      Kind{"RSA2048", "RSA -pkeyopt rsa_keygen_bits:2048", "PS256", ps256.c_str(), 256},
                      Kind{"RSA3072", "RSA -pkeyopt rsa_keygen_bits:3072", "PS384", ps384.c_str(), 384},
                      Kind{"RSA4096", "RSA -pkeyopt rsa_keygen_bits:4096", "PS512", ps512.c_str(), 512}),
    [](const auto& kind) { return std::string(kind.param.name); });

TEST_F(Notation, EveryByteCounts) {
  const std::string good = sign();
  ASSERT_EQ(fault(good), "no error");
  // The name of the program is not signed, and says nothing about the image.
  const size_t agent = good.find("minibuild/1");
  const size_t agent_end = agent + std::string("minibuild/1").size();
  size_t accepted = 0;
  for (size_t i = 0; i < good.size(); ++i)
    for (const int bit : {0x01, 0x10, 0x20}) {
      std::string wrong = good;
      wrong[i] = static_cast<char>(wrong[i] ^ bit);
      const bool refused = fault(wrong) != "no error";
      if (refused) continue;
      EXPECT_TRUE(i >= agent && i < agent_end) << "byte " << i << " of " << good << "\n" << wrong;
      ++accepted;
    }
  EXPECT_GE(accepted, 20U);
  for (size_t i = 0; i < good.size(); i += 7) EXPECT_NE(fault(good.substr(0, i)), "no error") << i;
}

TEST_F(Notation, EveryByteOfACertificateCounts) {
  const std::string good = sign();
  for (size_t which = 0; which < chain.size(); ++which)
    for (size_t i = 0; i < chain[which].size(); ++i)
      for (const int bit : {0x01, 0x20, 0x80}) {
        oci::Json json = oci::Json::parse(good);
        std::string der = chain[which];
        der[i] = static_cast<char>(der[i] ^ bit);
        json["header"]["x5c"][which] = base::base64(der);
        EXPECT_NE(fault(json.dump()), "no error") << "bit " << bit << " of byte " << i << " of " << which;
      }
}

// Signatures that the Notary Project's library made, one for each algorithm; see notation/README.md.
TEST(NotationLibrary, ItsSignaturesAreGood) {
  const std::string kept = MINIBUILD_SOURCE_DIR "/tests/trust/notation/";
  const oci::Descriptor image{
      std::string(oci::media_type::manifest),
      oci::parse_digest("sha256:950d974964baa9612d48253b3abeea6d4090081b89faa608eea5f90f941cbaad", "it"),
      400,
      {},
      {}};
  const int64_t time = *base::parse_time("2026-11-26T00:00:00Z");
  NotationTrust root{parse_roots(base::read_file(kept + "root.pem"), "root"), {"*"}, {}};
  for (const char* name : {"p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096"}) {
    const std::string envelope = base::read_file(kept + name + ".jws");
    const auto fault = [&](const oci::Descriptor& target, int64_t now) {
      return error_of([&] { notation_verify(envelope, target, root, now); });
    };
    EXPECT_EQ(fault(image, time), "no error") << name;
    EXPECT_EQ(notation_verify(envelope, image, root, time).subject, "C=US,ST=WA,O=example.com,CN=release");
    oci::Descriptor other = image;
    ++other.size;
    EXPECT_EQ(fault(other, time), "it is a signature of 400 bytes, want 401");
    EXPECT_NE(fault(image, time - 2 * day).find("is valid from "), std::string::npos);
    EXPECT_NE(fault(image, time + 36600 * day).find(" expired "), std::string::npos);
  }
}

TEST_F(Notation, ASignatureIsOfOneImage) {
  const std::string good = sign();
  const auto fault_for = [&](const oci::Descriptor& other) {
    return error_of([&] { notation_verify(good, other, trust, now); });
  };
  EXPECT_EQ(fault_for(target), "no error");
  oci::Descriptor other = target;
  other.digest = oci::digest_of("other");
  EXPECT_EQ(fault_for(other), "it is a signature of " + oci::to_string(target.digest));
  other = target;
  other.size = 6;
  EXPECT_EQ(fault_for(other), "it is a signature of 5 bytes, want 6");
  other = target;
  other.media_type = std::string(oci::media_type::index);
  EXPECT_EQ(fault_for(other),
            "it is a signature of the type 'application/vnd.oci.image.manifest.v1+json', want "
            "'application/vnd.oci.image.index.v1+json'");
}

TEST_F(Notation, WhatIsSignedIsReadStrictly) {
  ASSERT_EQ(fault(envelope(header(), payload())), "no error");
  const std::string scheme = R"("io.cncf.notary.signingScheme")";
  const auto with = [&](const std::string& more) {
    return change(header(), R"({"alg")", "{" + more + R"("alg")");
  };
  EXPECT_EQ(fault(envelope(with(R"("com.example.note":[1],)"), payload())), "no error");
  const std::string expiry = R"("io.cncf.notary.expiry":")" + base::format_time(now + 10) + R"(",)";
  const std::string crit = change(with(expiry), "[" + scheme, R"(["io.cncf.notary.expiry",)" + scheme);
  EXPECT_EQ(fault(envelope(crit, payload())), "no error");
  now += 10;
  EXPECT_EQ(fault(envelope(crit, payload())), "it expired " + base::format_time(now));
  trust.checks.expiry = Enforcement::log;
  EXPECT_EQ(notation_verify(envelope(crit, payload()), target, trust, now).notes,
            (std::vector<std::string>{"it expired " + base::format_time(now)}));
  trust.checks.expiry = Enforcement::enforce;
  now -= 10;
  const std::pair<std::string, std::string> headers[] = {
      {with(expiry), "'crit' of its protected header does not name 'io.cncf.notary.expiry'"},
      {change(header(), "ES256", "ES384"),
       "its algorithm is 'ES384', want 'ES256' for the key of its certificate"},
      {change(header(), "ES256", "none"),
       "its algorithm is 'none', want 'ES256' for the key of its certificate"},
      {change(header(), "ES256", "HS256"),
       "its algorithm is 'HS256', want 'ES256' for the key of its certificate"},
      {change(header(), "payload.v1", "payload.v2"),
       "its payload has the type 'application/vnd.cncf.notary.payload.v2+json', want "
       "'application/vnd.cncf.notary.payload.v1+json'"},
      {change(with(R"("b":1,)"), "[" + scheme, R"(["b",)" + scheme),
       "it asks for 'b' to be understood, which is unknown"},
      {change(header(), "[" + scheme, R"(["io.cncf.notary.expiry",)" + scheme),
       "its protected header has no 'io.cncf.notary.expiry', which 'crit' names"},
      {change(header(), "[" + scheme + "]", "[]"),
       "'crit' of its protected header does not name 'io.cncf.notary.signingScheme'"},
      {change(header(), "[" + scheme + "]", "[1]"), "'crit' of its protected header is not a list of texts"},
      {change(header(), R"("crit":[)" + scheme + "],", ""), "its protected header has no 'crit'"},
      {change(header(), "notary.x509\"", "notary.x509.signingAuthority\""),
       "its signing scheme is 'notary.x509.signingAuthority', want 'notary.x509'"},
      {change(header(), base::format_time(now), "yesterday"),
       "'io.cncf.notary.signingTime' of its protected header is not a time"},
      {change(header(), base::format_time(now), "1767225600"),
       "'io.cncf.notary.signingTime' of its protected header is not a time"},
      {change(header(), base::format_time(now), base::format_time(now + 20)).insert(1, expiry),
       "'crit' of its protected header does not name 'io.cncf.notary.expiry'"},
      {change(crit, base::format_time(now + 10), base::format_time(now)), "it expired before it was signed"},
      {with(R"("b64":false,)"), "its protected header has 'b64', which is not allowed there"},
      {with(R"("x5c":[],)"), "its protected header has 'x5c', which is not allowed there"},
      {change(header(), "[" + scheme, "[" + scheme + "," + scheme),
       "'crit' of its protected header names 'io.cncf.notary.signingScheme' twice"},
      {with(R"("io.cncf.notary.authenticSigningTime":"2026-01-01T00:00:00Z",)"),
       "its protected header has 'io.cncf.notary.authenticSigningTime', which is not allowed there"},
      {with(R"("io.cncf.notary.verificationPlugin":"x",)"),
       "its protected header has 'io.cncf.notary.verificationPlugin', which is not allowed there"},
      {with(R"("io.cncf.notary.verificationPluginMinVersion":"1.0.0",)"),
       "its protected header has 'io.cncf.notary.verificationPluginMinVersion', which is not allowed there"},
  };
  for (const auto& [text, why] : headers) EXPECT_EQ(fault(envelope(text, payload())), why) << text;
  for (const std::string& text :
       {std::string("[]"), std::string("{}"), header() + "x", with(R"("alg":"ES256",)")})
    EXPECT_NE(fault(envelope(text, payload())), "no error") << text;
  // A time at which the certificates were not valid, whatever a policy says of now.
  trust.checks.timestamp = Enforcement::log;
  for (const int64_t time : {now - 10 * day, now + 101 * day})
    EXPECT_EQ(fault(envelope(change(header(), base::format_time(now), base::format_time(time)), payload()))
                  .find("when it was signed, the certificate of '"),
              0U);
  trust.checks.timestamp = Enforcement::enforce;
  const auto artifact = [&](const std::string& more) {
    return change(payload(), R"("size")", more + R"("size")");
  };
  EXPECT_EQ(fault(envelope(header(), artifact(R"("annotations":{"a":"b"},"artifactType":"t",)"))),
            "no error");
  for (const std::string& text :
       {artifact(R"("urls":[],)"), change(payload(), R"({"target)", R"({"more":1,"target)"),
        change(payload(), ":5", ":-5"), change(payload(), ":5", ":5.0"), change(payload(), ":5", ":\"5\""),
        change(payload(), "targetArtifact", "target"), std::string("[]"), std::string("null"), std::string()})
    EXPECT_NE(fault(envelope(header(), text)), "no error") << text;
}

TEST_F(Notation, EnvelopesAreReadStrictly) {
  const oci::Json good = oci::Json::parse(sign());
  const auto with = [&](const std::function<void(oci::Json&)>& edit) {
    oci::Json json = good;
    edit(json);
    return fault(json.dump());
  };
  EXPECT_EQ(with([](oci::Json& json) { json["header"].erase("io.cncf.notary.signingAgent"); }), "no error");
  EXPECT_EQ(with([](oci::Json& json) { json["header"]["io.cncf.notary.timestampSignature"] = "AAAA"; }),
            "no error");
  EXPECT_EQ(with([](oci::Json& json) { json["more"] = 1; }), "the envelope has the unknown field 'more'");
  EXPECT_EQ(with([](oci::Json& json) { json["header"]["alg"] = "ES256"; }),
            "its header has the unknown field 'alg'");
  EXPECT_EQ(with([](oci::Json& json) { json["header"]["x5c"] = oci::Json::array(); }),
            "there is no certificate");
  EXPECT_EQ(with([](oci::Json& json) { json["header"]["x5c"][0] = "AAAA"; }),
            "certificate 1 is not a certificate");
  EXPECT_EQ(with([](oci::Json& json) {
              for (int i = 0; i < 20; ++i) json["header"]["x5c"].push_back("AAAA");
            }),
            "there are 23 certificates; want at most 16");
  EXPECT_EQ(with([](oci::Json& json) { json["signature"] = json["signature"].get<std::string>() + "=="; }),
            "its signature is not base64url");
  EXPECT_EQ(with([](oci::Json& json) { json["signature"] = ""; }), "its signature has 0 bytes, want 64");
  EXPECT_EQ(with([](oci::Json& json) { json["signature"] = url(std::string(64, '\0')); }),
            "the key of its certificate did not sign this");
  const std::string der =
      signer->sign(good["protected"].get<std::string>() + "." + good["payload"].get<std::string>(),
                   Scheme::ecdsa_p256_sha256);
  EXPECT_NE(with([&](oci::Json& json) { json["signature"] = url(der); }), "no error");
  EXPECT_EQ(with([&](oci::Json& json) { json["header"]["x5c"][0] = base::base64(alone[0]); }),
            "the key of its certificate did not sign this");
  EXPECT_NE(fault("[]"), "no error");
  EXPECT_NE(fault(sign() + "x"), "no error");
}

TEST_F(Notation, TheChainLeadsToWhatIsTrusted) {
  const std::string good = sign();
  const auto trusting = [&](const CertificateChain& roots) {
    trust.roots = roots;
    return fault(good);
  };
  EXPECT_EQ(trusting({chain[2]}), "no error");
  EXPECT_EQ(trusting({alone[0], chain[1]}), "no error");
  const std::string untrusted =
      "no certificate of its chain is trusted; it is signed by 'C=DE,ST=Berlin,O=Example,CN=leaf'";
  EXPECT_EQ(trusting({alone[0]}), untrusted);
  EXPECT_EQ(trusting({}), untrusted);
  // A root that is only called the same.
  scratch->run("cp root.key kept.key && cp root.pem kept.pem");
  scratch->key("root");
  scratch->certify("root", "root", ca_extensions);
  const CertificateChain namesake = scratch->chain({"root"});
  scratch->run("mv kept.key root.key && mv kept.pem root.pem");
  EXPECT_EQ(trusting(namesake), untrusted);
  oci::Json json = oci::Json::parse(good);
  json["header"]["x5c"][2] = base::base64(namesake[0]);
  EXPECT_NE(fault(json.dump()).find("is not signed by the next of the chain"), std::string::npos);
  json["header"]["x5c"].erase(2);
  trust.roots = {chain[1], chain[2]};
  EXPECT_NE(fault(json.dump()).find("is the last of the chain and does not sign itself"), std::string::npos);
}

TEST_F(Notation, CertificatesAreValidNow) {
  const std::string good = sign();
  now += 101 * day;
  EXPECT_NE(fault(good).find("the certificate of 'C=DE,ST=Berlin,O=Example,CN=leaf' expired "),
            std::string::npos);
  trust.checks.timestamp = Enforcement::log;
  const auto accepted = notation_verify(good, target, trust, now);
  ASSERT_EQ(accepted.notes.size(), 1U);
  EXPECT_NE(accepted.notes[0].find("expired"), std::string::npos);
  trust.checks.timestamp = Enforcement::enforce;
  now -= 110 * day;
  EXPECT_NE(fault(good).find("is valid from "), std::string::npos);
  EXPECT_NE(fault_of_chain("leaf", chain).find("is valid from "), std::string::npos);
}

TEST_F(Notation, ListsOfRevokedCertificatesAreNotAsked) {
  scratch->key("listed");
  for (const char* place : {"crlDistributionPoints=URI:http://example.com/crl\n",
                            "authorityInfoAccess=OCSP;URI:http://example.com/ocsp\n"}) {
    scratch->certify("listed", "root", signer_extensions + std::string(place));
    const CertificateChain listed = scratch->chain({"listed", "root"});
    const std::string text = notation_sign(*scratch->signer("listed"), listed, target, now, "a");
    EXPECT_NE(fault(text).find("says where to ask whether it is revoked"), std::string::npos);
    trust.checks.revocation = Enforcement::log;
    EXPECT_EQ(notation_verify(text, target, trust, now).notes.size(), 1U);
    trust.checks.revocation = Enforcement::skip;
    EXPECT_EQ(notation_verify(text, target, trust, now).notes.size(), 0U);
    trust.checks.revocation = Enforcement::enforce;
  }
  scratch->certify(
      "listed", "root",
      signer_extensions + std::string("authorityInfoAccess=caIssuers;URI:http://example.com/ca\n"));
  const CertificateChain plain = scratch->chain({"listed", "root"});
  EXPECT_EQ(fault(notation_sign(*scratch->signer("listed"), plain, target, now, "a")), "no error");
}

// What a certificate alone lacks to sign, each with the words that say so.
TEST_F(Notation, ASignersCertificateMeetsTheRequirements) {
  const std::string usage = "keyUsage=critical,digitalSignature\n";
  const std::pair<std::string, std::string> table[] = {
      {usage, "no error"},
      {usage + "extendedKeyUsage=1.2.3.4\n", "no error"},
      {"basicConstraints=critical,CA:true\n" + usage, "is a CA's"},
      {"basicConstraints=CA:false\n", "has no keyUsage"},
      {"keyUsage=digitalSignature\n", "has a keyUsage that is not critical"},
      {"keyUsage=critical,nonRepudiation\n", "has a keyUsage without digitalSignature"},
      {"keyUsage=critical,digitalSignature,keyEncipherment\n",
       "has a keyUsage for more than digitalSignature"},
      {"keyUsage=critical,digitalSignature,keyCertSign\n", "has a keyUsage for more than digitalSignature"},
      {"keyUsage=critical,digitalSignature,cRLSign\n", "has a keyUsage for more than digitalSignature"},
      {"keyUsage=critical,digitalSignature,keyAgreement,decipherOnly\n",
       "has a keyUsage for more than digitalSignature"},
      {usage + "extendedKeyUsage=codeSigning,serverAuth\n", "has an extendedKeyUsage with serverAuth"},
      {usage + "extendedKeyUsage=clientAuth\n", "has an extendedKeyUsage with clientAuth"},
      {usage + "extendedKeyUsage=emailProtection\n", "has an extendedKeyUsage with emailProtection"},
      {usage + "extendedKeyUsage=timeStamping\n", "has an extendedKeyUsage with timeStamping"},
      {usage + "extendedKeyUsage=OCSPSigning\n", "has an extendedKeyUsage with OCSPSigning"},
      {usage + "extendedKeyUsage=codeSigning,anyExtendedKeyUsage\n",
       "has an extendedKeyUsage with anyExtendedKeyUsage"},
  };
  scratch->key("tried");
  for (const auto& [extensions, why] : table) {
    scratch->certify("tried", "tried", extensions);
    const std::string said = fault_of_chain("tried", scratch->chain({"tried"}));
    EXPECT_NE(said.find(why), std::string::npos) << extensions << said;
    EXPECT_EQ(said.find("openssl req -x509") != std::string::npos, why != "no error") << said;
  }
  scratch->certify("tried", "tried", usage, "-sha1 -days 10");
  EXPECT_NE(fault_of_chain("tried", scratch->chain({"tried"})).find("hash that is too weak"),
            std::string::npos);
  scratch->key("weak", "RSA -pkeyopt rsa_keygen_bits:1024");
  scratch->certify("weak", "root", usage);
  EXPECT_NE(fault_of_chain("leaf", scratch->chain({"weak", "root"})).find("an RSA key of 1024 bits"),
            std::string::npos);
  scratch->key("odd", "RSA -pkeyopt rsa_keygen_bits:2560");
  scratch->certify("odd", "odd", usage);
  EXPECT_NE(fault_of_chain("odd", scratch->chain({"odd"})).find("RSA of 2048, 3072 or 4096"),
            std::string::npos);
  scratch->key("edwards", "ED25519");
  scratch->certify("edwards", "edwards", usage, "-days 10");
  EXPECT_NE(fault_of_chain("edwards", scratch->chain({"edwards"})).find("want P-256"), std::string::npos);
}

// The line that the message ends with makes a certificate that will do.
TEST_F(Notation, TheMessageSaysHowToMakeACertificate) {
  scratch->key("told");
  scratch->certify("told", "told", "basicConstraints=CA:false\n");
  const std::string said = fault_of_chain("told", scratch->chain({"told"}));
  std::string line = said.substr(said.find("openssl req"));
  line = change(change(line, "KEY", "told.key"), "CERT.pem", "told.pem");
  scratch->run(line);
  EXPECT_EQ(fault_of_chain("told", scratch->chain({"told"})), "no error");
}

TEST_F(Notation, AChainIsCompleteAndInOrder) {
  const std::pair<std::vector<std::string>, std::string> table[] = {
      {{"leaf", "middle", "root"}, "no error"},
      {{"root", "middle", "leaf"}, "is not for the key; want the signer's first and the root's last"},
      {{"alone"}, "is not for the key"},
      {{"leaf"}, "is the last of the chain and does not sign itself"},
      {{"leaf", "middle"}, "is the last of the chain and does not sign itself"},
      {{"leaf", "root"}, "is not signed by the next of the chain"},
      {{"leaf", "root", "middle"}, "is not signed by the next of the chain"},
      {{"leaf", "middle", "root", "root"}, "signs itself, so it has to be the last of the chain"},
      {{"leaf", "middle", "middle", "root"}, "is not signed by the next of the chain"},
      {{"leaf", "alone"}, "is no CA's"},
  };
  for (const auto& [names, why] : table)
    EXPECT_NE(fault_of_chain("leaf", scratch->chain(names)).find(why), std::string::npos)
        << base::join(names, " ") << ": " << fault_of_chain("leaf", scratch->chain(names));
  EXPECT_EQ(fault_of_chain("leaf", {}), "there is no certificate");
}

TEST_F(Notation, CasMeetTheRequirements) {
  scratch->key("ca");
  scratch->key("below");
  scratch->key("signs");
  const std::string usage = "keyUsage=critical,keyCertSign\n";
  const std::pair<std::string, std::string> table[] = {
      {"basicConstraints=critical,CA:true,pathlen:1\n" + usage, "no error"},
      {"basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n", "no error"},
      {"basicConstraints=critical,CA:true,pathlen:0\n" + usage, "allows 0 CAs below it, and there are 1"},
      {"basicConstraints=CA:true\n" + usage, "is no CA's"},
      {"basicConstraints=critical,CA:false\n" + usage, "is no CA's"},
      {usage, "is no CA's"},
      {"basicConstraints=critical,CA:true\n", "has no keyUsage"},
      {"basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n", "has a keyUsage that is not critical"},
      {"basicConstraints=critical,CA:true\nkeyUsage=critical,cRLSign\n",
       "has a keyUsage without keyCertSign"},
  };
  for (const auto& [extensions, why] : table) {
    scratch->certify("ca", "ca", extensions);
    scratch->certify("below", "ca", ca_extensions);
    scratch->certify("signs", "below", signer_extensions);
    const std::string said = fault_of_chain("signs", scratch->chain({"signs", "below", "ca"}));
    EXPECT_NE(said.find(why), std::string::npos) << extensions << said;
  }
}

TEST_F(Notation, IdentitiesAreThoseOfTheSigner) {
  scratch->key("named");
  scratch->certify("named", "root", signer_extensions, "-sha256 -days 10",
                   R"(/C=DE/ST=Berlin/L=Mitte/O=A, B \+ C/CN=)");
  const CertificateChain named = scratch->chain({"named", "root"});
  const std::string text = notation_sign(*scratch->signer("named"), named, target, now, "a");
  const std::pair<std::string, bool> table[] = {
      {R"(C=DE, ST=Berlin, O=A\, B \+ C)", true},
      {R"(C=DE,S=Berlin,O=A\2C B \2b C)", true},
      {R"(cn=named,o=A\, B \+ C,st=Berlin,c=DE,l=Mitte)", true},
      {R"( C = DE , ST = Berlin , O = A\, B \+ C )", true},
      {R"(C=DE,ST=Berlin,O=A)", false},
      {R"(C=de,ST=Berlin,O=A\, B \+ C)", false},
      {R"(C=DE,ST=Berlin,O=A\, B \+ C,OU=x)", false},
      {R"(C=DE,ST=Berlin,O=A\, B \+ C,CN=root)", false},
      {R"(C=DE,ST=Berlin,O=A\, B \+ C\ )", false},
  };
  for (const auto& [identity, good] : table) {
    trust.identities = {"x509.subject:C=FR,ST=Paris,O=Other", "x509.subject:" + identity};
    EXPECT_EQ(fault(text),
              good ? "no error"
                   : R"(it is signed by 'C=DE,ST=Berlin,L=Mitte,O=A\, B \+ C,CN=named', which no )"
                     "trusted identity fits")
        << identity;
  }
  trust.identities = {};
  EXPECT_NE(fault(text), "no error");
  // Two of the same type: which one counts is not clear.
  scratch->certify("named", "root", signer_extensions, "-sha256 -days 10",
                   "/C=DE/ST=Berlin/O=Example/O=Other/CN=");
  const std::string twice =
      notation_sign(*scratch->signer("named"), scratch->chain({"named", "root"}), target, now, "a");
  trust.identities = {"x509.subject:C=DE,ST=Berlin,O=Example"};
  EXPECT_NE(fault(twice).find("has an attribute twice"), std::string::npos);
  trust.identities = {"*"};
  EXPECT_EQ(fault(twice), "no error");
  // Attributes that belong together, which an identity cannot say.
  scratch->certify("named", "root", signer_extensions, "-sha256 -days 10",
                   "/C=DE/ST=Berlin/O=Example+OU=x/CN=");
  const std::string together =
      notation_sign(*scratch->signer("named"), scratch->chain({"named", "root"}), target, now, "a");
  EXPECT_EQ(fault(together), "no error");
  trust.identities = {"x509.subject:C=DE,ST=Berlin,O=Example"};
  EXPECT_NE(fault(together).find("has several attributes in one"), std::string::npos);
}

TEST(DistinguishedName, IsReadAsRfc4514WritesIt) {
  EXPECT_EQ(parse_name(R"(CN=Steve\20Kille\,,O=\#x,1.2.3=y)", "it"),
            (DistinguishedName{{"CN", "Steve Kille,"}, {"O", "#x"}, {"1.2.3", "y"}}));
  EXPECT_EQ(to_string({{"CN", " a+b\n\xc2\x9b#\xc3\xa9 "}, {"O", "#x"}}),
            "CN=\\ a\\+b\\0A\\C2\\9B#\xc3\xa9\\ ,O=\\#x");
  for (const char* wrong : {"", "C", "C=", "=x", "C=DE,", "C=DE,C=FR", "ST=x,S=y", "C=DE+ST=x", "C=\"DE\"",
                            "C=#04", "C=a\\", "C=a\\q", "C=a<b", "C D=x", "C=\\ff"})
    EXPECT_NE(error_of([&] { parse_name(wrong, "it"); }), "no error") << wrong;
}

const std::string good_policy =
    R"({"version":"1.0","trustPolicies":[{"name":"p","registryScopes":["*"],"signatureVerification":{"level":"strict"},)"
    R"("trustStores":["ca:team"],"trustedIdentities":["*"]}]})";

std::string policy_fault(const std::string& text) {
  return error_of([&] { parse_trust_policy(text, "it"); });
}

TEST(TrustPolicy, HasStatementsForScopes) {
  EXPECT_EQ(parse_trust_policy(good_policy, "it"),
            (std::vector<TrustStatement>{{"p", {"*"}, "strict", NotationChecks{}, {"team"}, {"*"}}}));
  const std::string two = change(
      good_policy, "]}]}",
      R"(]},{"name":"q","registryScopes":["registry.example.com/a"],"signatureVerification":{"level":"skip"}}]})");
  const auto policy = parse_trust_policy(two, "it");
  EXPECT_EQ(statement_for(policy, "registry.example.com/a", "it").name, "q");
  EXPECT_EQ(statement_for(policy, "registry.example.com/a/b", "it").name, "p");
  EXPECT_EQ(statement_for(policy, "", "it").name, "p");
  const auto narrow =
      parse_trust_policy(change(good_policy, R"(["*"])", R"(["registry.example.com/a"])"), "it");
  EXPECT_EQ(error_of([&] { statement_for(narrow, "registry.example.com/b", "it"); }),
            "cannot use it: no statement has the scope 'registry.example.com/b'");
  EXPECT_NE(error_of([&] { statement_for(narrow, "", "it"); }), "no error");
}

TEST(TrustPolicy, LevelsSayWhatIsEnforced) {
  using enum Enforcement;
  const auto checks = [](const std::string& verification) {
    return parse_trust_policy(change(good_policy, R"({"level":"strict"})", verification), "it")
        .front()
        .checks;
  };
  EXPECT_EQ(checks(R"({"level":"permissive"})"), (NotationChecks{enforce, log, log, log}));
  EXPECT_EQ(checks(R"({"level":"audit"})"), (NotationChecks{log, log, log, log}));
  EXPECT_EQ(checks(R"({"level":"strict","override":{"revocation":"skip","expiry":"log"}})"),
            (NotationChecks{enforce, enforce, log, skip}));
  EXPECT_EQ(
      checks(R"({"level":"audit","override":{"authenticity":"enforce","authenticTimestamp":"enforce"}})"),
      (NotationChecks{enforce, enforce, log, log}));
  for (const char* wrong : {R"({"level":"lax"})", R"({"level":1})", R"({})",
                            R"({"level":"strict","override":{"integrity":"log"}})",
                            R"({"level":"strict","override":{"expiry":"skip"}})",
                            R"({"level":"strict","override":{"authenticity":"skip"}})",
                            R"({"level":"strict","override":{"expiry":1}})",
                            R"({"level":"strict","override":[]})", R"({"level":"strict","more":1})",
                            R"({"level":"strict","verifyTimestamp":"never"})", R"({"level":"skip"})"})
    EXPECT_NE(error_of([&] { checks(wrong); }), "no error") << wrong;
}

TEST(TrustPolicy, IsReadStrictly) {
  const auto with = [](const std::string& from, const std::string& to) {
    return policy_fault(change(good_policy, from, to));
  };
  EXPECT_EQ(policy_fault(good_policy), "no error");
  EXPECT_EQ(
      with(R"("trustedIdentities":["*"])", R"("trustedIdentities":["x509.subject: C=DE, ST=Berlin, O=E"])"),
      "no error");
  EXPECT_EQ(with(R"(["ca:team"])", R"(["ca:team","signingAuthority:x"])"), "no error");
  const std::pair<std::string, std::string> wrong[] = {
      {R"("version":"1.0")", R"("version":"2.0")"},
      {R"("version":"1.0",)", ""},
      {R"("version":"1.0")", R"("version":1)"},
      {R"({"version")", R"({"more":1,"version")"},
      {R"({"name":"p")", R"({"name":"p","more":1)"},
      {R"("name":"p")", R"("name":"")"},
      {R"(Scopes":["*"])", R"(Scopes":[])"},
      {R"(Scopes":["*"])", R"(Scopes":["*","registry.example.com/a"])"},
      {R"(Scopes":["*"])", R"(Scopes":["registry.example.com/*"])"},
      {R"(Scopes":["*"])", R"(Scopes":["registry.example.com"])"},
      {R"(Scopes":["*"])", R"(Scopes":["https://registry.example.com/a"])"},
      {R"(Scopes":["*"])", R"(Scopes":["r/a","r/a"])"},
      {R"(Scopes":["*"])", R"(Scopes":"*")"},
      {R"(["ca:team"])", "[]"},
      {R"(["ca:team"])", R"(["team"])"},
      {R"(["ca:team"])", R"(["ca:"])"},
      {R"(["ca:team"])", R"(["ca:.."])"},
      {R"(["ca:team"])", R"(["ca:a/b"])"},
      {R"(["ca:team"])", R"(["other:a"])"},
      {R"(["ca:team"])", R"(["ca:team","tsa:a"])"},
      {R"(Identities":["*"])", R"(Identities":[])"},
      {R"(Identities":["*"])", R"(Identities":["*","x509.subject:C=DE,ST=Berlin,O=E"])"},
      {R"(Identities":["*"])", R"(Identities":["x509.subject:C=DE,O=E"])"},
      {R"(Identities":["*"])", R"(Identities":["C=DE,ST=Berlin,O=E"])"},
      {R"(Identities":["*"])", R"(Identities":["x509.subject:C=DE,ST=Berlin,O=E,O=F"])"},
      {R"(Identities":["*"])", R"(Identities":[1])"},
  };
  for (const auto& [from, to] : wrong) EXPECT_NE(with(from, to), "no error") << to;
  const size_t at = good_policy.find("{\"name");
  const std::string statement = good_policy.substr(at, good_policy.size() - at - 2);
  const auto second = [&](const std::string& other) {
    return policy_fault(good_policy.substr(0, good_policy.size() - 2) + "," + other + "]}");
  };
  EXPECT_EQ(second(change(change(statement, "\"p\"", "\"q\""), "[\"*\"]", "[\"r/a\"]")), "no error");
  EXPECT_EQ(second(change(statement, "[\"*\"]", "[\"r/a\"]")),
            "cannot read it: two statements are called 'p'");
  EXPECT_EQ(second(change(statement, "\"p\"", "\"q\"")),
            "cannot read it: the scope '*' is in two statements");
  for (const char* text :
       {"", "[]", "{}", R"({"version":"1.0","trustPolicies":[]})", R"({"version":"1.0","trustPolicies":{}})",
        R"({"version":"1.0","trustPolicies":[1]})"})
    EXPECT_NE(policy_fault(text), "no error") << text;
}

TEST_F(Notation, AStoreHasFilesOfCertificates) {
  scratch->run(
      "mkdir -p store/x509/ca/team store/x509/ca/none store/x509/ca/leaves store/x509/ca/broken && "
      "cat root.pem alone.pem > store/x509/ca/team/both.pem && "
      "openssl x509 -in middle.pem -outform DER -out store/x509/ca/team/middle.cer && "
      "cp root.pem store/x509/ca/team/again.crt && echo text > store/x509/ca/team/README && "
      "cp leaf.pem store/x509/ca/leaves/leaf.pem && "
      "echo text > store/x509/ca/broken/a.pem");
  const auto fault_of_store = [&](const std::string& name) {
    return error_of([&] { read_trust_store(scratch->path + "/store", name); });
  };
  EXPECT_EQ(read_trust_store(scratch->path + "/store", "team"),
            (CertificateChain{chain[2], chain[2], alone[0], chain[1]}));
  EXPECT_NE(fault_of_store("none").find("it has no *.pem"), std::string::npos);
  EXPECT_NE(fault_of_store("leaves").find("is no CA's and does not sign itself"), std::string::npos);
  EXPECT_NE(fault_of_store("broken").find("cannot read"), std::string::npos);
  EXPECT_NE(fault_of_store("missing").find("No such file"), std::string::npos);
}

TEST_F(Notation, CertificatesAreReadFromPemAndDer) {
  const auto fault_of = [](const std::string& text) {
    return error_of([&] { parse_certificates(text, "it"); });
  };
  EXPECT_EQ(parse_certificates(scratch->read("leaf.pem") + "text\n" + scratch->read("middle.pem"), "it"),
            (CertificateChain{chain[0], chain[1]}));
  EXPECT_EQ(parse_certificates(chain[0], "it"), (CertificateChain{chain[0]}));
  EXPECT_EQ(fault_of(chain[0] + "x"), "cannot read it: it is not a certificate");
  EXPECT_EQ(fault_of(""), "cannot read it: it is not a certificate");
  EXPECT_EQ(fault_of(scratch->read("leaf.key")),
            "cannot read it: it has a private key, and only certificates are wanted");
  EXPECT_NE(fault_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "no error");
}

}  // namespace
}  // namespace minibuild::trust
