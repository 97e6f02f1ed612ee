#include <gtest/gtest.h>

#include "minibuild/base/error.h"
#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"

namespace minibuild::oci {
namespace {

TEST(ParseReference, ReadsAndPrints) {
  for (const char* text :
       {"registry.example.com/team/hello:1.4.2", "localhost:5000/x", "hello", "a.b/c__d/e-f.g:v1",
        "r.io/x@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"})
    EXPECT_EQ(to_string(parse_reference(text)), text);
  EXPECT_EQ(parse_reference("team/hello").host, "");
  EXPECT_EQ(parse_reference("localhost/hello").host, "localhost");
  for (const char* wrong : {"", "A/b", "a b", "x:", "x:-1", "x//y", "r.io/", "r.io:0/x", "a..b", "-a",
                            "x@sha256:12", "docker://x"})
    EXPECT_THROW(parse_reference(wrong), base::Error) << wrong;
}

TEST(ParsePlatform, MakesSpellingsOne) {
  const std::pair<const char*, const char*> cases[] = {
      {"linux/amd64", "linux/amd64"},   {"linux/x86_64", "linux/amd64"}, {"linux/arm64/v8", "linux/arm64"},
      {"linux/aarch64", "linux/arm64"}, {"linux/arm", "linux/arm/v7"},   {"linux/arm/v6", "linux/arm/v6"}};
  for (const auto& [text, want] : cases) EXPECT_EQ(to_string(*parse_platform(text)), want);
  for (const char* wrong :
       {"", "linux", "amd64", "windows/amd64", "linux/amd65", "linux/arm/v9", "linux/amd64/", "linux/386/v1"})
    EXPECT_FALSE(parse_platform(wrong)) << wrong;
  EXPECT_TRUE(matches(*parse_platform("linux/arm64"), {"linux", "arm64", "v8"}));
  EXPECT_TRUE(matches(*parse_platform("linux/arm/v7"), {"linux", "arm", ""}));
  EXPECT_FALSE(matches(*parse_platform("linux/arm/v7"), {"linux", "arm", "v6"}));
}

TEST(ParseJson, IsStrict) {
  EXPECT_EQ(parse_json(R"({"a":[1,{"b":null}]})", "x")["a"][0], 1);
  std::string deep(70, '[');
  deep.append(70, ']');
  for (const std::string& wrong :
       {std::string(R"({"a":1,"a":2})"), std::string(R"({"x":{"a":1,"a":2}})"), std::string("{} {}"),
        std::string("{"), std::string("\"\xff\""), std::string(), deep})
    EXPECT_THROW(parse_json(wrong, "x"), base::Error) << wrong;
}

// As docker writes it: nulls for what is empty, fields of its own.
TEST(ParseConfig, ReadsDockersForm) {
  const ImageConfig config = parse_config(
      R"({"architecture":"arm64","variant":"v8","os":"linux","container":"x","created":"2024-01-01T00:00:00.5Z","config":{"Hostname":"","User":"app","Env":["PATH=/bin","E="],
          "Cmd":["sh"],"Entrypoint":null,"Labels":null,"Volumes":{"/b":{},"/a":{}},"ExposedPorts":{"80/tcp":{}},"OnBuild":null},
          "rootfs":{"type":"layers","diff_ids":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]},"history":[{"created_by":"x","empty_layer":true},{"created_by":"y"}]})",
      "x");
  EXPECT_EQ(config.platform.variant, "v8");
  EXPECT_EQ(config.env, (std::vector<std::pair<std::string, std::string>>{{"PATH", "/bin"}, {"E", ""}}));
  EXPECT_EQ(config.volumes, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_TRUE(config.history[0].empty_layer);
  EXPECT_EQ(parse_config(to_json(config), "again"), config);
}

TEST(ToJson, HasOneForm) {
  Manifest manifest;
  manifest.config = {std::string(media_type::config), digest_of("{}"), 2, {}, {}};
  manifest.annotations = {{"b", "2"}, {"a", "1"}};
  // The digest of `{}` is given by the image specification.
  EXPECT_EQ(
      to_json(manifest),
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",)"
      R"("digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"annotations":{"a":"1","b":"2"}})");
  EXPECT_EQ(parse_manifest(to_json(manifest), "again"), manifest);
}

}  // namespace
}  // namespace minibuild::oci
