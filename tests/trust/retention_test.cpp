#include "minibuild/trust/retention.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

constexpr int64_t day = 86400;
constexpr int64_t now = 20000 * day;

oci::Digest digest(const std::string& name) { return oci::digest_of(name); }

// A repository in words, one manifest a line: `NAME tags=A,B age=DAYS children=X,Y subject=Z`. `{X}` in a tag
// is the hexadecimal digest of X. Without an age the time is not known.
Holdings holdings_of(const std::string& text) {
  Holdings holdings;
  holdings.repository = "team/app";
  for (const std::string& line : base::split(text, '\n')) {
    const std::vector<std::string> words = base::split(base::trim(line), ' ');
    if (words[0].empty()) continue;
    StoredManifest manifest;
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string key = words[i].substr(0, equals);
      for (std::string value : base::split(words[i].substr(equals + 1), ',')) {
        if (key == "age") manifest.pushed = now - *base::parse_number(value) * day;
        if (key == "built") manifest.created = now - *base::parse_number(value) * day;
        if (key == "at") manifest.pushed = static_cast<int64_t>(*base::parse_number(value));
        if (key == "children") manifest.children.push_back(digest(value));
        if (key == "subject") manifest.subject = digest(value);
        if (key != "tags") continue;
        if (const size_t open = value.find('{'); open != std::string::npos)
          value.replace(open, value.find('}') - open + 1,
                        oci::hex(digest(value.substr(open + 1, value.find('}') - open - 1))));
        holdings.tags[value] = digest(words[0]);
      }
    }
    holdings.manifests[digest(words[0])] = manifest;
  }
  return holdings;
}

spec::Retention policy_of(const std::string& rules) {
  spec::RetentionResult result = spec::parse_retention("retention: [" + rules + "]");
  EXPECT_TRUE(result.diagnostics.empty()) << spec::render_text(result.diagnostics, "p", rules);
  return std::move(result.retention);
}

// The tags that stay, then those whose image alone stays, in the plan's order.
std::string outcome(const RetentionPlan& plan) {
  std::string keep;
  std::string untag;
  for (const TagDecision& one : plan.tags) {
    const std::string name =
        derived_tag(one.tag) ? "sha256-" + one.tag.substr(std::min<size_t>(71, one.tag.size())) : one.tag;
    if (one.fate == Fate::keep) keep += (keep.empty() ? "" : " ") + name;
    if (one.fate == Fate::untag) untag += " ~" + name;
    if (one.fate == Fate::rewrite) untag += " /" + name;
  }
  return keep + untag;
}

struct Case {
  const char* rules;
  const char* holdings;
  const char* want;
};

TEST(PlanRetention, Decides) {
  const char* versions =
      "a tags=v1.0.0 age=9\nb tags=v1.10.0 age=1\nc tags=v1.9.0 age=2\nd tags=v2.0.0-rc.1 age=8\n"
      "e tags=latest,v1.2 age=3\nf tags=1.9.1 age=4\n";
  const char* times = "a tags=a age=1\nb tags=b age=10\nc tags=c age=40\nd tags=d\ne tags=e at=0\n";
  const char* shared = "a tags=v1.0.0,old,v1.2.0 age=1\nb tags=v1.1.0 age=2\n";
  const Case cases[] = {
      {"{ tags: 'v*', keep-last: 2, by: semver }", versions, "v1.10.0 v2.0.0-rc.1"},
      {"{ tags: ['v*', '1.*'], exclude: '*-rc*', keep-last: 3, by: semver }", versions,
       "1.9.1 v1.9.0 v1.10.0"},
      {"{ tags: '*', keep-last: 2 }", versions, "v1.9.0 v1.10.0"},
      {"{ tags: '*', keep-last: 3, by: pushed }", versions, "v1.9.0 v1.10.0 v1.2 ~latest"},
      {"{ tags: latest, keep: all }, { tags: '1.*', keep-last: 1, by: semver }", versions,
       "1.9.1 latest ~v1.2"},
      {"{ tags: '*', keep-within: 2d }", versions, "v1.9.0 v1.10.0"},
      {"{ tags: '*', keep-within: 30d }", times, "a b d e"},
      {"{ tags: '*', keep-within: 10d }", times, "a b d e"},
      {"{ tags: '*', keep-last: 1, by: pushed }", times, "a d e"},
      {"{ tags: '*', keep-last: 1, by: created }", "a tags=a age=1 built=9\nb tags=b age=5 built=2\n", "b"},
      {"{ tags: 'v*', keep-last: 1, by: semver }", shared, "v1.2.0 ~old ~v1.0.0"},
      {"{ tags: '*', keep-last: 1, by: semver }", "a tags=v1.0.0 age=3\nb tags=v1.0.0-alpha age=1\n",
       "v1.0.0"},
      {"{ tags: '*', keep-last: 1, by: [semver, pushed] }", "a tags=1.0.0 age=3\nb tags=v1.0.0 age=1\n",
       "v1.0.0"},
      {"{ tags: x, keep: all, repositories: 'other/*' }, { tags: y, keep: all, repositories: ['team/*'] }",
       "a tags=x\nb tags=y\n", "y"},
      // What belongs to something goes its way, and is never one of those that are counted.
      {"{ tags: '*', keep-last: 1, by: pushed }",
       "a tags=a age=2\nb tags=b age=5\ns tags=sha256-{a}.sig age=1\nt tags=sha256-{b}.sig age=1\n",
       "a sha256-.sig"},
      {"{ tags: a, keep: all }, { tags: 'sha256-*', keep: all }",
       "a tags=a\nb tags=b\nt tags=sha256-{b}.sig\n", "a sha256-.sig"},
      {"{ tags: a, keep: all }", "a tags=a\nt tags=sha256-{gone}.sig\n", "a"},
      {"{ tags: '*', keep-within: 1d }", "a tags=a age=0\nt tags=sha256-{gone}.sig\n", "a sha256-.sig"},
      // A signature of a signature; a tag that only looks like one.
      {"{ tags: a, keep: all }",
       "a tags=a\ns tags=sha256-{a}.sig\nt tags=sha256-{s}.att\nx tags=sha256-{a}.txt\n",
       "a sha256-.att sha256-.sig"},
  };
  for (const Case& one : cases) {
    std::string got = outcome(plan_retention(policy_of(one.rules), holdings_of(one.holdings), now));
    std::string want = one.want;
    for (std::string* text : {&got, &want}) {  // in any order
      std::vector<std::string> words = base::split(*text, ' ');
      std::sort(words.begin(), words.end());
      *text = base::join(words, " ");
    }
    EXPECT_EQ(got, want) << one.rules << "\n" << one.holdings;
  }
}

std::set<std::string> going_names(const RetentionPlan& plan, const std::vector<std::string>& names) {
  std::set<std::string> found;
  for (const auto& group : plan.groups)
    for (const oci::Digest& one : group)
      for (const std::string& name : names)
        if (digest(name) == one) found.insert(name);
  return found;
}

TEST(PlanRetention, KeepsWhatKeptImagesNeed) {
  const Holdings holdings = holdings_of(
      "index tags=keep children=amd,arm\namd\narm\nold tags=old children=amd,riscv\nriscv\n"
      "sbom subject=arm\nsig subject=sbom\noldsbom subject=riscv\n"
      "list tags=sha256-{index} children=listed,missing\nlisted\n");
  const RetentionPlan plan = plan_retention(policy_of("{ tags: keep, keep: all }"), holdings, now);
  EXPECT_EQ(
      going_names(plan, {"index", "amd", "arm", "old", "riscv", "sbom", "sig", "oldsbom", "list", "listed"}),
      (std::set<std::string>{"old", "riscv", "oldsbom"}));
}

TEST(PlanRetention, DeletesWhatNamesOthersFirst) {
  const Holdings holdings = holdings_of(
      "keep tags=keep\nindex tags=old children=amd,arm\namd\narm\nsbom subject=amd\nsig subject=sbom\n"
      "att tags=sha256-{sbom}.att\nlist tags=sha256-{amd} children=sbom\nalone tags=alone\n");
  const RetentionPlan plan = plan_retention(policy_of("{ tags: keep, keep: all }"), holdings, now);
  ASSERT_EQ(plan.groups.size(), 2);
  std::map<oci::Digest, size_t> at;
  for (const auto& group : plan.groups)
    for (const oci::Digest& one : group) at.emplace(one, at.size());
  const std::pair<const char*, const char*> pairs[] = {{"index", "amd"}, {"index", "arm"}, {"sbom", "amd"},
                                                       {"sig", "sbom"},  {"att", "sbom"},  {"list", "sbom"},
                                                       {"list", "amd"}};
  for (const auto& [first, second] : pairs)
    EXPECT_LT(at.at(digest(first)), at.at(digest(second))) << first << " before " << second;
  EXPECT_EQ(at.size(), 8);
}

TEST(PlanRetention, ShortensListsOfReferrers) {
  const Holdings holdings = holdings_of(
      "image tags=old\nsbom subject=image tags=keep\nother subject=image\n"
      "list tags=sha256-{image} children=sbom,other,missing\n");
  const RetentionPlan plan = plan_retention(policy_of("{ tags: keep, keep: all }"), holdings, now);
  ASSERT_EQ(plan.lists.size(), 1);
  EXPECT_EQ(plan.lists[0].go, std::vector<oci::Digest>{digest("other")});
  EXPECT_EQ(going_names(plan, {"image", "sbom", "other", "list"}),
            (std::set<std::string>{"image", "other", "list"}));
  // Once that is done, the list of a subject that is gone stays as long as what it lists.
  const RetentionPlan next = plan_retention(
      policy_of("{ tags: keep, keep: all }"),
      holdings_of("sbom subject=image tags=keep\nshort tags=sha256-{image} children=sbom,missing\n"), now);
  EXPECT_TRUE(next.groups.empty());
  EXPECT_TRUE(next.lists.empty());
}

TEST(PlanRetention, GoesByRulesForWhatHasNoTag) {
  const char* text =
      "keep tags=keep age=1\na age=1\nb age=20 children=c\nc age=20\nd age=30\ne\nold tags=old age=50 "
      "children=f\n"
      "f age=50\nreferrer subject=old age=1\n";
  const std::vector<std::string> names = {"keep", "a", "b", "c", "d", "e", "old", "f", "referrer"};
  const std::pair<const char*, std::set<std::string>> cases[] = {
      {"{ tags: keep, keep: all }", {"a", "b", "c", "d", "e", "old", "f", "referrer"}},
      {"{ tags: keep, keep: all }, { untagged: true, keep-within: 7d }",
       {"b", "c", "d", "old", "f", "referrer"}},
      {"{ tags: keep, keep: all }, { untagged: true, keep: all }", {"old", "referrer"}},
      {"{ tags: keep, keep: all }, { untagged: true, keep-last: 2 }", {"d", "old", "f", "referrer"}},
  };
  for (const auto& [rules, want] : cases)
    EXPECT_EQ(going_names(plan_retention(policy_of(rules), holdings_of(text), now), names), want) << rules;
}

TEST(PlanRetention, KeepsWhatCameMeanwhile) {
  const Holdings holdings =
      holdings_of("a tags=a children=b\nb\nc tags=c children=b\ns tags=sha256-{b}.sig\n");
  const RetentionPlan plan =
      plan_retention(policy_of("{ tags: none, keep: all }"), holdings, now, {digest("c")});
  EXPECT_EQ(going_names(plan, {"a", "b", "c", "s"}), std::set<std::string>{"a"});
}

TEST(PlanRetention, SurvivesCirclesOfTags) {
  const Holdings holdings =
      holdings_of("keep tags=keep\na tags=a,sha256-{b}.sig,sha256-{a}.sig\nb tags=b,sha256-{a}.sig\n");
  const RetentionPlan plan = plan_retention(policy_of("{ tags: keep, keep: all }"), holdings, now);
  EXPECT_EQ(going_names(plan, {"a", "b", "keep"}), (std::set<std::string>{"a", "b"}));
}

TEST(PlanRetention, SaysWhy) {
  const RetentionPlan plan = plan_retention(
      policy_of("{ tags: '*', keep-last: 1, by: semver }, { tags: '*', keep-within: 3d }"),
      holdings_of("a tags=1.0.0 age=9\nb tags=2.0.0 age=9\nc tags=edge\nd tags=test age=50\n"), now);
  std::map<std::string, std::string> why;
  for (const TagDecision& one : plan.tags) why[one.tag] = one.why;
  EXPECT_EQ(why["2.0.0"], "rule 1 (keep-last: 1, by: semver)");
  EXPECT_EQ(why["1.0.0"],
            "rule 1 (keep-last: 1, by: semver): it is number 2; rule 2 (keep-within: 3d): it is 9 days old");
  EXPECT_EQ(why["edge"], "rule 2 (keep-within: 3d): its time is not known");
  EXPECT_EQ(
      why["test"],
      "rule 1 (keep-last: 1, by: semver): it is no semantic version; rule 2 (keep-within: 3d): it is 50 days "
      "old");
  EXPECT_EQ(
      plan.notes,
      (std::vector<std::string>{
          "rule 1 (keep-last: 1, by: semver): 2 tags are no semantic version and not counted: edge, test",
          "rule 2 (keep-within: 3d): the time of 1 is not known, as of reproducible images; it stays: "
          "edge"}));
}

TEST(PlanRetention, TakesSlashesInTagsForCharacters) {
  const Holdings holdings = holdings_of("a tags=docker.io/library/app:1\nb tags=b\n");
  EXPECT_EQ(outcome(plan_retention(policy_of("{ tags: '*', keep: all }"), holdings, now)),
            "b docker.io/library/app:1");
  EXPECT_EQ(outcome(plan_retention(policy_of("{ tags: 'docker.io/*:1', keep: all }"), holdings, now)),
            "docker.io/library/app:1");
  EXPECT_EQ(outcome(plan_retention(policy_of("{ tags: '*', keep: all, repositories: '*' }"), holdings, now)),
            "b docker.io/library/app:1");
}

TEST(PlanRetention, NotesAliasesAndRulesAboutNothing) {
  const RetentionPlan plan = plan_retention(
      policy_of("{ tags: '1*', keep-last: 2, by: semver }, { tags: 'v*', keep: all }"),
      holdings_of("a tags=1.0.0 age=3\nb tags=1.1.0 age=2\nc tags=1.2.0,1.2.0_b age=1\n"), now);
  EXPECT_EQ(plan.notes, (std::vector<std::string>{
                            "rule 1 (keep-last: 2, by: semver): tags are counted, also those of one image: "
                            "1.2.0 as 1.2.0_b; give such names a rule of their own, and put them under "
                            "'exclude' here",
                            "rule 2 (keep: all): no tag matches it"}));
}

// What stays and is not there may need anything.
TEST(PlanRetention, TellsWhatStaysAndWasNotThere) {
  Holdings holdings = holdings_of("a tags=a age=9\nindex tags=index children=inner,a age=9\n");
  holdings.lost_tags = {"lost", "v1.0.0", "v3.0.0"};
  holdings.lost_indexes = {digest("inner")};
  const auto unread = [&](const std::string& rules) {
    return plan_retention(policy_of(rules), holdings, now).unread;
  };
  EXPECT_EQ(unread("{ tags: a, keep: all }"), std::vector<std::string>());
  EXPECT_EQ(unread("{ tags: lost, keep: all }"), std::vector<std::string>{"the tag lost"});
  EXPECT_EQ(unread("{ tags: 'v*', keep-last: 1 }"),
            (std::vector<std::string>{"the tag v1.0.0", "the tag v3.0.0"}));
  EXPECT_EQ(unread("{ tags: 'l*', keep-within: 1h }"), std::vector<std::string>{"the tag lost"});
  holdings.lost_tags.insert("sha256-" + oci::hex(digest("a")));  // a list of referrers
  EXPECT_EQ(unread("{ tags: a, keep: all }").size(), 1U);
  EXPECT_EQ(unread("{ tags: index, keep: all }").size(), 2U);
  holdings.lost_tags.erase("sha256-" + oci::hex(digest("a")));
  const std::vector<std::string> index = unread("{ tags: index, keep: all }");
  ASSERT_EQ(index.size(), 1U);
  EXPECT_EQ(index[0].substr(0, index[0].find(',')), "the index " + oci::to_string(digest("inner")));
}

// With --ignore-missing in a layout: a tag whose manifest is not there takes nobody's place.
TEST(PlanRetention, CountsWhatIsThere) {
  Holdings holdings = holdings_of("a tags=1.0.0\nb tags=1.1.0\n");
  holdings.tags["1.2.0"] = digest("gone");
  EXPECT_EQ(outcome(plan_retention(policy_of("{ tags: '*', keep-last: 2, by: semver }"), holdings, now)),
            "1.0.0 1.1.0 1.2.0");
}

// semver.org 2.0, section 11, and the list of valid and invalid versions that it links to, in part.
TEST(SemanticVersion, HasThePrecedenceOfTheSpecification) {
  const std::vector<std::string> order = {"1.0.0-alpha",
                                          "1.0.0-alpha.1",
                                          "1.0.0-alpha.beta",
                                          "1.0.0-beta",
                                          "1.0.0-beta.2",
                                          "1.0.0-beta.11",
                                          "1.0.0-rc.1",
                                          "v1.0.0",
                                          "1.9.0",
                                          "v1.10.0",
                                          "99999999999999999999.0.0"};
  for (size_t i = 0; i < order.size(); ++i)
    for (size_t k = 0; k < order.size(); ++k) {
      const int got = compare(*parse_semantic_version(order[i]), *parse_semantic_version(order[k]));
      EXPECT_EQ(got < 0, i < k) << order[i] << " " << order[k];
      EXPECT_EQ(got > 0, i > k) << order[i] << " " << order[k];
    }
  EXPECT_EQ(compare(*parse_semantic_version("1.0.0+a"), *parse_semantic_version("v1.0.0+b")), 0);
  EXPECT_EQ(compare(*parse_semantic_version("1.0.0_a"), *parse_semantic_version("1.0.0+b")), 0);
  for (const char* good : {"0.0.4", "1.0.0-0A.is.legal", "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
                           "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "1.0.0-rc.1_build.5"})
    EXPECT_TRUE(parse_semantic_version(good)) << good;
  for (const char* bad : {"1",
                          "1.2",
                          "1.2.3-0123",
                          "1.2.3-0123.0123",
                          "1.1.2+.123",
                          "+invalid",
                          "-invalid",
                          "alpha",
                          "01.1.1",
                          "1.01.1",
                          "1.1.01",
                          "1.2.3.DEV",
                          "1.2-SNAPSHOT",
                          "1.2.31.2.3",
                          "1.0.0-",
                          "1.0.0-a..b",
                          "vv1.0.0",
                          "V1.0.0",
                          "v",
                          "",
                          "1.0.0+",
                          "1_2.3",
                          "1.0.0-beta_"})
    EXPECT_FALSE(parse_semantic_version(bad)) << bad;
}

}  // namespace
}  // namespace minibuild::trust
