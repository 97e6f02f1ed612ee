#include "minibuild/spec/retention.h"

#include <gtest/gtest.h>

namespace minibuild::spec {
namespace {

TEST(ParseRetention, ReadsEveryKey) {
  const RetentionResult result = parse_retention(
      "minibuild: 1\nmax-deletions: 50\nretention:\n"
      "  - { tags: latest, keep: all }\n"
      "  - { tags: [v*, '1.*'], exclude: '*-rc*', repositories: 'team/*', keep-last: 5, by: 'semver, pushed' "
      "}\n"
      "  - { tags: '*', keep-within: 3m, by: created }\n"
      "  - { untagged: true, keep-last: 2, by: [created, pushed] }\n");
  ASSERT_TRUE(result.diagnostics.empty()) << render_text(result.diagnostics, "p.yaml", "");
  const std::vector<RetentionRule>& rules = result.retention.rules;
  ASSERT_EQ(rules.size(), 4);
  EXPECT_EQ(result.retention.max_deletions, 50);
  EXPECT_EQ(rules[0].keep, RetentionRule::Keep::all);
  EXPECT_EQ(rules[0].tags, std::vector<std::string>{"latest"});
  EXPECT_EQ(rules[0].by, std::vector<KeepBy>{KeepBy::pushed});
  EXPECT_EQ(rules[1].tags, (std::vector<std::string>{"v*", "1.*"}));
  EXPECT_EQ(rules[1].exclude, std::vector<std::string>{"*-rc*"});
  EXPECT_EQ(rules[1].repositories, std::vector<std::string>{"team/*"});
  EXPECT_EQ(rules[1].by, (std::vector<KeepBy>{KeepBy::semver, KeepBy::pushed}));
  EXPECT_EQ(rules[1].text, "keep-last: 5, by: semver,pushed");
  EXPECT_EQ(rules[2].seconds, 90 * 86400);
  EXPECT_EQ(rules[2].text, "keep-within: 3m, by: created");
  EXPECT_TRUE(rules[3].untagged());
  EXPECT_EQ(rules[3].position, (Position{7, 5}));
}

TEST(ParseRetention, ReadsAges) {
  const std::pair<const char*, std::optional<int64_t>> cases[] = {{"12h", 12 * 3600},
                                                                  {"30d", 30 * 86400},
                                                                  {"2w", 14 * 86400},
                                                                  {"3m", 90 * 86400},
                                                                  {"1y", 365 * 86400},
                                                                  {"0d", std::nullopt},
                                                                  {"-1d", std::nullopt},
                                                                  {"1.5d", std::nullopt},
                                                                  {"30", std::nullopt},
                                                                  {"d", std::nullopt},
                                                                  {"", std::nullopt},
                                                                  {"5min", std::nullopt},
                                                                  {"9999999999999y", std::nullopt},
                                                                  {"1001y", std::nullopt}};
  for (const auto& [text, want] : cases) EXPECT_EQ(parse_age(text), want) << text;
}

// Each fault alone: its place and the beginning of its message.
TEST(ParseRetention, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "1:1 the policy is empty"},
      {"retention: []\n", "1:12 'retention' must be a list"},
      {"retention: { tags: x }\n", "1:12 'retention' must be a list"},
      {"minibuild: 1\n", "1:1 the key 'retention' is missing"},
      {"minibuild: 2\nretention: [{ tags: x, keep: all }]\n", "1:12 'minibuild' must be 1"},
      {"retentoin: []\n", "1:1 unknown key 'retentoin'; did you mean 'retention'?"},
      {"retention: [x]\n", "1:13 a rule must be a map"},
      {"retention: [{ tags: x }]\n", "1:13 the rule does not say what it keeps"},
      {"retention: [{ keep: all }]\n", "1:13 the rule does not say what it is about"},
      {"retention: [{ tags: x, untagged: true, keep: all }]\n", "1:34 a rule has 'tags' or 'untagged'"},
      {"retention: [{ tags: x, keep: all, keep-last: 1 }]\n", "1:13 a rule has one of"},
      {"retention: [{ tags: x, keep: 5 }]\n", "1:30 'keep' is '5', want all"},
      {"retention: [{ tags: [], keep: all }]\n", "1:21 'tags' is an empty list"},
      {"retention: [{ tags: '', keep: all }]\n", "1:21 'tags' has the malformed pattern ''"},
      {"retention: [{ untagged: true, exclude: x, keep: all }]\n", "1:40 'exclude' is about tags"},
      {"retention: [{ untagged: false, keep: all }]\n", "1:25 'untagged' is false"},
      {"retention: [{ tags: x, keep: all, by: semver }]\n", "1:39 'by' orders what"},
      {"retention: [{ tags: x, keep-within: 1d, by: semver }]\n", "1:45 'keep-within' goes by one time"},
      {"retention: [{ untagged: true, keep-last: 1, by: semver }]\n", "1:49 what has no tag has no version"},
      {"retention: [{ tags: x, keep-last: 1, by: 'pushed,pushed' }]\n", "1:42 'by' has 'pushed' twice"},
      {"retention: [{ tags: x, keep-last: 1.5 }]\n", "1:35 'keep-last' is '1.5', want a number"},
      {"max-deletions: many\nretention: [{ tags: x, keep: all }]\n", "1:16 'max-deletions' is 'many'"},
  };
  for (const auto& [source, want] : cases) {
    const Diagnostics diagnostics = parse_retention(source).diagnostics;
    ASSERT_FALSE(diagnostics.empty()) << source;
    const Diagnostic& first = diagnostics.front();
    const std::string got = std::to_string(first.position.line) + ":" +
                            std::to_string(first.position.column) + " " + first.message;
    EXPECT_TRUE(got.starts_with(want)) << source << "got  " << got << "\nwant " << want;
  }
}

}  // namespace
}  // namespace minibuild::spec
