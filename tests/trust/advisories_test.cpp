#include "minibuild/trust/advisories.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"

namespace minibuild::trust {
namespace {

using Kind = VersionEvent::Kind;

std::vector<Advisory> read(const std::string& text) {
  base::MemorySource source(text);
  std::vector<Advisory> list;
  read_advisory_document(source, "the input", [&](Advisory&& one) { list.push_back(std::move(one)); });
  return list;
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "";
}

TEST(Tracker, ReadsEveryStatus) {
  const std::vector<Advisory> list = read(R"({"openssl": {
    "CVE-2024-0001": {"description": "A  flaw\nin it", "scope": "remote", "debianbug": 12, "releases": {
      "bookworm": {"status": "resolved", "repositories": {"bookworm": "3.0.1-1"}, "fixed_version": "3.0.1-2", "urgency": "medium**"},
      "sid": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
      "trixie": {"status": "undetermined", "urgency": "not yet assigned"}}},
    "TEMP-0000001-ABCDEF": {"releases": {
      "bookworm": {"status": "open", "urgency": "end-of-life", "nodsa": "Minor", "nodsa_reason": "ignored"},
      "trixie": {"status": "open", "urgency": "low", "nodsa": "Minor", "nodsa_reason": ""}}}}, "zlib": {}})");
  ASSERT_EQ(list.size(), 5);
  EXPECT_EQ(list[0].ecosystem, "Debian:12");
  EXPECT_EQ(list[0].package, "openssl");
  EXPECT_EQ(list[0].title, "A flaw in it");
  EXPECT_EQ(list[0].cves, std::vector<std::string>{"CVE-2024-0001"});
  EXPECT_EQ(list[0].ranges, (std::vector<VersionRange>{{{Kind::introduced, "0"}, {Kind::fixed, "3.0.1-2"}}}));
  EXPECT_EQ(list[0].severity, Severity::medium);
  EXPECT_EQ(list[0].url, "https://security-tracker.debian.org/tracker/CVE-2024-0001");
  EXPECT_EQ(list[1].ecosystem, "Debian:sid");
  EXPECT_EQ(list[1].state, Advisory::State::not_affected);
  EXPECT_EQ(list[1].severity, Severity::negligible);
  EXPECT_EQ(list[2].state, Advisory::State::undetermined);
  EXPECT_EQ(list[3].note, "end-of-life");
  EXPECT_EQ(list[3].severity, Severity::unknown);
  EXPECT_TRUE(list[3].cves.empty());
  EXPECT_EQ(list[4].note, "no-dsa");
}

TEST(Tracker, RefusesWhatHasNotItsForm) {
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": []}}})")
                .find("'releases' of CVE-2024-0001 of a is array"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {}}, "CVE-2024-0002": {}}})")
                .find("has no 'releases'"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {"sid": 1}}}})").find("in sid is number"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {"sid": {"status": 1}}}}})").find("'status'"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {"sid": {"status": "resolved"}}}}})")
                .find("no 'fixed_version'"),
            std::string::npos);
  EXPECT_NE(
      error_of(
          R"({"a": {"CVE-2024-0001": {"releases": {"sid": {"status": "resolved", "fixed_version": "1\u0000"}}}}})")
          .find("control characters"),
      std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {}}, "CVE-2024-0002": []}})")
                .find("a has array where an object belongs"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {"CVE-2024-0001": {"releases": {}}}, "b": 1})")
                .find("it has number where an object belongs"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"a": {}} {"b": {}})").find("something follows"), std::string::npos);
}

TEST(Secdb, ReadsFixesAndWhatNeverWas) {
  const std::vector<Advisory> list =
      read(R"json({"apkurl": "x", "distroversion": "v3.20", "reponame": "main", "packages": [
    {"pkg": {"name": "busybox", "secfixes": {
      "1.36.1-r2": ["CVE-2023-1111 GHSA-aaaa-bbbb-1ccc", "CVE-2023-2222 (+ regression fix, see CVE-2000-1111)", null],
      "1.36.1-r0": ["CVE-2023-2222", "CVE N/A"],
      "0": ["CVE-2019-3333", "CVE-2023-1111"], "2.0-r0": null, "1.0-r0": ["XSA-248", "CVE-2020-0004 CVE-2020-0005"]}}},
    {"pkg": {"name": "none", "secfixes": {}}}]})json");
  ASSERT_EQ(list.size(), 6);
  const auto of = [&](const std::string& id) {
    for (const Advisory& one : list)
      if (one.id == id) return one;
    return Advisory{};
  };
  EXPECT_EQ(of("CVE-2023-1111").ecosystem, "Alpine:v3.20");
  EXPECT_EQ(of("CVE-2023-1111").aliases, std::vector<std::string>{"GHSA-aaaa-bbbb-1ccc"});
  // A version that fixed it speaks against "never affected".
  EXPECT_EQ(of("CVE-2023-1111").ranges.at(0).at(1).version, "1.36.1-r2");
  // The last one: the first fix was not enough.
  EXPECT_EQ(of("CVE-2023-2222").ranges.at(0).at(1).version, "1.36.1-r2");
  EXPECT_EQ(of("CVE-2019-3333").state, Advisory::State::not_affected);
  EXPECT_TRUE(of("CVE-2020-0004").aliases.empty());
  EXPECT_TRUE(of("XSA-248").cves.empty());
  EXPECT_EQ(of("CVE-2000-1111").id, "");
}

TEST(Secdb, RefusesWhatHasNotItsForm) {
  const auto document = [](const std::string& packages) {
    return error_of(R"({"distroversion": "v3.20", "packages": )" + packages + "}");
  };
  EXPECT_NE(document("[1]").find("no 'pkg'"), std::string::npos);
  EXPECT_NE(document("[{\"pkg\": []}]").find("'pkg' of an entry of 'packages' is array"), std::string::npos);
  EXPECT_NE(document("[{\"pkg\": {\"name\": 1}}]").find("'name'"), std::string::npos);
  EXPECT_NE(document("[{\"pkg\": {\"name\": \"a\", \"secfixes\": []}}]").find("'secfixes'"),
            std::string::npos);
  EXPECT_NE(document("[{\"pkg\": {\"name\": \"a\", \"secfixes\": {\"1\": {}}}}]").find("want an array"),
            std::string::npos);
  EXPECT_NE(document("[{\"pkg\": {\"name\": \"a\", \"secfixes\": {\"1\": [1]}}}]").find("want strings"),
            std::string::npos);
  EXPECT_NE(document("{}").find("neither"), std::string::npos);
}

constexpr const char* dsa = R"({"id": "DSA-5678-1", "modified": "2026-01-02T03:04:05Z", "aliases": [],
  "related": ["CVE-2024-2961"], "upstream": ["CVE-2024-0007"], "summary": "glibc - security update", "affected": [
  {"package": {"ecosystem": "Debian:12", "name": "glibc"}, "versions": ["2.36-9", "2.36-9+deb12u1", "9-weird"],
   "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.36-9+deb12u7"}]},
              {"type": "GIT", "events": [{"introduced": "0"}]}]},
  {"package": {"ecosystem": "npm", "name": "left-pad"}, "versions": ["1"]}, {"versions": ["2"]}]})";

TEST(Osv, ReadsARecord) {
  const std::vector<Advisory> list = read(dsa);
  ASSERT_EQ(list.size(), 1);
  EXPECT_EQ(list[0].cves, (std::vector<std::string>{"CVE-2024-0007", "CVE-2024-2961"}));
  EXPECT_EQ(list[0].aliases, std::vector<std::string>{"DSA-5678-1"});
  EXPECT_EQ(list[0].versions, std::vector<std::string>{"9-weird"});  // the ranges say the others
  ASSERT_EQ(list[0].ranges.size(), 1);
  EXPECT_EQ(list[0].title, "glibc - security update");
}

TEST(Osv, RelatedIsSomethingElseInOtherRecords) {
  const auto list =
      read(R"({"id": "DEBIAN-CVE-2024-5555", "modified": "2026-01-02T03:04:05Z", "related": ["CVE-2024-6666"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                 {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}],
    "affected": [{"package": {"ecosystem": "Debian:13", "name": "a"}, "ranges": [{"type": "ECOSYSTEM",
    "events": [{"introduced": "0"}]}], "ecosystem_specific": {"urgency": "not yet assigned"}},
    {"package": {"ecosystem": "Debian:12", "name": "a"}, "ranges": [{"type": "ECOSYSTEM",
    "events": [{"introduced": "0"}]}], "ecosystem_specific": {"urgency": "unimportant"}}]})");
  ASSERT_EQ(list.size(), 2);
  EXPECT_EQ(list[0].cves, std::vector<std::string>{"CVE-2024-5555"});
  EXPECT_EQ(list[0].severity, Severity::critical);
  EXPECT_EQ(list[0].score, 9.8);
  EXPECT_EQ(list[0].url, "https://security-tracker.debian.org/tracker/CVE-2024-5555");
  // The distribution's own word comes before the vector.
  EXPECT_EQ(list[1].severity, Severity::negligible);
}

TEST(Osv, ReadsListsLinesAndLeavesOutWhatWasWithdrawn) {
  const std::string one = dsa;
  std::string gone = one;
  gone.insert(1, R"("withdrawn": "2026-01-01T00:00:00Z", )");
  EXPECT_EQ(read("[" + one + "," + gone + ", " + one + "]").size(), 2);
  EXPECT_EQ(read(one + "\n" + gone + "\n\n" + one + "\n").size(), 2);
  EXPECT_EQ(read("[]").size(), 0);
  // An object may be its first member.
  std::string first = one;
  first.insert(1, R"("database_specific": {"a": {"b": 1}}, )");
  EXPECT_EQ(read(first).size(), 1);
}

TEST(Osv, RefusesWhatHasNotItsForm) {
  const auto record = [](const std::string& affected) {
    return error_of(R"({"id": "X-1", "modified": "2026-01-02T03:04:05Z", "affected": )" + affected + "}");
  };
  EXPECT_NE(record("{}").find("'affected' of X-1 is object"), std::string::npos);
  EXPECT_NE(record("[1]").find("want objects"), std::string::npos);
  EXPECT_NE(record(R"([{"package": 1}])").find("'package'"), std::string::npos);
  EXPECT_NE(record(R"([{"package": {"ecosystem": "Debian:12"}}])").find("no 'name'"), std::string::npos);
  EXPECT_NE(record(R"([{"package": {"ecosystem": "Debian:12", "name": "a"}, "versions": [1]}])")
                .find("want strings"),
            std::string::npos);
  EXPECT_NE(
      record(
          R"([{"package": {"ecosystem": "Debian:12", "name": "a"}, "ranges": [{"type": "ECOSYSTEM", "events": [1]}]}])")
          .find("'events'"),
      std::string::npos);
  EXPECT_NE(error_of(R"({"id": "X-1", "modified": 7})").find("'modified'"), std::string::npos);
}

TEST(Documents, HostileOnesAreErrors) {
  EXPECT_NE(error_of("").find("it is empty"), std::string::npos);
  EXPECT_NE(error_of("hello").find("it is not JSON"), std::string::npos);
  EXPECT_NE(error_of("{}").find("empty object"), std::string::npos);
  EXPECT_NE(error_of("[1]").find("where a record belongs"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": 1}").find("neither"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": {\"b\": 1}}").find("where a record belongs"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": {\"b\": {\"c\": 1}}}").find("neither"), std::string::npos);
  EXPECT_NE(error_of("[{\"a\": 1}]").find("neither"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": {\"b\": {\"releases\": {").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of(std::string("{\"a\"\0: 1}", 9)).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of(std::string(dsa) + std::string(1, '\0')).find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": \"\xff\"}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("{\"a\": " + std::string(100, '[')).find("nested more than 64"), std::string::npos);
  EXPECT_NE(error_of(std::string(1000000, '[')).find("where a record belongs"), std::string::npos);
  std::string deep = R"({"a": {"CVE-2024-0001": )";
  for (int i = 0; i < 100000; ++i) deep += "{\"x\": ";
  EXPECT_NE(error_of(deep).find("nested more than 64"), std::string::npos);
  EXPECT_NE(
      error_of("[{\"id\": \"" + std::string(size_t{20} << 20, 'x') + "\"}]").find("a record has more than"),
      std::string::npos);
  EXPECT_NE(error_of("[" + std::string(size_t{20} << 20, ' ') + "]").find("a record has more than"),
            std::string::npos);
}

TEST(Cvss, ScoresAsTheSpecificationsExamplesDo) {
  // FIRST, "CVSS v3.1 Examples".
  EXPECT_EQ(cvss3_base_score("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N"), 6.4);
  EXPECT_EQ(cvss3_base_score("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"), 3.1);
  EXPECT_EQ(cvss3_base_score("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H"), 9.9);
  EXPECT_EQ(cvss3_base_score("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N/E:F/RL:X"), 7.5);
  EXPECT_EQ(cvss3_base_score("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N"), 0.0);
  for (const char* wrong :
       {"", "CVSS:3.1/", "CVSS:2.0/AV:N", "AV:N/AC:L/Au:N/C:P/I:P/A:P",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:Q/C:H/I:H/A:H",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"})
    EXPECT_FALSE(cvss3_base_score(wrong)) << wrong;
  EXPECT_EQ(severity_of_score(3.9), Severity::low);
  EXPECT_EQ(severity_of_score(4.0), Severity::medium);
  EXPECT_EQ(severity_of_score(7.0), Severity::high);
  EXPECT_EQ(severity_of_score(9.0), Severity::critical);
}

TEST(Advisories, KeepsWhatItWasGiven) {
  std::vector<Advisory> list = read(dsa);
  list[0].note = "n";
  list[0].vector = "v";
  list[0].score = 1.5;
  const Advisories advisories(list, 5);
  EXPECT_EQ(advisories.find("Debian:12", "glibc"), list);
  EXPECT_TRUE(advisories.find("Debian:13", "glibc").empty());
  EXPECT_TRUE(advisories.find("Debian:12", "glibc'; DROP TABLE advisories; --").empty());
  EXPECT_EQ(advisories.feeds(), (std::vector<FeedFacts>{{Feed::osv, "Debian:12", 1, 5, "memory"}}));
}

}  // namespace
}  // namespace minibuild::trust
