#include "minibuild/packages/solve.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/selection.h"

namespace minibuild::packages {
namespace {

// The indexes of a test: `name version Field: value; …`, a package a line, become what the format has.
class Repositories {
 public:
  explicit Repositories(Format format) {
    problem_.format = format;
    problem_.architecture = is_apk() ? "x86_64" : "amd64";
  }
  Repositories& index(const std::string& packages) {
    const std::string number = std::to_string(problem_.indexes.size());
    std::string path = testing::TempDir() + "/solve-test-XXXXXX";
    const int fd = ::mkstemp(path.data());
    if (fd < 0) std::abort();
    ::close(fd);
    std::ofstream(path) << text_of(packages);
    paths_.push_back(path);
    problem_.indexes.push_back({"source" + number, "http://" + number, path, "", {}});
    return *this;
  }
  // The place of the last index among all.
  Repositories& rank(int rank) {
    problem_.indexes.back().rank = rank;
    return *this;
  }
  Repositories& base(const std::string& packages) {
    for_each_paragraph(text_of(packages), [&](std::string_view paragraph, size_t) {
      problem_.installed.push_back(is_apk() ? apk_facts(paragraph) : deb_facts(paragraph));
    });
    return *this;
  }
  ~Repositories() {
    for (const std::string& path : paths_) std::remove(path.c_str());
  }
  Repositories(const Repositories&) = delete;
  Repositories& operator=(const Repositories&) = delete;
  Repositories(Repositories&&) = delete;
  Repositories& operator=(Repositories&&) = delete;

  Problem& problem() { return problem_; }
  Solution solution(const std::string& requests) {
    problem_.requests.clear();
    for (const std::string& word : base::split(requests, ' ')) {
      if (word.empty()) continue;
      const bool omitted = word.starts_with('-');
      const size_t at = word.find('@');  // NAME@SOURCE
      const Relation one = apk_relation(word.substr(omitted ? 1 : 0, at - (omitted ? 1 : 0)));
      problem_.requests.push_back({one.name, one.op, one.version, one.absent, omitted, word,
                                   at == std::string::npos ? "" : word.substr(at + 1)});
    }
    Solution got = solve(problem_);
    if (!got.failure) expect_whole(got);
    return got;
  }
  // Without a solver's eyes: nothing is missing, and nothing is too much.
  void expect_whole(const Solution& got) {
    std::vector<const Facts*> chosen;
    for (const Selected& one : got.packages) chosen.push_back(&one.facts);
    const Selection found = examine_selection(chosen, problem_.installed, problem_.requests, problem_.format);
    for (const Gap& gap : found.missing) ADD_FAILURE() << gap.package << " lacks " << gap.needs;
    for (const std::string& name : found.unneeded) ADD_FAILURE() << name << " is not needed";
  }
  // `name version` of each, or what clashes.
  std::string operator()(const std::string& requests) {
    const Solution got = solution(requests);
    if (got.failure) return std::to_string(got.failure->request) + ": " + got.failure->message;
    std::vector<std::string> names;
    for (const Selected& one : got.packages) names.push_back(one.facts.name + " " + one.facts.version);
    return base::join(names, ", ");
  }

 private:
  bool is_apk() const { return problem_.format == Format::apk; }
  std::string text_of(const std::string& packages) const {
    std::string out;
    for (const std::string& raw : base::split(packages, '\n')) {
      const std::string line(base::trim(raw));
      if (line.empty()) continue;
      const std::vector<std::string> words = base::split(line, ' ');
      const std::string rest =
          words.size() > 2 ? line.substr(words[0].size() + words[1].size() + 2) : std::string();
      std::string fields;
      for (const std::string& field : base::split(rest, ';'))
        if (!base::trim(field).empty()) fields += std::string(base::trim(field)) + "\n";
      if (is_apk()) {
        out += "P:" + words[0] + "\nV:" + words[1] + "\n" +
               (fields.starts_with("A:") || fields.find("\nA:") != std::string::npos ? "" : "A:x86_64\n");
      } else {
        out += "Package: " + words[0] + "\nVersion: " + words[1] + "\nFilename: pool/" + words[0] + ".deb\n" +
               (fields.find("Architecture: ") == std::string::npos ? "Architecture: amd64\n" : "");
      }
      out += fields + "\n";
    }
    return out;
  }

  Problem problem_;
  std::vector<std::string> paths_;
};

// Each line `requests => result`.
void expect_all(Repositories& ask, const std::vector<std::pair<std::string, std::string>>& table) {
  for (const auto& [requests, want] : table) EXPECT_EQ(ask(requests), want) << requests;
}

TEST(Selection, GapsAndMore) {
  const auto facts = [](const std::string& text) { return deb_facts(text + "\n"); };
  const std::vector<Facts> all = {
      facts("Package: app\nDepends: mta | sendmail, libx (>= 2)"), facts("Package: postfix\nProvides: mta"),
      facts("Package: libx"), facts("Package: more\nDepends: most"), facts("Package: most\nDepends: more")};
  const struct {
    std::vector<size_t> chosen, present;
    std::string want;
  } cases[] = {
      {{0, 1, 2}, {}, ""},
      {{0, 1}, {}, "app:libx (>= 2) "},
      {{0, 1}, {2}, ""},
      {{0, 2}, {}, "app:mta | sendmail "},
      {{1, 2}, {}, ":app libx postfix "},
      {{0, 1, 2, 3, 4}, {}, "more most "},
      {{}, {}, ":app "},
      {{1, 2}, {0}, ""},
  };
  for (const auto& one : cases) {
    std::vector<const Facts*> chosen;
    std::vector<Facts> present;
    for (const size_t i : one.chosen) chosen.push_back(&all[i]);
    for (const size_t i : one.present) present.push_back(all[i]);
    const Selection found =
        examine_selection(chosen, present, {{"app", "", "", false, false, "app"}}, Format::deb);
    std::string got;
    for (const Gap& gap : found.missing) got += gap.package + ":" + gap.needs + " ";
    for (const std::string& name : found.unneeded) got += name + " ";
    EXPECT_EQ(got, one.want);
  }
}

// What the first source has is not taken from the second, in whatever way the second offers it.
TEST(SolveDeb, SourcesInOrder) {
  Repositories ask(Format::deb);
  ask.index(R"(
    app 1 Depends: openssl
    openssl 3.1 Depends: libssl (= 3.1)
    libssl 3.1
    cron-daemon 1 Provides: cron
    needs-cron 1 Depends: cron
    needs-either 1 Depends: vendor-only | libssl
    needs-new 1 Depends: openssl (>= 9)
    base 1 Essential: yes
  )");
  ask.index(R"(
    openssl 9.9 Depends: libssl (= 9.9)
    libssl 9.9
    cron 5
    vendor-only 1
    vendor-tool 1 Depends: openssl
    vendor-new 1 Depends: openssl (>= 9)
    evil 1 Provides: openssl (= 99)
    hook 1 Essential: yes
  )")
      .rank(1);
  expect_all(ask,
             {{"app", "app 1, libssl 3.1, openssl 3.1"},
              {"openssl", "libssl 3.1, openssl 3.1"},
              {"vendor-tool", "libssl 3.1, openssl 3.1, vendor-tool 1"},
              {"vendor-tool app", "app 1, libssl 3.1, openssl 3.1, vendor-tool 1"},
              {"needs-cron", "cron-daemon 1, needs-cron 1"},
              {"needs-either", "libssl 3.1, needs-either 1"},
              {"vendor-only", "vendor-only 1"},
              {"app openssl@source1 libssl@source1", "app 1, libssl 9.9, openssl 9.9"},
              {"libssl@source0", "libssl 3.1"},
              {"openssl>=9",
               "0: these packages cannot be there together:\n    the spec asks for 'openssl>=9'; "
               "source1 has 9.9, but another source comes first for it; to take it from there: { name: "
               "openssl, source: source1 }"},
              {"app vendor-only@source0",
               "1: the source 'source0' has no package 'vendor-only' for amd64; those that have it: source1"},
              {"app@source1",
               "0: the source 'source1' has no package 'app' for amd64; those that have it: source0"}});
  EXPECT_NE(ask("openssl@source1").find("libssl"), std::string::npos);  // it needs the other's libssl as well
  const Solution told = ask.solution("app");
  ASSERT_EQ(told.passed_over.size(), 2U);
  EXPECT_EQ(told.passed_over[1].name, "openssl");
  EXPECT_EQ(told.passed_over[1].version, "9.9");
  EXPECT_EQ(told.passed_over[1].source, "source1");
  EXPECT_EQ(told.passed_over[1].taken_version, "3.1");
  EXPECT_EQ(told.passed_over[1].taken_source, "source0");
  ask.problem().essential = true;
  EXPECT_EQ(ask("libssl"), "base 1, libssl 3.1");
}

// Sources of one rank are one: a suite and its updates, an archive and its security.
TEST(SolveDeb, SourcesOfOneRank) {
  Repositories ask(Format::deb);
  ask.index("libssl 3.1\n tool 1").rank(1);
  ask.index("libssl 3.2").rank(1);
  ask.index("libssl 9\n tool 2\n other 9").rank(2);
  ask.index("tool 0").rank(0);
  expect_all(ask, {{"libssl tool other", "libssl 3.2, other 9, tool 0"}});
}

TEST(SolveApk, SourcesInOrder) {
  Repositories ask(Format::apk);
  ask.index(R"(
    app 1-r0 D:so:libssl.so.3
    libssl 3.1-r0 p:so:libssl.so.3=3.1
    zlib 1-r0
    zlib-doc 1-r0 i:zlib docs
    docs 1-r0
  )");
  ask.index(R"(
    libssl-vendor 9-r0 p:so:libssl.so.3=9; k:1000
    hook 1-r0 i:app
    zlib 2-r0
    vt 1-r0 D:zlib
    vt-hook 1-r0 i:vt zlib
  )")
      .rank(1);
  expect_all(ask, {{"app", "app 1-r0, libssl 3.1-r0"},
                   {"vt", "vt 1-r0, vt-hook 1-r0, zlib 1-r0"},
                   {"zlib docs", "docs 1-r0, zlib 1-r0, zlib-doc 1-r0"},
                   {"libssl-vendor", "libssl-vendor 9-r0"},
                   {"zlib@source1", "zlib 2-r0"}});
}

TEST(SolveDeb, Dependencies) {
  Repositories ask(Format::deb);
  ask.index(R"(
    app 1 Depends: lib (>= 2), tool
    lib 1
    lib 2.1 Depends: base
    tool 3 Architecture: all; Pre-Depends: base
    base 1
    foreign 1 Architecture: arm64
    unasked 1
    with-more 1 Recommends: unasked; Suggests: unasked
    loop-a 1 Depends: loop-b
    loop-b 1 Depends: loop-a
    self 1 Depends: self
  )");
  expect_all(ask, {{"", ""},
                   {"base", "base 1"},
                   {"app", "app 1, base 1, lib 2.1, tool 3"},
                   {"app base base", "app 1, base 1, lib 2.1, tool 3"},
                   {"with-more", "with-more 1"},
                   {"loop-a", "loop-a 1, loop-b 1"},
                   {"self", "self 1"},
                   {"lib", "base 1, lib 2.1"}});
  EXPECT_EQ(ask("foreign"), "0: no source has a package 'foreign' for amd64");
  EXPECT_EQ(ask("base toll"), "1: no source has a package 'toll' for amd64; did you mean 'tool'?");
}

TEST(SolveDeb, Versions) {
  Repositories ask(Format::deb);
  ask.index(R"(
    a 1.0~rc1-1
    a 1.0-1
    a 1:0.5-1
    b 9
    b 10
    eq 1 Depends: a (= 1.0-1)
    lt 1 Depends: a (<< 1.0-1)
    le 1 Depends: a (<= 1.0-1)
    gt 1 Depends: b (>> 9)
    ge 1 Depends: b (>= 10)
    old 1 Depends: b (< 9)
  )");
  expect_all(ask, {{"a", "a 1:0.5-1"},
                   {"a=1.0-1", "a 1.0-1"},
                   {"a<1.0-1", "a 1.0~rc1-1"},
                   {"a<=1.0-1", "a 1.0-1"},
                   {"a>1.0-1", "a 1:0.5-1"},
                   {"a>=1:0", "a 1:0.5-1"},
                   {"b", "b 10"},
                   {"eq", "a 1.0-1, eq 1"},
                   {"lt", "a 1.0~rc1-1, lt 1"},
                   {"le", "a 1.0-1, le 1"},
                   {"gt", "b 10, gt 1"},
                   {"ge", "b 10, ge 1"},
                   {"old", "b 9, old 1"}});
  EXPECT_EQ(ask("b=11"), "0: no source has 'b=11'; it is there as 9, 10");
}

TEST(SolveDeb, AlternativesAndVirtualPackages) {
  Repositories ask(Format::deb);
  ask.index(R"(
    first 1 Depends: gone | second | third
    second 1
    third 1
    mail 1 Depends: mta
    mail-real 1 Depends: exim | mta
    exim 1 Provides: mta; Priority: optional
    postfix 1 Provides: mta; Priority: standard
    awk-user 1 Depends: awk
    awk 1
    mawk 2 Provides: awk
    versioned 1 Depends: virtual (>= 2)
    old-provider 1 Provides: virtual (= 1)
    new-provider 1 Provides: virtual (= 2)
    no-version 1 Provides: virtual
    blocked 1 Depends: x | y; Conflicts: x
    x 1
    y 1
    any 1 Depends: second:any
    own 1 Depends: second:amd64
    native 1 Depends: second:native
    other 1 Depends: second:i386
  )");
  expect_all(ask, {{"first", "first 1, second 1"},
                   {"first third", "first 1, third 1"},
                   {"mail", "mail 1, postfix 1"},
                   {"mail exim", "exim 1, mail 1"},
                   {"mail-real", "exim 1, mail-real 1"},
                   {"mta", "postfix 1"},
                   {"awk-user", "awk 1, awk-user 1"},
                   {"versioned", "new-provider 1, versioned 1"},
                   {"blocked", "blocked 1, y 1"},
                   {"any", "any 1, second 1"},
                   {"own", "own 1, second 1"},
                   {"native", "native 1, second 1"}});
  EXPECT_EQ(ask("other"),
            "0: these packages cannot be there together:\n    the spec asks for 'other'\n    other 1 needs "
            "second:i386, which no source has");
}

TEST(SolveDeb, ConflictsAndBreaks) {
  Repositories ask(Format::deb);
  ask.index(R"(
    a 1 Conflicts: b
    b 1
    c 1 Breaks: d (<< 2)
    d 1
    d 3
    e 1 Depends: d (<< 2)
    mta-a 1 Provides: mta; Conflicts: mta
    mta-b 1 Provides: mta; Conflicts: mta
    self 1 Conflicts: self; Provides: self
  )");
  expect_all(ask, {{"c d", "c 1, d 3"}, {"mta-a", "mta-a 1"}, {"self", "self 1"}, {"a", "a 1"}});
  EXPECT_EQ(
      ask("b a"),
      "0: these packages cannot be there together:\n    a 1 conflicts with b 1 (b)\n    the spec asks for "
      "'a'\n    the spec asks for 'b'");
  const std::string clash = ask("d c e");
  EXPECT_TRUE(clash.starts_with("1: these packages cannot be there together:")) << clash;
  for (const char* line : {"c 1 conflicts with d 1 (d < 2)", "e 1 needs d < 2", "the spec asks for 'c'",
                           "the spec asks for 'e'"})
    EXPECT_NE(clash.find("\n    " + std::string(line)), std::string::npos) << line << " in " << clash;
  EXPECT_NE(ask("mta-a mta-b").find("conflicts with"), std::string::npos);
}

TEST(SolveDeb, AbsentAndOmitted) {
  Repositories ask(Format::deb);
  ask.index(R"(
    app 1 Depends: x | y, config
    x 1
    y 1
    config 1 Depends: perl
    perl 1
    script 1 Depends: perl
  )");
  expect_all(ask, {{"app", "app 1, config 1, perl 1, x 1"},
                   {"app !x", "app 1, config 1, perl 1, y 1"},
                   {"app -config", "app 1, x 1"},
                   {"app -config script", "app 1, perl 1, script 1, x 1"},
                   {"app -config -x", "app 1"},
                   {"-perl", ""},
                   {"!perl x", "x 1"}});
  EXPECT_TRUE(ask("app !perl").starts_with("0: these packages cannot be there together:\n"))
      << ask("app !perl");
  EXPECT_EQ(ask("app -nothing"), "1: no source has a package '-nothing' for amd64");
}

TEST(SolveDeb, OnABase) {
  Repositories ask(Format::deb);
  ask.index(R"(
    app 1 Depends: lib, tool (>= 2)
    lib 1
    lib 2
    tool 1
    tool 2
    hates 1 Conflicts: old
    old 1
  )");
  ask.base(R"(
    lib 1
    tool 1
    old 1
    local 5
  )");
  // What is there stays if it will do, and may become newer.
  expect_all(ask, {{"app", "app 1, tool 2"}, {"lib=1", ""}, {"lib=2", "lib 2"}, {"local", ""}});
  const std::string clash = ask("hates old");
  EXPECT_NE(clash.find("old 1"), std::string::npos) << clash;
  EXPECT_TRUE(clash.starts_with("0: these packages cannot be there together:")) << clash;
}

TEST(SolveDeb, Essential) {
  Repositories ask(Format::deb);
  ask.index(R"(
    dash 1 Essential: yes; Depends: libc
    libc 1
    app 1
    foreign 1 Architecture: arm64; Essential: yes
    no 1 Essential: no
  )");
  EXPECT_EQ(ask("app"), "app 1");
  ask.problem().essential = true;
  EXPECT_EQ(ask("app"), "app 1, dash 1, libc 1");
  EXPECT_EQ(ask("app -dash"), "app 1");
  std::map<std::string, std::string> why;
  for (const Selected& one : ask.solution("app").packages) why[one.facts.name] = one.why;
  EXPECT_EQ(why, (std::map<std::string, std::string>{
                     {"app", "requested"}, {"dash", "essential"}, {"libc", "needed by dash"}}));
}

TEST(SolveDeb, WhereAndWhy) {
  Repositories ask(Format::deb);
  ask.index("app 1 Depends: mid\nlib 1\n").index("mid 1 Depends: lib\nlib 2\nlib 3 Architecture: arm64\n");
  const Solution got = ask.solution("app");
  ASSERT_EQ(got.packages.size(), 3U);
  EXPECT_EQ(got.packages[0].why, "requested");
  EXPECT_EQ(got.packages[0].source, "source0");
  EXPECT_EQ(got.packages[0].url, "http://0/pool/app.deb");
  EXPECT_EQ(got.packages[1].facts.version, "2") << "the newest of all sources";
  EXPECT_EQ(got.packages[1].why, "needed by mid");
  EXPECT_EQ(got.packages[1].url, "http://1/pool/lib.deb");
  EXPECT_EQ(got.packages[2].why, "needed by app");
}

TEST(SolveDeb, KeptParsed) {
  Repositories ask(Format::deb);
  ask.index("app 1 Depends: lib (>= 2) | other; Conflicts: bad\nlib 2 Provides: v (= 3)\nbad 1\nother 1\n");
  std::string parsed;
  ask.problem().indexes[0].keep_parsed = [&](const std::string& bytes) { parsed = bytes; };
  const std::string first = ask("app v>=3");
  EXPECT_EQ(first, "app 1, lib 2");
  ASSERT_FALSE(parsed.empty());
  const std::string path = testing::TempDir() + "/solve-test.solv";
  std::ofstream(path, std::ios::binary) << parsed;
  ask.problem().indexes[0].parsed = path;
  ask.problem().indexes[0].keep_parsed = [](const std::string&) { FAIL() << "it was parsed again"; };
  EXPECT_EQ(ask("app v>=3"), first);
  EXPECT_NE(ask("app bad").find("app 1 conflicts with bad 1"), std::string::npos);
  // What is damaged is parsed again.
  std::ofstream(path, std::ios::binary) << parsed.substr(0, parsed.size() / 2);
  bool again = false;
  ask.problem().indexes[0].keep_parsed = [&](const std::string&) { again = true; };
  EXPECT_EQ(ask("app v>=3"), first);
  EXPECT_TRUE(again);
  std::remove(path.c_str());
}

TEST(SolveDeb, Malformed) {
  // Names that would lead elsewhere are refused when they are chosen, and only then.
  for (const char* line : {"../up 1", "a/b 1", "good 1/2", "good 1 Source: ../x"}) {
    Repositories ask(Format::deb);
    ask.index(std::string(line) + "\nother 1\n");
    const std::string name = base::split(line, ' ')[0];
    EXPECT_THROW(ask(name), base::Error) << line;
    EXPECT_EQ(ask("other"), "other 1") << line;
  }
  for (const char* file :
       {"/etc/passwd", "../../x.deb", "pool/../../x.deb", "x.deb?y", "x.deb#y", "x y.deb"}) {
    Repositories ask(Format::deb);
    ask.index("good 1 Filename: " + std::string(file) + "\n");
    // Of two fields the last counts.
    EXPECT_THROW(ask("good"), base::Error) << file;
  }
  Repositories gone(Format::deb);
  gone.problem().indexes.push_back({"s", "u", "/nonexistent/index", "", {}});
  EXPECT_THROW(gone("a"), base::Error);
  Repositories empty(Format::deb);
  empty.index("");
  EXPECT_EQ(empty("a"), "0: no source has a package 'a' for amd64");
}

TEST(SolveApk, Operators) {
  Repositories ask(Format::apk);
  ask.index(R"(
    foo 1.2-r0
    foo 1.2.3-r0
    foo 1.20-r0
    foo 2.0_rc1-r0
    noarch 1-r0 A:noarch
    foreign 1-r0 A:aarch64
    fuzzy 1-r0 D:foo~1.2
    less 1-r0 D:foo<1.20 foo>=1.2
    exact 1-r0 D:foo=1.2-r0
    greater 1-r0 D:foo>1.20-r0
    not 1-r0 D:foo !foo>1.2.3-r0
    never 1-r0 D:!foo
  )");
  expect_all(ask, {{"foo", "foo 2.0_rc1-r0"},
                   {"foo<2", "foo 1.20-r0"},
                   {"foo<2.0_beta", "foo 1.20-r0"},
                   {"foo~1.2", "foo 1.2.3-r0"},
                   {"foo~1", "foo 1.20-r0"},
                   {"foo=1.2-r0", "foo 1.2-r0"},
                   {"noarch", "noarch 1-r0"},
                   {"fuzzy", "foo 1.2.3-r0, fuzzy 1-r0"},
                   {"less", "foo 1.2.3-r0, less 1-r0"},
                   {"exact", "exact 1-r0, foo 1.2-r0"},
                   {"greater", "foo 2.0_rc1-r0, greater 1-r0"},
                   {"not", "foo 1.2.3-r0, not 1-r0"},
                   {"never", "never 1-r0"}});
  EXPECT_EQ(ask("foreign"), "0: no source has a package 'foreign' for x86_64");
  EXPECT_EQ(ask("foo~3"), "0: no source has 'foo~3'; it is there as 1.2-r0, 1.2.3-r0, 1.20-r0, 2.0_rc1-r0");
  EXPECT_NE(ask("never foo").find("never 1-r0 conflicts with foo"), std::string::npos) << ask("never foo");
  EXPECT_NE(ask("fuzzy greater").find("fuzzy 1-r0 needs foo ~ 1.2"), std::string::npos)
      << ask("fuzzy greater");
}

TEST(SolveApk, Provides) {
  Repositories ask(Format::apk);
  ask.index(R"(
    musl 1-r0 p:so:libc.so=1
    app 1-r0 D:so:libc.so cmd:sh>=1
    busybox 1-r0 p:cmd:sh=1-r0; k:10
    dash 2-r0 p:cmd:sh=2-r0; k:100
    old-sh 0-r0 p:cmd:sh=0.5
    mta-a 1-r0 p:mta; k:1
    mta-b 1-r0 p:mta; k:2
    both 1-r0 D:mta-a mta-b
    jdk8 8-r0 p:jdk=8
    jdk9 9-r0 p:jdk=9
    names-itself 1-r0 p:names-itself=1-r0 other=1
  )");
  expect_all(ask, {{"app", "app 1-r0, dash 2-r0, musl 1-r0"},
                   {"app busybox", "app 1-r0, busybox 1-r0, musl 1-r0"},
                   {"mta", "mta-b 1-r0"},
                   {"both", "both 1-r0, mta-a 1-r0, mta-b 1-r0"},
                   {"jdk<9", "jdk8 8-r0"},
                   {"jdk~9", "jdk9 9-r0"},
                   {"names-itself", "names-itself 1-r0"}});
  EXPECT_EQ(ask("jdk8 jdk9"),
            "0: these packages cannot be there together:\n    jdk9 9-r0 conflicts with jdk8 8-r0\n    the "
            "spec asks "
            "for 'jdk9'\n    the spec asks for 'jdk8'");
}

TEST(SolveApk, InstallIf) {
  Repositories ask(Format::apk);
  ask.index(R"(
    app 1-r0
    docs 1-r0
    app-doc 1-r0 i:docs app=1-r0; D:reader
    reader 1-r0
    other-doc 1-r0 i:docs app=2-r0
  )");
  expect_all(ask, {{"app", "app 1-r0"},
                   {"docs", "docs 1-r0"},
                   {"app docs", "app 1-r0, app-doc 1-r0, docs 1-r0, reader 1-r0"},
                   {"app docs !app-doc", "app 1-r0, docs 1-r0"}});
  for (const Selected& one : ask.solution("app docs").packages)
    EXPECT_EQ(one.why, one.facts.name == "app-doc"  ? "install_if"
                       : one.facts.name == "reader" ? one.why
                                                    : "requested");
}

TEST(SolveApk, OnABase) {
  Repositories ask(Format::apk);
  ask.index(R"(
    app 1-r0 D:so:libc.so lib>=2
    lib 1-r0
    lib 2-r0
    musl 2-r0 p:so:libc.so=1
  )");
  ask.base("musl 1-r0 p:so:libc.so=1\nlib 1-r0\n");
  expect_all(ask, {{"app", "app 1-r0, lib 2-r0"}, {"musl", ""}});
}

TEST(SolveApk, WhereItIs) {
  Repositories ask(Format::apk);
  ask.index("a 1-r0\n").index("a 2-r0\n");
  const Solution got = ask.solution("a");
  ASSERT_EQ(got.packages.size(), 1U);
  EXPECT_EQ(got.packages[0].url, "http://1/a-2-r0.apk");
  EXPECT_EQ(got.packages[0].source, "source1");
}

// The same whatever the order of the lines.
TEST(Solve, Order) {
  std::vector<std::string> lines = {"app 1 Depends: mta, lib | alt",
                                    "exim 1 Provides: mta",
                                    "nullmailer 1 Provides: mta",
                                    "lib 1",
                                    "lib 2",
                                    "alt 1"};
  std::sort(lines.begin(), lines.end());
  std::map<std::string, int> results;
  for (int i = 0; i < 24; ++i) {
    Repositories ask(Format::deb);
    ask.index(base::join(lines, "\n"));
    ++results[ask("app")];
    std::next_permutation(lines.begin(), lines.end());
  }
  EXPECT_EQ(results, (std::map<std::string, int>{{"app 1, exim 1, lib 2", 24}}));
}

// What apt's walk meets is taken even where less would do.
TEST(SolveDeb, TheFirstAlternativeThatNeedsTheSecond) {
  Repositories ask(Format::deb);
  ask.index(R"(
    follower 1 Depends: leader | second
    leader 1 Depends: second
    second 1
    meta 1 Depends: too
    too 1 Provides: meta
    wants 1 Depends: meta
  )");
  expect_all(ask, {{"follower", "follower 1, leader 1, second 1"}, {"wants", "meta 1, too 1, wants 1"}});
}

// A package that is there in its newest version is not chosen in an older one for what that provides.
TEST(SolveDeb, TheNewestOfWhatIsAskedFor) {
  Repositories ask(Format::deb);
  ask.index(R"(
    app 1 Depends: lib; Provides: l
    app 2 Depends: lib
    lib 1 Depends: l
    other 1 Provides: l
  )");
  EXPECT_EQ(ask("app"), "app 2, lib 1, other 1");
}

TEST(SolveDeb, WhatTheBaseHasCannotBeTakenOut) {
  Repositories ask(Format::deb);
  ask.index("tool 1\nother 1").base("tool 1");
  EXPECT_EQ(ask("!tool other"),
            "0: '!tool': the base has the package tool, and what a base has cannot be taken out; choose "
            "another base");
}

// The order of dependencies in the kept form of an index is not that of its text.
TEST(SolveDeb, KeptParsedChoosesTheSame) {
  Repositories ask(Format::deb);
  ask.index("app 1 Depends: two | one, one | two\none 1\ntwo 1");
  std::string kept;
  ask.problem().indexes[0].keep_parsed = [&kept](const std::string& bytes) { kept = bytes; };
  const std::string first = ask("app");
  ASSERT_FALSE(kept.empty());
  std::string path = testing::TempDir() + "/solve-test-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << kept;
  ask.problem().indexes[0].parsed = path;
  EXPECT_EQ(ask("app"), first);
  std::remove(path.c_str());
}

// apk: who provides a name with a version is alone with it.
TEST(SolveApk, AVersionedNameHasOneProvider) {
  Repositories ask(Format::apk);
  ask.index("a 1-r0 p:v=1\nb 1-r0 p:v\nc 1-r0 p:v");
  EXPECT_NE(ask("a b").find("conflicts with"), std::string::npos);
  EXPECT_EQ(ask("b c"), "b 1-r0, c 1-r0");
}

}  // namespace
}  // namespace minibuild::packages
