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
}

// The order is that of containerd's platforms.Only, within an architecture (e2e/indexes.sh asks it).
TEST(Distance, PrefersTheSameThenWhatIsLower) {
  const auto far = [](const char* wanted, Platform image) {
    return distance(*parse_platform(wanted), image);
  };
  const Platform same[] = {{"linux", "amd64", ""},
                           {"linux", "amd64", "v1"},
                           {"Linux", "x86_64", "V1"},
                           {"linux", "x86-64", ""},
                           {"linux", "AMD64", ""}};
  for (const Platform& image : same) EXPECT_EQ(far("linux/amd64", image), 0) << to_string(image);
  EXPECT_EQ(far("linux/amd64/v1", {"linux", "amd64", ""}), 0);
  EXPECT_EQ(far("linux/arm64", {"linux", "arm64", "v8"}), 0);
  EXPECT_EQ(far("linux/arm64/v8", {"linux", "aarch64", ""}), 0);
  EXPECT_EQ(far("linux/arm64", {"linux", "arm64", "8"}), 0);
  EXPECT_EQ(far("linux/arm", {"linux", "arm", "v7"}), 0);
  EXPECT_EQ(far("linux/arm/v7", {"linux", "arm", ""}), 0);
  EXPECT_EQ(far("linux/arm/v7", {"linux", "armhf", ""}), 0);
  EXPECT_EQ(far("linux/arm/v6", {"linux", "armel", ""}), 0);
  EXPECT_EQ(far("linux/arm/v7", {"linux", "armhf", "v6"}), 0);
  EXPECT_EQ(far("linux/arm64/v9", {"linux", "arm64", "9.0"}), 0);
  EXPECT_EQ(far("linux/386", {"linux", "386", "v1"}), 0);
  // Lower runs on higher, never the other way.
  EXPECT_LT(*far("linux/amd64/v4", {"linux", "amd64", "v3"}),
            *far("linux/amd64/v4", {"linux", "amd64", "v1"}));
  EXPECT_LT(*far("linux/arm/v7", {"linux", "arm", "v6"}), *far("linux/arm/v7", {"linux", "arm", "v5"}));
  EXPECT_TRUE(far("linux/arm64/v9", {"linux", "arm64", "v8.5"}));
  const std::pair<const char*, Platform> unfit[] = {
      {"linux/amd64", {"linux", "amd64", "v2"}},    {"linux/amd64", {"linux", "386", ""}},
      {"linux/amd64", {"windows", "amd64", ""}},    {"linux/amd64", {"unknown", "unknown", ""}},
      {"linux/amd64", {"linux", "", ""}},           {"linux/arm/v6", {"linux", "arm", "v7"}},
      {"linux/arm/v6", {"linux", "arm", ""}},       {"linux/arm64", {"linux", "arm", "v7"}},
      {"linux/arm64", {"linux", "arm64", "v8.1"}},  {"linux/arm64/v9", {"linux", "arm64", "v8.6"}},
      {"linux/arm64/v9", {"linux", "arm64", "8.2"}}};
  for (const auto& [wanted, image] : unfit)
    EXPECT_FALSE(far(wanted, image)) << wanted << " " << to_string(image);
}

// What only describes is let be, whatever it is.
TEST(ParseConfig, DescriptionsDecideNothing) {
  const ImageConfig config = parse_config(
      R"({"architecture":"amd64","created":null,"author":7,"config":{"Labels":{"a":null,"b":1,"c":"x"},"Env":["A","=b","C=d",null]},
          "rootfs":{"type":"other","diff_ids":null},"history":{"no":"list"}})",
      "x");
  EXPECT_EQ(config.platform.os, "linux");
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"a", ""}, {"c", "x"}}));
  EXPECT_EQ(config.env, (std::vector<std::pair<std::string, std::string>>{{"C", "d"}}));
  EXPECT_TRUE(config.history.empty());
  EXPECT_EQ(
      parse_config(R"({"rootfs":{},"history":[1,null,{"created":5,"empty_layer":"yes"}]})", "x").history,
      std::vector<History>{History{}});
}

TEST(ParseIndex, OnlyAnAmbiguousDocumentIsRefused) {
  const std::string entry =
      R"({"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"platform":{},"annotations":{"a":1,"b":null},"urls":["u"]})";
  const ImageIndex index =
      parse_index(R"({"schemaVersion":2,"mediaType":"application/json","manifests":[)" + entry + "]}", "x");
  EXPECT_FALSE(index.manifests[0].platform);
  EXPECT_EQ(index.manifests[0].annotations, (Annotations{{"b", ""}}));
  EXPECT_EQ(index.manifests[0].urls, std::vector<std::string>{"u"});
  for (const char* wrong :
       {R"({"schemaVersion":2,"manifests":[],"layers":[]})", R"({"manifests":[]})",
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]})"})
    EXPECT_THROW(parse_index(wrong, "x"), base::Error) << wrong;
  EXPECT_EQ(kind_of(parse_json(R"({"manifests":[]})", "x")), Kind::index);
  EXPECT_EQ(kind_of(parse_json(R"({"layers":[]})", "x")), Kind::manifest);
  EXPECT_EQ(kind_of(parse_json(R"({"layers":{}})", "x")), Kind::other);
}

// The value of no bytes is that of sha512sum.
TEST(Digest, KnowsBothAlgorithms) {
  const std::string text =
      "sha512:"
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931"
      "bd47417a81a538327af927da3e";
  const Digest digest = parse_digest(text, "x");
  EXPECT_EQ(to_string(digest), text);
  EXPECT_EQ(algorithm_of(digest), "sha512");
  EXPECT_TRUE(has_digest("", digest));
  EXPECT_FALSE(has_digest("a", digest));
  EXPECT_EQ(referrers_tag(digest), "sha512-" + text.substr(7, 64));  // as the specification cuts it
  EXPECT_EQ(parse_reference("r.io/x@" + text).digest, digest);
  EXPECT_NE(digest, digest_of(""));
  EXPECT_TRUE(has_digest("", digest_of("")));
  for (const char* wrong : {"sha512:12", "sha512:", "blake3:00", "sha384:00", "sha256:CF"})
    EXPECT_THROW(parse_digest(wrong, "x"), base::Error) << wrong;
  EXPECT_THROW(parse_digest(text + "0", "x"), base::Error);
  EXPECT_THROW(parse_diff_id(text, "x"), base::Error);
}

TEST(IsLayer, TakesEveryCompressionOfATar) {
  for (const char* type :
       {"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"})
    EXPECT_TRUE(is_layer(type)) << type;
  for (const char* type :
       {"", "application/vnd.in-toto+json", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip"})
    EXPECT_FALSE(is_layer(type)) << type;
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
