#include "minibuild/packages/facts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace minibuild::packages {
namespace {

using Words = std::vector<std::string>;

std::string show(const Relation& one) {
  return (one.absent ? "!" : "") + one.name + (one.qualifier.empty() ? "" : ":" + one.qualifier) +
         (one.op.empty() ? "" : " " + one.op + " " + one.version);
}

constexpr const char* libc = R"(Package: libc6
Source: glibc (2.41-12)
Version: 2.41-12+b1
Architecture: amd64
Essential: yes
Multi-Arch: same
Priority: optional
Installed-Size: 12
Depends: libgcc-s1 (>= 3.5) | libgcc1:any, libcrypt1,
 libidn2-0 (= 2.0.5~)
Pre-Depends: base-files
Provides: c-lib (= 2.41), other
Conflicts: old
Breaks: newer (>> 1)
Replaces: libc0.1
Recommends: not-followed
Description: a library
 of which Depends: nothing
 .
 Package: wrong
Filename: pool/libc6.deb
Size: 100
SHA256: aabb
)";

TEST(DebFacts, EveryField) {
  const Facts facts = deb_facts(libc);
  EXPECT_EQ(facts.name, "libc6");
  EXPECT_EQ(facts.source, "glibc");
  EXPECT_EQ(facts.source_version, "2.41-12");
  EXPECT_EQ(facts.version, "2.41-12+b1");
  EXPECT_EQ(facts.architecture, "amd64");
  EXPECT_TRUE(facts.essential);
  EXPECT_EQ(facts.multi_arch, "same");
  EXPECT_EQ(facts.priority, "optional");
  EXPECT_EQ(facts.installed_size, 12U * 1024U);
  EXPECT_EQ(facts.depends,
            (Words{"libgcc-s1 (>= 3.5) | libgcc1:any", "libcrypt1", "libidn2-0 (= 2.0.5~)", "base-files"}));
  EXPECT_EQ(facts.provides, (Words{"c-lib (= 2.41)", "other"}));
  EXPECT_EQ(facts.conflicts, (Words{"old", "newer (>> 1)"}));
  EXPECT_EQ(facts.replaces, (Words{"libc0.1"}));
  EXPECT_EQ(facts.filename, "pool/libc6.deb");
  EXPECT_EQ(facts.size, 100U);
  EXPECT_EQ(facts.sha256, "aabb");
}

TEST(DebFacts, WhatIsLeftOut) {
  const Facts facts = deb_facts("package:a\nVERSION: 1\nEssential: no\nSource: a (1)\nSize: many\n");
  EXPECT_EQ(facts.name, "a");
  EXPECT_EQ(facts.version, "1");
  EXPECT_FALSE(facts.essential);
  EXPECT_EQ(facts.source, "a");
  EXPECT_EQ(facts.source_version, "") << "the same as the package's is not told";
  EXPECT_EQ(facts.size, 0U);
  EXPECT_EQ(deb_facts("Package: b\nVersion: 2\n").source, "b");
  EXPECT_EQ(deb_facts("").name, "");
  EXPECT_EQ(deb_facts("no colon\n: none\n x\n").name, "");
  EXPECT_EQ(deb_facts("Source: a (1\nPackage: c").source_version, "1");
  EXPECT_EQ(deb_facts("Depends: , ,a, ,\n").depends, (Words{"a"}));
}

TEST(DebFacts, Field) {
  EXPECT_EQ(field_of(libc, "essential"), "yes");
  EXPECT_EQ(field_of(libc, "Depends"), "libgcc-s1 (>= 3.5) | libgcc1:any, libcrypt1,\n libidn2-0 (= 2.0.5~)");
  EXPECT_EQ(field_of(libc, "Nothing"), "");
  EXPECT_EQ(field_of(libc, "Pack"), "");
  EXPECT_EQ(field_of("A: 1\nA: 2\n", "a"), "1");
  EXPECT_EQ(field_of("A:\n 1\n\t2\nB: 3", "A"), "1\n\t2");
}

TEST(DebRelation, Forms) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"libc6", "libc6"},
      {" libc6 (>= 2.36) ", "libc6 >= 2.36"},
      {"libc6(>=2.36)", "libc6 >= 2.36"},
      {"libc6 ( << 1:2.0~rc1-1 )", "libc6 < 1:2.0~rc1-1"},
      {"libc6 (>> 2)", "libc6 > 2"},
      {"libc6 (= 2)", "libc6 = 2"},
      {"libc6 (<= 2)", "libc6 <= 2"},
      // deb-control(5): < and > are what <= and >= were.
      {"libc6 (< 2)", "libc6 <= 2"},
      {"libc6 (> 2)", "libc6 >= 2"},
      {"python3:any", "python3:any"},
      {"python3:any (>= 3.1)", "python3:any >= 3.1"},
      {"gcc:amd64", "gcc:amd64"},
      {"a [amd64 i386]", "a"},
      {"a <!nocheck>", "a"},
      {"", ""},
  };
  for (const auto& [text, want] : table) EXPECT_EQ(show(deb_relation(text)), want) << text;
}

TEST(DebRelation, Alternatives) {
  const std::vector<Relation> all = deb_alternatives("a (>= 1) | b:any | | c");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(show(all[0]), "a >= 1");
  EXPECT_EQ(show(all[1]), "b:any");
  EXPECT_EQ(show(all[2]), "c");
  EXPECT_TRUE(deb_alternatives("").empty());
}

TEST(ApkRelation, Forms) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"musl", "musl"},
      {"musl>=1.2", "musl >= 1.2"},
      {"musl<=1.2-r0", "musl <= 1.2-r0"},
      {"musl<1.2", "musl < 1.2"},
      {"musl>1.2", "musl > 1.2"},
      {"musl=1.2_rc1-r3", "musl = 1.2_rc1-r3"},
      {"musl==1.2", "musl = 1.2"},
      {"musl~1.2", "musl ~ 1.2"},
      {"musl~=1.2", "musl ~ 1.2"},
      {"musl=~1.2", "musl ~ 1.2"},
      {"so:libc.musl-x86_64.so.1=1", "so:libc.musl-x86_64.so.1 = 1"},
      {"cmd:sh", "cmd:sh"},
      {"!busybox", "!busybox"},
      {"!busybox<1.3", "!busybox < 1.3"},
      {"foo@edge", "foo"},
      {"foo@edge>1", "foo > 1"},
      {"", ""},
  };
  for (const auto& [text, want] : table) EXPECT_EQ(show(apk_relation(text)), want) << text;
}

TEST(ApkFacts, Record) {
  const Facts facts = apk_facts(
      "C:Q1abc=\nP:app\nV:1.2-r0\nA:x86_64\nS:824\nI:8\nT:text: with colons\no:origin\nk:100\n"
      "D:so:libz.so.1 !old foo~1.2 !bar<2\np:cmd:app=1.2-r0 x\nr:other<1\ni:a=1 b\nF:etc\nR:passwd\n");
  EXPECT_EQ(facts.name, "app");
  EXPECT_EQ(facts.version, "1.2-r0");
  EXPECT_EQ(facts.architecture, "x86_64");
  EXPECT_EQ(facts.checksum, "Q1abc=");
  EXPECT_EQ(facts.size, 824U);
  EXPECT_EQ(facts.installed_size, 8U);
  EXPECT_EQ(facts.source, "origin");
  EXPECT_EQ(facts.provider_priority, 100);
  EXPECT_EQ(facts.depends, (Words{"so:libz.so.1", "foo~1.2"}));
  EXPECT_EQ(facts.conflicts, (Words{"old", "bar<2"}));
  EXPECT_EQ(facts.provides, (Words{"cmd:app=1.2-r0", "x"}));
  EXPECT_EQ(facts.replaces, (Words{"other<1"}));
  EXPECT_EQ(facts.install_if, (Words{"a=1", "b"}));
  EXPECT_EQ(facts.filename, "app-1.2-r0.apk");
  EXPECT_EQ(apk_facts("P:a\nV:1").source, "a");
  EXPECT_EQ(apk_facts("P:a\nV:1\nk:99999999").provider_priority, 65535);
  EXPECT_EQ(apk_facts("P").name, "");
}

TEST(PkginfoFacts, Lines) {
  const Facts facts = pkginfo_facts(
      "# a comment\npkgname = app\npkgver = 1.2-r0\narch = noarch\nsize = 10\norigin = source\n"
      "depend = so:libz.so.1\ndepend = !old\nprovides = cmd:app=1.2-r0\nprovides = x\nreplaces = other\n");
  EXPECT_EQ(facts.name, "app");
  EXPECT_EQ(facts.version, "1.2-r0");
  EXPECT_EQ(facts.architecture, "noarch");
  EXPECT_EQ(facts.source, "source");
  EXPECT_EQ(facts.installed_size, 10U);
  EXPECT_EQ(facts.depends, (Words{"so:libz.so.1"}));
  EXPECT_EQ(facts.conflicts, (Words{"old"}));
  EXPECT_EQ(facts.provides, (Words{"cmd:app=1.2-r0", "x"}));
  EXPECT_EQ(facts.replaces, (Words{"other"}));
  EXPECT_EQ(pkginfo_facts("pkgname = a\n").source, "a");
}

TEST(Paragraphs, Offsets) {
  const std::string text = "\n\nA: 1\nB: 2\n\n\n\nC: 3\n\nD: 4";
  std::string seen;
  for_each_paragraph(text, [&](std::string_view paragraph, size_t offset) {
    EXPECT_EQ(text.substr(offset, paragraph.size()), paragraph);
    seen += std::to_string(offset) + "[" + std::string(paragraph) + "]";
  });
  EXPECT_EQ(seen, "2[A: 1\nB: 2\n]15[C: 3\n]21[D: 4]");
  for (const char* empty : {"", "\n", "\n\n\n"})
    for_each_paragraph(std::string_view(empty), [](std::string_view, size_t) { FAIL(); });
}

TEST(Names, WhatMayBeAPartOfAPath) {
  for (const char* good :
       {"a", "libc6", "g++-14", "libstdc++6", "python3.11", "ca-certificates", "A_b", "7zip", "_x"})
    EXPECT_TRUE(is_package_name(good)) << good;
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("../a"), std::string("a/b"),
        std::string("-a"), std::string("+a"), std::string("a b"), std::string("a\nb"), std::string("a:b"),
        std::string("a\0b", 3), std::string("ä"), std::string(256, 'a')})
    EXPECT_FALSE(is_package_name(bad)) << bad;
  EXPECT_TRUE(is_package_name(std::string(255, 'a')));
  for (const char* good : {"1", "1:2.0~rc1+dfsg-1+b2", "1.2.3_git20240101-r0"})
    EXPECT_TRUE(is_plain_version(good)) << good;
  for (const char* bad : {"", "1/2", "1 2", "1\n", "1%2"}) EXPECT_FALSE(is_plain_version(bad)) << bad;
}

}  // namespace
}  // namespace minibuild::packages
