#include "minibuild/trust/scan.h"

#include <gtest/gtest.h>

#include "builder/trust/debian_lines.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {
namespace {

using Kind = VersionEvent::Kind;
constexpr auto deb = packages::Format::deb;
constexpr auto apk = packages::Format::apk;

const OperatingSystem bookworm{"debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)"};

InstalledPackage package(const std::string& name, const std::string& version, const std::string& source = "",
                         const std::string& source_version = "") {
  return {deb,
          name,
          version,
          "amd64",
          source.empty() ? name : source,
          source_version.empty() ? version : source_version};
}

Advisory advisory(Feed feed, const std::string& id, const std::string& name, const std::string& fixed) {
  Advisory one;
  one.feed = feed;
  one.ecosystem = "Debian:12";
  one.package = name;
  one.id = id;
  one.cves = {id};
  one.ranges = {{{Kind::introduced, "0"}}};
  if (!fixed.empty()) one.ranges[0].push_back({Kind::fixed, fixed});
  return one;
}

std::vector<std::string> ids(const std::vector<Vulnerability>& found) {
  std::vector<std::string> list;
  for (const Vulnerability& one : found)
    list.push_back(one.id + " " + one.package.name + " " + one.fixed_version);
  return list;
}

TEST(Scan, MatchesSourcePackages) {
  const Inventory inventory{
      bookworm, {package("libc6", "2.36-9+b1", "glibc", "2.36-9"), package("zlib1g", "1:1.2-1", "zlib")}};
  const Advisories advisories({advisory(Feed::debian_tracker, "CVE-2024-0001", "glibc", "2.36-9"),
                               advisory(Feed::debian_tracker, "CVE-2024-0002", "glibc", "2.36-9+deb12u1"),
                               advisory(Feed::debian_tracker, "CVE-2024-0003", "libc6", ""),
                               advisory(Feed::debian_tracker, "CVE-2024-0004", "zlib", "1.3-1"),
                               advisory(Feed::debian_tracker, "CVE-2024-0005", "zlib", "")});
  EXPECT_EQ(ids(scan(inventory, advisories)),
            (std::vector<std::string>{"CVE-2024-0002 libc6 2.36-9+deb12u1", "CVE-2024-0005 zlib1g "}));
}

TEST(Scan, TheDistributionsOwnDatabaseDecides) {
  const Inventory inventory{bookworm, {package("a", "2-1")}};
  Advisory never = advisory(Feed::debian_tracker, "CVE-2024-0001", "a", "");
  never.state = Advisory::State::not_affected;
  never.ranges.clear();
  Advisory open = advisory(Feed::debian_tracker, "CVE-2024-0002", "a", "");
  open.note = "postponed";
  Advisory unseen = advisory(Feed::debian_tracker, "CVE-2024-0005", "a", "");
  unseen.state = Advisory::State::undetermined;
  Advisory rated = advisory(Feed::osv, "DSA-1-1", "a", "3-1");
  rated.cves = {"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003"};
  rated.aliases = {"DSA-1-1"};
  rated.severity = Severity::high;
  rated.score = 8.1;
  rated.title = "from OSV";
  const Advisories advisories({never, open, unseen, rated, advisory(Feed::osv, "CVE-2024-0005", "a", "")});
  const std::vector<Vulnerability> found = scan(inventory, advisories);
  EXPECT_EQ(ids(found), (std::vector<std::string>{"CVE-2024-0002 a ", "CVE-2024-0003 a 3-1"}));
  EXPECT_EQ(found[0].status, "postponed");
  EXPECT_EQ(found[0].severity, Severity::high);
  EXPECT_EQ(found[0].title, "from OSV");
  EXPECT_EQ(found[0].aliases, std::vector<std::string>{"DSA-1-1"});
  EXPECT_EQ(found[0].feeds, std::vector<Feed>{Feed::debian_tracker});
  EXPECT_EQ(found[1].status, "fix-available");
  EXPECT_EQ(undetermined(inventory, advisories), std::vector<std::string>{"CVE-2024-0005"});
  EXPECT_EQ(worst(found), Severity::high);
  EXPECT_EQ(at_least(found, Severity::critical).size(), 0);
  EXPECT_EQ(at_least(found, Severity::unknown).size(), 2);
}

TEST(Scan, ARecordInTwoOfOsvCountsOnce) {
  const Inventory inventory{bookworm, {package("a", "2-1")}};
  Advisory own = advisory(Feed::osv, "DEBIAN-CVE-2024-0001", "a", "");
  own.cves = {"CVE-2024-0001"};
  Advisory announced = advisory(Feed::osv, "DSA-1-1", "a", "2-2");
  announced.cves = {"CVE-2024-0001"};
  EXPECT_EQ(ids(scan(inventory, Advisories({own, announced}))),
            std::vector<std::string>{"CVE-2024-0001 a 2-2"});
}

TEST(Scan, EvaluatesRangesInAnyOrder) {
  Advisory one = advisory(Feed::osv, "CVE-2024-0001", "a", "");
  one.ranges = {{{Kind::fixed, "2.0"},
                 {Kind::introduced, "3.0"},
                 {Kind::introduced, "0"},
                 {Kind::last_affected, "4.0"}}};
  one.versions = {"9.0"};
  const auto affected = [&](const char* version) { return is_affected(one, version, deb); };
  EXPECT_TRUE(affected("~"));
  EXPECT_TRUE(affected("1.9"));
  EXPECT_FALSE(affected("2.0"));
  EXPECT_FALSE(affected("3.0~rc1"));
  EXPECT_TRUE(affected("3.0"));
  EXPECT_TRUE(affected("4.0"));
  EXPECT_FALSE(affected("4.0-1"));
  EXPECT_TRUE(affected("9.0"));
  one.ranges = {{{Kind::introduced, "0"}, {Kind::limit, "2.0"}}};
  EXPECT_TRUE(affected("1.0"));
  EXPECT_FALSE(affected("2.0"));
  one.ranges = {{{Kind::introduced, "1.2_rc1-r0"}, {Kind::fixed, "1.2_p1-r0"}}};
  EXPECT_FALSE(is_affected(one, "1.2_alpha3-r0", apk));
  EXPECT_TRUE(is_affected(one, "1.2-r9", apk));
}

TEST(Scan, SaysThatNothingCanBeSaid) {
  const Advisories advisories({advisory(Feed::debian_tracker, "CVE-2024-0001", "a", "")});
  const auto why = [&](const OperatingSystem& os, std::vector<InstalledPackage> list) {
    const Inventory inventory{os, std::move(list)};
    const std::string text = nothing_to_say(inventory, advisories);
    if (!text.empty()) {
      EXPECT_THROW(scan(inventory, advisories), base::Error);
    }
    return text;
  };
  EXPECT_EQ(why(bookworm, {package("b", "1")}), "");
  EXPECT_NE(why({}, {package("a", "1")}).find("no etc/os-release"), std::string::npos);
  EXPECT_NE(why({"gentoo", "1", "", "Gentoo"}, {package("a", "1")})
                .find("no advisories are known for its system, Gentoo"),
            std::string::npos);
  EXPECT_NE(why({"debian", "", "", "Debian"}, {package("a", "1")}).find("no advisories are known"),
            std::string::npos);
  EXPECT_NE(why(bookworm, {}).find("no list of packages"), std::string::npos);
  EXPECT_NE(why({"debian", "11", "bullseye", "D"}, {package("a", "1")})
                .find("nothing about Debian:11; they are about Debian:12"),
            std::string::npos);
  EXPECT_NE(why({"alpine", "3.20.3", "", "A"}, {package("a", "1")}).find("no list of packages"),
            std::string::npos);
}

TEST(Scan, NamesEcosystems) {
  using List = std::vector<std::string>;
  EXPECT_EQ(ecosystems_of(bookworm), (List{"Debian:12", "Debian"}));
  EXPECT_EQ(ecosystems_of({"debian", "", "forky", ""}), (List{"Debian:14", "Debian"}));
  EXPECT_EQ(ecosystems_of({"debian", "", "", "Debian GNU/Linux trixie/sid"}), (List{"Debian:13", "Debian"}));
  EXPECT_EQ(ecosystems_of({"alpine", "3.20.3", "", ""}), List{"Alpine:v3.20"});
  EXPECT_EQ(ecosystems_of({"alpine", "3.22_alpha20250108", "", ""}), List{"Alpine:edge"});
  EXPECT_EQ(ecosystems_of({"alpine", "3", "", ""}), List{});
  EXPECT_EQ(ecosystems_of({"ubuntu", "24.04", "", ""}), (List{"Ubuntu:24.04", "Ubuntu:24.04:LTS"}));
}

TEST(Scan, DoubtsWhatIsOld) {
  const int64_t now = *base::parse_time("2026-11-25T00:00:00Z");
  const int64_t day = 86400;
  Advisory old = advisory(Feed::debian_tracker, "CVE-2024-0001", "a", "");
  old.ecosystem = "Debian:10";
  const Advisories advisories({old}, now - 8 * day, "tracker.json");
  Inventory inventory{{"debian", "10", "buster", "Debian 10"}, {package("a", "1")}};
  inventory.packages.push_back({apk, "musl", "1", "x86_64", "musl", "1"});
  const std::vector<std::string> list = doubts(inventory, advisories, now, 7 * day);
  ASSERT_EQ(list.size(), 3);
  EXPECT_NE(list[0].find("no security updates since 2024-06-30"), std::string::npos);
  EXPECT_NE(list[1].find("tracker.json are of 2026-11-17, 8 days old"), std::string::npos);
  EXPECT_NE(list[2].find("1 packages are of another format"), std::string::npos);
  EXPECT_EQ(doubts(inventory, advisories, now, 9 * day).size(), 2);
  EXPECT_FALSE(end_of_life({"debian", "", "forky", ""}));
  EXPECT_EQ(end_of_life({"alpine", "3.20.1", "", ""}), base::parse_time("2026-04-01T23:59:59Z"));
  EXPECT_TRUE(doubts({bookworm, {package("a", "1")}}, advisories, now, 7 * day).empty());
}

std::vector<VexStatement> vex(const std::string& statements) {
  return parse_vex(
      R"({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "a", "timestamp": "2026-01-01T00:00:00Z",
    "version": 1, "statements": [)" +
          statements + "]}",
      "vex.json");
}

std::string error_of(const std::string& text) {
  try {
    parse_vex(text, "vex.json");
  } catch (const base::Error& error) {
    return error.what();
  }
  return "";
}

TEST(Vex, RefusesWhatIsNone) {
  EXPECT_NE(error_of("[]").find("want an object"), std::string::npos);
  EXPECT_NE(error_of("{}").find("no OpenVEX document"), std::string::npos);
  const auto one = [](const std::string& statement) {
    return error_of(R"({"@context": "https://openvex.dev/ns", "statements": [)" + statement + "]}");
  };
  EXPECT_NE(one("1").find("statement 1 is number"), std::string::npos);
  EXPECT_NE(one("{}").find("no 'vulnerability'"), std::string::npos);
  EXPECT_NE(one(R"({"vulnerability": {}})").find("names no vulnerability"), std::string::npos);
  EXPECT_NE(one(R"({"vulnerability": "CVE-1", "status": "maybe"})").find("status 'maybe'"),
            std::string::npos);
  EXPECT_NE(one(R"({"vulnerability": "CVE-1", "status": "fixed", "timestamp": "now"})").find("RFC 3339"),
            std::string::npos);
  EXPECT_NE(one(R"({"vulnerability": "CVE-1", "status": "fixed", "products": {}})").find("'products'"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(200, '[')).find("nested"), std::string::npos);
}

const std::string image_digest = "sha256:" + std::string(64, 'a');

// How many of two vulnerabilities (of libc6 and of zlib1g) are suppressed.
size_t suppressed(const std::string& statements) {
  const Inventory inventory{bookworm,
                            {package("libc6", "2.36-9", "glibc"), package("zlib1g", "1:1.2-1", "zlib")}};
  Advisory glibc = advisory(Feed::debian_tracker, "CVE-2024-0001", "glibc", "");
  glibc.aliases = {"DSA-1-1"};
  std::vector<Vulnerability> found =
      scan(inventory, Advisories({glibc, advisory(Feed::debian_tracker, "CVE-2024-0001", "zlib", "")}));
  const ImageNames image{{image_digest}, {"registry.example.com/team/app:1.0"}, "amd64"};
  const size_t n = suppress(found, vex(statements), image, bookworm).size();
  EXPECT_EQ(found.size() + n, 2);
  return n;
}

std::string statement(const std::string& product, const std::string& status = "not_affected",
                      const std::string& more = "", const std::string& id = "CVE-2024-0001") {
  return R"({"vulnerability": {"name": ")" + id + R"("}, "products": [)" + product + R"(], "status": ")" +
         status + "\"" + more + "}";
}

std::string id(const std::string& name, const std::string& more = "") {
  return R"({"@id": ")" + name + "\"" + more + "}";
}

TEST(Vex, OnlyTwoStatusesSuppress) {
  const std::string libc = id("pkg:deb/debian/libc6");
  EXPECT_EQ(suppressed(statement(libc, "not_affected")), 1);
  EXPECT_EQ(suppressed(statement(libc, "fixed")), 1);
  EXPECT_EQ(suppressed(statement(libc, "affected")), 0);
  EXPECT_EQ(suppressed(statement(libc, "under_investigation")), 0);
}

TEST(Vex, MatchesProducts) {
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12"))), 1);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/libc6@2.36-8"))), 0);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/libc6?arch=arm64"))), 0);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/ubuntu/libc6"))), 0);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/zlib1g@1%3A1.2-1"))), 1);
  EXPECT_EQ(suppressed(statement(id("x", R"(, "identifiers": {"purl": "pkg:deb/debian/libc6"})"))), 1);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/libc6"), "fixed", "", "DSA-1-1")), 1);
  EXPECT_EQ(suppressed(statement(id("pkg:deb/debian/libc6"), "fixed", "", "CVE-2024-00011")), 0);
  EXPECT_EQ(
      suppressed(
          R"({"vulnerability": "CVE-2024-0001", "products": ["pkg:deb/debian/libc6"], "status": "fixed"})"),
      1);
  EXPECT_EQ(suppressed(R"({"vulnerability": {"name": "X", "aliases": ["CVE-2024-0001"]}, "products": [)" +
                       id("pkg:deb/debian/libc6") + R"(], "status": "fixed"})"),
            1);
  EXPECT_EQ(suppressed(R"({"vulnerability": "CVE-2024-0001", "status": "fixed"})"), 0);
}

TEST(Vex, MatchesImages) {
  const std::string escaped = "sha256%3A" + std::string(64, 'a');
  const std::string other = "sha256:" + std::string(64, 'b');
  const std::string parts = R"(, "subcomponents": [{"@id": "pkg:deb/debian/libc6"}])";
  const std::vector<std::string> these = {
      image_digest,
      "registry.example.com/team/app:1.0",
      "registry.example.com/team/app",
      "registry.example.com/team/app@" + image_digest,
      "pkg:oci/app@" + escaped,
      "pkg:oci/app@" + escaped + "?repository_url=elsewhere.example.com/app",
      "pkg:oci/app?repository_url=registry.example.com/team/app",
      "pkg:oci/app?repository_url=registry.example.com/team&tag=1.0&arch=amd64",
      "pkg:oci/app"};
  for (const std::string& name : these) {
    EXPECT_EQ(suppressed(statement(id(name))), 2) << name;
    EXPECT_EQ(suppressed(statement(id(name, parts))), 1) << name;
  }
  EXPECT_EQ(suppressed(statement(id("x", R"(, "hashes": {"sha-256": ")" + std::string(64, 'a') + "\"}"))), 2);
  const std::vector<std::string> others = {other,
                                           "registry.example.com/team/app:1.1",
                                           "registry.example.com/team",
                                           "registry.example.com/team/app@" + other,
                                           "pkg:oci/app@" + other,
                                           "pkg:oci/other",
                                           "pkg:oci/app?repository_url=elsewhere.example.com/app",
                                           "pkg:oci/app?tag=2",
                                           "pkg:oci/app@" + escaped + "?arch=arm64",
                                           "app",
                                           ""};
  for (const std::string& name : others) EXPECT_EQ(suppressed(statement(id(name))), 0) << name;
}

TEST(Vex, TheLatestStatementCounts) {
  const std::string libc = id("pkg:deb/debian/libc6");
  const auto at = [](const char* time) { return fmt::format(R"(, "timestamp": "{}")", time); };
  EXPECT_EQ(suppressed(statement(libc) + "," + statement(libc, "affected", at("2026-02-01T00:00:00Z"))), 0);
  EXPECT_EQ(suppressed(statement(libc, "affected", at("2026-02-01T00:00:00Z")) + "," + statement(libc)), 0);
  EXPECT_EQ(suppressed(statement(libc, "affected", at("2025-02-01T00:00:00Z")) + "," + statement(libc)), 1);
  EXPECT_EQ(suppressed(statement(libc, "affected") + "," + statement(libc)), 1);
  EXPECT_EQ(suppressed(statement(libc) + "," + statement(libc, "affected")), 0);
}

TEST(Report, IsPlainTextWhateverTheAdvisoriesSay) {
  ScanReport report;
  report.inventory = {bookworm, {package("a", "1")}};
  Advisory one = advisory(Feed::debian_tracker, "CVE-2024-0001", "a", "");
  one.title = "bad \x1b[31m title";
  report.found = scan(report.inventory, Advisories({one}));
  EXPECT_EQ(to_table(report, false).find('\x1b'), std::string::npos);
  EXPECT_NE(to_table(report, true).find("\x1b["), std::string::npos);
  EXPECT_NE(to_table(report, false)
                .find("1 vulnerability in 1 package of Debian GNU/Linux 12 (bookworm): 1 unknown"),
            std::string::npos);
  const oci::Json json = oci::parse_json(to_json(report), "the report");
  EXPECT_EQ(json["vulnerabilities"][0]["package"]["purl"], "pkg:deb/debian/a@1?arch=amd64&distro=debian-12");
  EXPECT_EQ(json["vulnerabilities"][0]["fixedVersion"], nullptr);
  const oci::Json sarif = oci::parse_json(to_sarif(report), "the report");
  EXPECT_EQ(sarif["runs"][0]["results"][0]["level"], "note");
}

TEST(DebianLine, IsTheReleaseThatAVersionIsOf) {
  const std::vector<std::string> releases = debian_releases_from("Debian:12");
  EXPECT_EQ(releases,
            (std::vector<std::string>{"Debian:12", "Debian:13", "Debian:14", "Debian:15", "Debian:sid"}));
  EXPECT_EQ(debian_releases_from("Debian:sid"), std::vector<std::string>{"Debian:sid"});
  EXPECT_EQ(without_backport("6.12.90-2~bpo12+1"), "6.12.90-2");
  EXPECT_EQ(without_backport("1.0~bpo-1"), "1.0~bpo-1");
  const std::map<std::string, std::string> linux = {
      {"Debian:12", "6.1.170-1"}, {"Debian:13", "6.12.90-2"}, {"Debian:sid", "7.0.7-1"}};
  const struct {
    const char* version;
    const char* line;
  } table[] = {
      {"6.1.170-1", "12"},     {"6.1.90-1", "12"},          {"6.1.175-1", "12"},  // newer than the data
      {"6.12.80-1", "13"},     {"6.12.80-1~bpo12+1", "13"}, {"6.12.95-1~bpo12+1", "13"},
      {"6.12.99-1", "13"},     {"7.0.5-1", "sid"},          {"7.0.7-1~bpo13+1", "sid"},
      {"7.1~rc1-1", "sid"},    {"6.18.3-1", "sid"},         {"6.18.3-1~bpo12+1", "sid"},
      {"9.9-1+deb12u3", "12"}, {"1.1-1+deb13u1", "13"},     {"1.1-1~deb13u1~bpo12+1", "13"},
      {"1.1-1+deb11u1", "12"},
  };
  for (const auto& one : table)
    EXPECT_EQ(debian_line(one.version, releases, linux), std::string("Debian:") + one.line) << one.version;
  EXPECT_EQ(debian_line("1.0-1", releases, {}), "Debian:12");
  EXPECT_EQ(debian_line("1.0-1~bpo12+1", releases, {}), "Debian:13");
}

}  // namespace
}  // namespace minibuild::trust
