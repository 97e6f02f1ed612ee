// Cosign's documents: their bytes as the specifications show them, and that nothing but a good one is
// accepted.
#include "minibuild/trust/cosign.h"

#include <gtest/gtest.h>

#include <functional>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/dsse.h"
#include "tests/trust/scratch.h"

namespace minibuild::trust {
namespace {

std::string fixture(const std::string& name) {
  return base::read_file(std::string(MINIBUILD_SOURCE_DIR) + "/tests/trust/keys/" + name);
}

struct Cosign : public ::testing::Test {
  std::unique_ptr<Signer> signer = parse_private_key(fixture("cosign.key"), "", "it");
  std::unique_ptr<Signer> other = parse_private_key(fixture("sigstore.key"), "pw", "it");
  std::vector<PublicKey> keys{signer->public_key()};
  oci::Digest image = oci::digest_of("image");
  std::string hex = oci::hex(image);
  std::string type{sign_predicate};

  std::string bundle(const std::string& statement) const { return make_bundle(*signer, statement); }
  std::string fault(const std::string& document) const {
    return error_of([&] { verify_bundle(document, image, type, keys); });
  }
  // What is said of a statement that is signed as it should be.
  std::string fault_of_statement(const std::string& statement) const { return fault(bundle(statement)); }
  std::string fault_of_payload(const std::string& payload) const {
    const std::string signature = base::base64(signer->sign(payload, Scheme::ecdsa_p256_sha256));
    return error_of([&] { verify_classic(payload, signature, image, keys); });
  }
};

// The example of protocol.md of the DSSE repository.
TEST(Dsse, SignsTheEncodingOfTheSpecification) {
  EXPECT_EQ(signed_bytes("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST(Dsse, ReadsStrictly) {
  const auto parse = [](const std::string& text) {
    return parse_envelope(oci::parse_json(text, "it"), "it");
  };
  const std::string good =
      R"({"payload":"aGk=","payloadType":"t","signatures":[{"sig":"AQ==","keyid":"x"}]})";
  EXPECT_EQ(parse(good), (Envelope{"t", "hi", {"\x01"}}));
  EXPECT_EQ(parse(json_of(parse(good)).dump()), parse(good));
  for (const char* wrong :
       {R"([])", R"({})", R"({"payload":"aGk","payloadType":"t","signatures":[]})",
        R"({"payload":"aGl=","payloadType":"t","signatures":[]})",
        R"({"payload":"aGk=\n","payloadType":"t","signatures":[]})",
        R"({"payload":1,"payloadType":"t","signatures":[]})",
        R"({"payload":"aGk=","payloadType":"t","signatures":{}})",
        R"({"payload":"aGk=","payloadType":"t","signatures":[{"sig":"AR=="}]})",
        R"({"payload":"aGk=","payloadType":"t","signatures":[{"sig":"AQ==","cert":"x"}]})",
        R"({"payload":"aGk=","payloadType":"t","signatures":[],"more":1})"})
    EXPECT_NE(error_of([&] { parse(wrong); }), "no error") << wrong;
}

TEST_F(Cosign, ThePayloadIsThatOfTheSpecification) {
  EXPECT_EQ(
      simple_signing("registry.example.com/team/app", image),
      R"({"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":{"docker-manifest-digest":"sha256:)" +
          hex + R"("},"type":"cosign container image signature"},"optional":null})");
}

TEST_F(Cosign, PayloadsAreReadStrictly) {
  const std::string digest = "sha256:" + hex;
  const std::string good = simple_signing("r/a", image);
  EXPECT_EQ(fault_of_payload(good), "no error");
  EXPECT_EQ(parse_simple_signing(good, "it"), (SimpleSigning{"r/a", image}));
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_EQ(fault_of_payload(change("null", R"({"team":"a"})")), "no error");
  for (const std::string& wrong :
       {change("cosign container", "atomic container"), change(R"("type")", R"("kind")"),
        change(R"("critical":{)", R"("critical":{"more":1,)"),
        change(R"("image":{)", R"("image":{"more":1,)"),
        change(R"("identity":{)", R"("identity":{"more":1,)"),
        change(R"({"critical")", R"({"more":1,"critical")"), change("null", "1"), change(R"("r/a")", "1"),
        change(digest, "sha256:" + oci::hex(oci::digest_of("other"))), change(digest, digest + "0"),
        change(R"({"docker-reference":"r/a"})", "[]"), good + " x", std::string("[]"), std::string()})
    EXPECT_NE(fault_of_payload(wrong), "no error") << wrong;
}

TEST_F(Cosign, EveryByteOfAClassicSignatureCounts) {
  const std::string payload = simple_signing("r/a", image);
  const std::string signature = base::base64(signer->sign(payload, Scheme::ecdsa_p256_sha256));
  EXPECT_EQ(verify_classic(payload, signature, image, keys).docker_reference, "r/a");
  for (size_t i = 0; i < payload.size(); ++i)
    for (const int bit : {1, 0x20}) {
      std::string wrong = payload;
      wrong[i] = static_cast<char>(wrong[i] ^ bit);
      EXPECT_NE(error_of([&] { verify_classic(wrong, signature, image, keys); }), "no error") << i;
    }
  for (size_t i = 0; i < signature.size(); ++i)
    for (const int bit : {1, 0x20}) {
      std::string wrong = signature;
      wrong[i] = static_cast<char>(wrong[i] ^ bit);
      EXPECT_NE(error_of([&] { verify_classic(payload, wrong, image, keys); }), "no error") << i;
    }
  EXPECT_NE(error_of([&] { verify_classic(payload, signature, oci::digest_of("other"), keys); }), "no error");
  EXPECT_NE(error_of([&] { verify_classic(payload, signature, image, {other->public_key()}); }), "no error");
  EXPECT_NE(error_of([&] { verify_classic(payload, signature, image, {}); }), "no error");
  EXPECT_EQ(verify_classic(payload, signature, image, {other->public_key(), keys[0]}).key, 1U);
}

TEST_F(Cosign, SignaturesAreAddedAndReplaced) {
  const Artifact first = classic_signature(*signer, "r/a", image, std::nullopt);
  const auto layers = [](const Artifact& artifact) {
    return oci::parse_manifest(artifact.manifest_json, "it").layers;
  };
  const auto config = [](const Artifact& artifact) { return artifact.blobs.front().bytes; };
  ASSERT_EQ(layers(first).size(), 1U);
  EXPECT_EQ(oci::parse_config(config(first), "it").diff_ids.size(), 1U);
  const Artifact second =
      classic_signature(*other, "r/a", image, ClassicManifest{first.manifest_json, config(first)});
  ASSERT_EQ(layers(second).size(), 2U);
  EXPECT_EQ(layers(second)[0], layers(first)[0]);
  EXPECT_EQ(layers(second)[1].digest, layers(first)[0].digest);
  EXPECT_EQ(oci::parse_config(config(second), "it").diff_ids.size(), 2U);
  const Artifact third =
      classic_signature(*signer, "r/a", image, ClassicManifest{second.manifest_json, config(second)});
  ASSERT_EQ(layers(third).size(), 2U);
  EXPECT_EQ(layers(third)[0], layers(second)[1]);
  EXPECT_EQ(oci::parse_config(config(third), "it").diff_ids.size(), 2U);
  const Artifact fourth =
      classic_signature(*signer, "r/b", image, ClassicManifest{third.manifest_json, config(third)});
  EXPECT_EQ(layers(fourth).size(), 3U);
  for (const oci::Descriptor& layer : layers(fourth)) {
    const std::string payload =
        simple_signing(layer.digest == layers(first)[0].digest ? "r/a" : "r/b", image);
    EXPECT_EQ(error_of([&] {
                verify_classic(payload, layer.annotations.at(signature_annotation), image,
                               {keys[0], other->public_key()});
              }),
              "no error");
  }
  EXPECT_NE(error_of([&] {
              classic_signature(*signer, "r/a", image, ClassicManifest{second.manifest_json, config(first)});
            }),
            "no error");
  EXPECT_NE(error_of([&] {
              classic_signature(*signer, "r/a", image, ClassicManifest{"{}", "{}"});
            }),
            "no error");
}

TEST_F(Cosign, EveryByteOfABundleCountsButForItsHint) {
  const std::string good = bundle(make_statement(image, type, "{}"));
  EXPECT_EQ(fault(good), "no error");
  const size_t hint = good.find(R"("hint":")") + 8;
  const size_t hint_end = good.find('"', hint);
  for (size_t i = 0; i < good.size(); ++i)
    for (const int bit : {1, 0x20}) {
      if (i >= hint && i < hint_end) continue;
      std::string wrong = good;
      wrong[i] = static_cast<char>(wrong[i] ^ bit);
      EXPECT_NE(fault(wrong), "no error") << "byte " << i << " of " << wrong;
    }
}

TEST_F(Cosign, TheHintIsTheHashOfTheKey) {
  const oci::Json json = oci::parse_json(bundle(make_statement(image, type, "{}")), "it");
  EXPECT_EQ(json["verificationMaterial"]["publicKey"]["hint"],
            base::base64(base::as_bytes(base::sha256(keys[0].der))));
}

TEST_F(Cosign, BundlesAreReadStrictly) {
  const std::string good = bundle(make_statement(image, type, "{}"));
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const oci::Json json = oci::parse_json(good, "it");
  const std::string signature = json["dsseEnvelope"]["signatures"][0].dump();
  const std::string hint = json["verificationMaterial"]["publicKey"]["hint"];
  EXPECT_EQ(fault(change(hint, "AAAA")), "no error");
  EXPECT_EQ(fault(change(R"({"hint":")" + hint + R"("})", "{}")), "no error");
  EXPECT_EQ(fault(change("{\"publicKey\"", "{\"tlogEntries\":[],\"publicKey\"")), "no error");
  EXPECT_EQ(fault(change("bundle.v0.3+json", "bundle+json;version=0.3")), "no error");
  for (const std::string& wrong :
       {change("v0.3", "v0.4"), change(signature, signature + "," + signature), change(signature, ""),
        change("{\"publicKey\"", "{\"certificate\":{},\"publicKey\""), change("\"publicKey\"", "\"key\""),
        change("{\"mediaType\"", "{\"more\":1,\"mediaType\""),
        change("{\"mediaType\"", "{\"messageSignature\":{},\"mediaType\""),
        change("application/vnd.in-toto+json", "application/json"), std::string("{}"), std::string("[]"),
        std::string()})
    EXPECT_NE(fault(wrong), "no error") << wrong;
  EXPECT_EQ(error_of([&] { verify_bundle(good, oci::digest_of("other"), type, keys); }),
            "it is about another image");
  EXPECT_EQ(error_of([&] { verify_bundle(good, image, "https://openvex.dev/ns", keys); }),
            "it states 'https://sigstore.dev/cosign/sign/v1', want 'https://openvex.dev/ns'");
  EXPECT_NE(error_of([&] { verify_bundle(good, image, type, {other->public_key()}); }), "no error");
}

TEST_F(Cosign, StatementsAreReadStrictly) {
  const std::string good = make_statement(image, type, "{}");
  EXPECT_EQ(good, R"({"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":")" + hex +
                      R"("}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}})");
  EXPECT_EQ(fault_of_statement(good), "no error");
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_EQ(fault_of_statement(change("Statement/v1", "Statement/v0.1")), "no error");
  EXPECT_EQ(fault_of_statement(change("[{", R"([{"digest":{"sha256":"00"}},{"name":"x",)")), "no error");
  for (const std::string& wrong :
       {change("Statement/v1", "Statement/v2"), change(hex, hex.substr(2)), change("sha256", "sha512"),
        change("[{\"digest\":{\"sha256\":\"" + hex + "\"}}]", "[]"),
        change("\"predicate\":{}", "\"predicate\":[]"), change("\"predicateType\"", "\"type\""),
        change("{\"_type\"", "{\"more\":1,\"_type\""), std::string("{}"), std::string()})
    EXPECT_NE(fault_of_statement(wrong), "no error") << wrong;
}

TEST_F(Cosign, APredicateStaysAsItIs) {
  const std::string predicate = R"({ "number": 1.50, "text": "ä" })";
  const std::string statement = make_statement(image, "https://example.com/x", predicate + "\n");
  EXPECT_NE(statement.find(predicate), std::string::npos);
  const Accepted accepted = verify_bundle(bundle(statement), image, "https://example.com/x", keys);
  EXPECT_EQ(oci::parse_json(accepted.predicate, "it"), oci::parse_json(predicate, "it"));
  for (const char* wrong : {"", "[]", "1", "{", R"({"a":1,"a":2})"})
    EXPECT_NE(error_of([&] { make_statement(image, type, wrong); }), "no error") << wrong;
  EXPECT_EQ(
      verify_envelope(json_of(Envelope{"application/vnd.in-toto+json",
                                       statement,
                                       {signer->sign(signed_bytes("application/vnd.in-toto+json", statement),
                                                     Scheme::ecdsa_p256_sha256)}})
                          .dump(),
                      image, "https://example.com/x", keys)
          .key,
      0U);
}

TEST_F(Cosign, TheReferrerIsThatOfCosign) {
  const oci::Descriptor subject{std::string(oci::media_type::index), image, 5, {}, {{"a", "b"}}};
  const Artifact artifact = bundle_artifact("bundle", subject, type, 1700000000);
  const oci::Json json = oci::parse_json(artifact.manifest_json, "it");
  const oci::Json want = oci::Json::parse(R"({
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "config": {"mediaType": "application/vnd.oci.empty.v1+json",
      "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 2},
    "layers": [{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "digest": "?", "size": 6}],
    "subject": {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "?", "size": 5},
    "annotations": {"dev.sigstore.bundle.content": "dsse-envelope",
      "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
      "org.opencontainers.image.created": "2023-11-14T22:13:20Z"}})");
  oci::Json wanted = want;
  wanted["layers"][0]["digest"] = oci::to_string(oci::digest_of("bundle"));
  wanted["subject"]["digest"] = oci::to_string(image);
  EXPECT_EQ(json, wanted);
  ASSERT_EQ(artifact.blobs.size(), 2U);
  EXPECT_EQ(artifact.blobs[0].bytes, "{}");
}

TEST(Predicates, HaveCosignsNames) {
  EXPECT_EQ(predicate_type_of("slsaprovenance1"), "https://slsa.dev/provenance/v1");
  EXPECT_EQ(predicate_type_of("spdxjson"), "https://spdx.dev/Document");
  EXPECT_EQ(predicate_type_of("https://example.com/x"), "https://example.com/x");
  for (const char* uri : {"urn:example:count:v1", "tag:example.com,2026:x", "mailto:a@example.com"})
    EXPECT_EQ(predicate_type_of(uri), uri);
  for (const char* wrong : {"", "sbom", "://x", "https://", "https://a b", "urn:", "1a:b", "a_b:c"})
    EXPECT_NE(error_of([&] { predicate_type_of(wrong); }), "no error") << wrong;
}

}  // namespace
}  // namespace minibuild::trust
