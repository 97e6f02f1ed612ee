#include <gtest/gtest.h>

#include "minibuild/oci/json.h"
#include "minibuild/spec/spec.h"

namespace minibuild::spec {
namespace {

ParseResult parse_text(const std::string& text, const std::map<std::string, std::string>& set = {}) {
  return parse(text, {.file = "s.yaml", .directory = ".", .set = set, .platform = {"linux", "arm", "v7"}});
}

TEST(Parse, InterpolatesValues) {
  const ParseResult result = parse_text(
      "minibuild: 1\nargs: { A: one, B: \"\", D: \"$$x\" }\n"
      "labels: { l: \"${A} ${B:-fallback} ${NONE:-none} $${A} ${TARGETPLATFORM} ${TARGETVARIANT} ${D}\" }\n"
      "env: { PATH: \"${env.PATH}:/x\" }\nstages: { s: { base: host, run: ['echo $HOME ${A} ${UNKNOWN} $$ "
      "$(x) ${x:-y}'] } }\n",
      {{"A", "two"}});
  ASSERT_FALSE(has_errors(result.diagnostics)) << render_text(result.diagnostics, "s.yaml", "");
  EXPECT_EQ(result.spec.labels.at("l"), "two fallback none ${A} linux/arm/v7 v7 $x");
  EXPECT_EQ(result.spec.stages[0].run[0].argv,
            (std::vector<std::string>{"/bin/sh", "-eu", "-c", "echo $HOME two ${UNKNOWN} $$ $(x) ${x:-y}"}));
  EXPECT_EQ(expand_base_env(result.spec.env[0].second, {{"PATH", "/bin"}}), "/bin:/x");
  EXPECT_EQ(expand_base_env("a${env.NONE}b", {}), "ab");
}

TEST(Parse, ReadsAliasesAndKeepsTheOrderOfVariables) {
  const ParseResult result =
      parse_text("minibuild: 1\nlabels: &l { a: b }\nannotations: *l\nenv: { Z: 1, A: 2, M: 3 }\nuser: 1\n");
  ASSERT_FALSE(has_errors(result.diagnostics));
  EXPECT_EQ(result.spec.annotations.at("a"), "b");
  EXPECT_EQ(result.spec.env[0].first, "Z");
  EXPECT_EQ(result.spec.env[2].first, "M");
}

TEST(Parse, BoundsWhatAliasesGrowTo) {
  std::string bomb = "minibuild: 1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k > 0 ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_TRUE(has_errors(parse_text(bomb).diagnostics));
}

TEST(Parse, BoundsWhatIsToldOfOneSpec) {
  // A long line of wrong values: each would show a part of it.
  std::string many;
  for (int i = 0; i < 10000; ++i) many += ", wrong-" + std::to_string(i);
  const Diagnostics platforms = parse_text("minibuild: 1\nuser: 1\nplatforms: [a" + many + "]\n").diagnostics;
  ASSERT_EQ(platforms.size(), 1U);
  EXPECT_EQ(platforms[0].message, "'platforms' has 10001 entries, want at most 64");
  const Diagnostics ports = parse_text("minibuild: 1\nuser: 1\nports: [a" + many + "]\n").diagnostics;
  ASSERT_EQ(ports.size(), 101U);
  EXPECT_EQ(ports[100].message, "and 9901 more");
  EXPECT_EQ(ports[100].severity, Severity::error);
}

TEST(Parse, TakesWindowsLineEndsAndAByteOrderMark) {
  EXPECT_FALSE(has_errors(parse_text("\xEF\xBB\xBFminibuild: 1\r\nuser: 1\r\n").diagnostics));
}

TEST(RenderText, PutsTheCaretUnderTheColumn) {
  const Diagnostics diagnostics = {{Severity::error, "r", {2, 4}, "wrong"},
                                   {Severity::warning, "r", {9, 1}, "far"}};
  EXPECT_EQ(render_text(diagnostics, "f",
                        "one\n\t\xc3\xbc"
                        "bx\n"),
            "f:2:4: error: wrong\n  \t\xc3\xbc"
            "bx\n  \t  ^\nf:9:1: warning: far\n");
}

// The schema has exactly the keys that the parser takes: each is accepted, and one letter more is not.
TEST(JsonSchema, HasTheParsersKeys) {
  const oci::Json schema = oci::parse_json(json_schema(), "schema");
  const auto unknown = [](const std::string& text) {
    for (const Diagnostic& one : parse_text(text).diagnostics)
      if (one.rule == "unknown-key" || one.rule == "unsupported") return true;
    return false;
  };
  const std::pair<const oci::Json*, std::pair<std::string, std::string>> places[] = {
      {&schema["properties"], {"minibuild: 1\n", ": x\n"}},
      {&schema["$defs"]["stage"]["properties"], {"minibuild: 1\nstages: { s: { ", ": x } }\n"}},
      {&schema["$defs"]["copies"]["items"]["properties"], {"minibuild: 1\ncopy: [{ ", ": x }]\n"}},
      {&schema["$defs"]["files"]["items"]["properties"], {"minibuild: 1\nfiles: [{ ", ": x }]\n"}},
      {&schema["properties"]["sources"]["additionalProperties"]["properties"],
       {"minibuild: 1\nsources: { s: { ", ": x } }\n"}},
      {&schema["$defs"]["packages"]["items"]["anyOf"][1]["properties"],
       {"minibuild: 1\npackages: [{ ", ": x }]\n"}},
      {&schema["properties"]["accounts"]["properties"]["users"]["items"]["properties"],
       {"minibuild: 1\naccounts: { users: [{ ", ": x }] }\n"}},
      {&schema["properties"]["policy"]["properties"], {"minibuild: 1\npolicy: { ", ": x }\n"}},
  };
  for (const auto& [properties, text] : places) {
    ASSERT_GE(properties->size(), 3U);
    for (const auto& [key, value] : properties->items()) {
      if (key != "minibuild") {
        EXPECT_FALSE(unknown(text.first + key + text.second)) << key;
      }
      EXPECT_TRUE(unknown(text.first + key + "x" + text.second)) << key;
    }
  }
  EXPECT_EQ(schema["properties"].size(), 29U);
  std::vector<std::string> rules;
  for (const RuleInfo& rule : policy_rules()) rules.emplace_back(rule.id);
  EXPECT_EQ(schema["$defs"]["rule"]["enum"].get<std::vector<std::string>>(), rules);
}

TEST(Policy, OfTwoTheStricterCounts) {
  const auto shared = parse_policy(
      "deny: [shell]\nwarn: [setuid]\nmax-size: 10MB\nmax-severity: high\nallow: [{ rule: setuid, path: /a, "
      "reason: x }]\n",
      "team.yaml");
  EXPECT_TRUE(shared.diagnostics.empty());
  Policy own;
  own.warn = {{"shell", {}}};
  own.deny = {{"setuid", {}}};
  own.max_size = 20000000;
  own.max_severity = VulnerabilitySeverity::low;
  const Policy both = combine(shared.policy, own);
  EXPECT_TRUE(both.warn.empty());
  ASSERT_EQ(both.deny.size(), 2U);
  EXPECT_EQ(both.deny[1].rule, "shell");
  EXPECT_EQ(both.max_size, 10000000U);
  EXPECT_EQ(both.max_severity, VulnerabilitySeverity::low);
  ASSERT_EQ(both.allow.size(), 1U);
  EXPECT_EQ(both.allow[0].file, "team.yaml");
}

TEST(Policy, IsReadUnderItsKeyToo) {
  EXPECT_EQ(parse_policy("policy: { max-size: 1MB }\n", "p").policy.max_size, 1000000U);
  EXPECT_TRUE(has_errors(parse_policy("policy: { file: other.yaml }\n", "p").diagnostics));
  EXPECT_TRUE(has_errors(parse_policy("deny: [sheel]\n", "p").diagnostics));
  EXPECT_TRUE(has_errors(parse_policy("allow: [{ rule: shell }]\n", "p").diagnostics));
}

TEST(ParseImageLocation, KnowsTheForms) {
  EXPECT_EQ(oci::to_string(parse_image_location("oci:a/b:1.0")), "oci:a/b:1.0");
  EXPECT_EQ(parse_image_location("oci:a/b").tag, "");
  EXPECT_EQ(parse_image_location("docker-archive:x.tar:r.example/y:2").path, "x.tar");
  EXPECT_EQ(parse_image_location("docker-archive:x.tar:r.example/y:2").tag, "r.example/y:2");
  EXPECT_EQ(parse_image_location("docker-archive:x.tar").tag, "");
  const std::string hash(64, 'a');
  EXPECT_EQ(parse_image_location("oci:a/b@sha256:" + hash).path, "a/b");
  EXPECT_EQ(parse_image_location("oci:a/b@sha256:" + hash).tag, "sha256:" + hash);
  for (const char* wrong :
       {"", "oci:", "oci::x", "docker-archive:x.tar:Y", "docker-archive::x", "docker://x:1", "x", "zip:y"})
    EXPECT_ANY_THROW(parse_image_location(wrong)) << wrong;
}

}  // namespace
}  // namespace minibuild::spec
