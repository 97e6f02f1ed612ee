#include "minibuild/trust/provenance.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {
namespace {

Provenance provenance() {
  Provenance value;
  value.spec = "minibuild.yaml";
  value.args = {{"VERSION", "1.0"}, {"TOKEN", "swordfish-and-more"}};
  value.secrets = {"token"};
  value.platforms = {"linux/amd64"};
  value.version = "0.1.0";
  value.builder = "urn:example:builder";
  value.started = 1700000000;
  value.finished = 1700000001;
  value.dependencies = {resource("spec", "minibuild.yaml", oci::digest_of("spec")),
                        {"download", "https://example.com/?t=swordfish", {}, "", "", {}}};
  return value;
}

TEST(Provenance, IsSlsa) {
  const oci::Json json = oci::parse_json(
      provenance_statement({resource("registry.example.com/app:1", "", oci::digest_of(""))}, provenance()),
      "the statement");
  EXPECT_EQ(json["_type"], "https://in-toto.io/Statement/v1");
  EXPECT_EQ(json["predicateType"], "https://slsa.dev/provenance/v1");
  EXPECT_EQ(json["subject"][0]["digest"]["sha256"],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const oci::Json& definition = json["predicate"]["buildDefinition"];
  EXPECT_EQ(definition["externalParameters"]["spec"], "minibuild.yaml");
  EXPECT_FALSE(definition["externalParameters"].contains("target"));
  EXPECT_EQ(definition["externalParameters"]["secrets"][0], "token");
  EXPECT_EQ(definition["internalParameters"]["platforms"][0], "linux/amd64");
  EXPECT_EQ(definition["resolvedDependencies"].size(), 2U);
  EXPECT_EQ(json["predicate"]["runDetails"]["builder"]["id"], "urn:example:builder");
  EXPECT_EQ(json["predicate"]["runDetails"]["metadata"]["finishedOn"], "2023-11-14T22:13:21Z");
  Provenance nobody = provenance();
  nobody.builder.clear();
  EXPECT_THROW(provenance_predicate(nobody), base::Error);
}

TEST(Provenance, HidesSecrets) {
  Provenance value = provenance();
  hide_secrets(value, {{"token", "swordfish"}, {"long", "swordfish-and-more"}, {"none", ""}});
  EXPECT_EQ(value.args["TOKEN"], "[secret long]");
  EXPECT_EQ(value.dependencies[1].uri, "https://example.com/?t=[secret token]");
  EXPECT_EQ(provenance_predicate(value).find("swordfish"), std::string::npos);
}

TEST(Provenance, IsAReferrer) {
  const oci::Descriptor subject{std::string(oci::media_type::manifest), oci::digest_of("m"), 1, {}, {}};
  const Artifact artifact = provenance_artifact("{}", subject, 1700000001);
  const oci::Json json = oci::parse_json(artifact.manifest_json, "the manifest");
  EXPECT_EQ(json["artifactType"], "application/vnd.in-toto+json");
  EXPECT_EQ(json["layers"][0]["annotations"]["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v1");
}

}  // namespace
}  // namespace minibuild::trust
