#include "minibuild/packages/install.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {
namespace {

constexpr int64_t when = 1700000000;

// Lines `f[:MODE[:UID:GID]] PATH TEXT`, `d… PATH`, `l PATH TARGET`, `h PATH OTHER` (one more name).
tree::FileTree tree_of(const std::string& lines) {
  tree::FileTree tree;
  for (const std::string& raw : base::split(lines, '\n')) {
    const std::string line(base::trim(raw));
    if (line.empty()) continue;
    const std::vector<std::string> words = base::split(line, ' ');
    const std::vector<std::string> kind = base::split(words[0], ':');
    const std::string rest =
        words.size() < 3 ? std::string() : line.substr(words[0].size() + words[1].size() + 2);
    tree::Node node;
    if (kind[0] == "d") {
      node = tree::directory_node(when);
    } else if (kind[0] == "l") {
      node = tree::symlink_node(rest, when);
    } else if (kind[0] == "h") {
      tree::Node* other = tree.find(rest);
      if (other->link_group == 0) other->link_group = tree.new_link_group();
      node = *other;
    } else {
      node = tree::file_node(tree::inline_content(rest == "-" ? "" : rest + "\n"), when);
    }
    if (kind.size() > 1) node.mode = static_cast<uint32_t>(std::stoul(kind[1], nullptr, 8));
    if (kind.size() > 3) {
      node.uid = static_cast<uint32_t>(std::stoul(kind[2]));
      node.gid = static_cast<uint32_t>(std::stoul(kind[3]));
    }
    tree.put(words[1], node, when);
  }
  return tree;
}

// The same lines, without directories of the usual mode.
std::string show(const tree::FileTree& tree, const std::string& below = "") {
  std::string out;
  std::map<uint64_t, std::string> names;
  tree::for_each_below(tree, below, [&](const std::string& path, const tree::Node& node) {
    const std::string owner = node.uid == 0 && node.gid == 0 ? "" : fmt::format(":{}:{}", node.uid, node.gid);
    if (node.type == tree::NodeType::directory) {
      if (node.mode != 0755 || !owner.empty()) out += fmt::format("d:{:04o}{} {}\n", node.mode, owner, path);
    } else if (node.type == tree::NodeType::symlink) {
      out += "l " + path + " " + node.target + "\n";
    } else if (node.link_group != 0 && names.contains(node.link_group)) {
      out += "h " + path + " " + names[node.link_group] + "\n";
    } else {
      if (node.link_group != 0) names[node.link_group] = path;
      std::string text = tree::read_content(node.content, size_t{1} << 26);
      if (text.size() > 2000) text = std::to_string(text.size()) + " bytes";
      std::string shown;
      for (const char c : text) shown += c == '\n' ? std::string("|") : std::string(1, c);
      if (shown.ends_with('|')) shown.pop_back();
      out += fmt::format("f{}{} {} {}\n",
                         node.mode == 0644 && owner.empty() ? "" : fmt::format(":{:04o}", node.mode), owner,
                         path, shown.empty() ? "-" : shown);
    }
  });
  return out;
}

// `fields` are more lines of the control file.
Package deb(const std::string& name, const std::string& lines, const std::string& fields = "",
            const std::map<std::string, std::string>& control = {}, const std::string& version = "1") {
  Package package;
  package.file.control = control;
  package.file.control["control"] =
      fmt::format("Package: {}\nVersion: {}\nArchitecture: amd64\n{}", name, version, fields);
  package.facts = deb_facts(package.file.control["control"]);
  package.tree = tree_of(lines);
  return package;
}

Package apk(const std::string& name, const std::string& lines, const std::string& fields = "") {
  Package package;
  package.file.control[".PKGINFO"] =
      fmt::format("pkgname = {}\npkgver = 1-r0\narch = x86_64\n{}", name, fields);
  package.file.checksum = "Q1" + name;
  package.facts = pkginfo_facts(package.file.control[".PKGINFO"]);
  package.tree = tree_of(lines);
  return package;
}

tree::FileTree whole(const tree::FileTree& base, const Installation& installation) {
  tree::FileTree all = base;
  for (const std::string& path : installation.removed) all.remove(path);
  for (const Group& group : installation.groups)
    for (const auto& [path, node] : group.tree.nodes()) all.put(path, node, 0);
  return all;
}

// The links that every image of Debian's packages has are tested apart (MergedUsr).
tree::FileTree without_merged(tree::FileTree tree) {
  for (const std::string name : {"bin", "lib", "sbin"})
    if (const tree::Node* node = tree.find(name); node != nullptr && node->target == "usr/" + name)
      tree.remove(name);
  return tree;
}

// What the packages make, without their database.
std::string result(const std::vector<Package>& packages, const Settings& settings = {},
                   const tree::FileTree& base = {}, bool merged = false) {
  try {
    tree::FileTree all = whole(base, install(base, packages, settings));
    if (!merged) all = without_merged(std::move(all));
    all.remove("var/lib/dpkg");
    all.remove("lib/apk");
    all.remove("etc/apk");
    return show(all);
  } catch (const base::Error& error) {
    return error.what();
  }
}

std::string read(const tree::FileTree& tree, const std::string& path) {
  const tree::Node* node = tree.find(path);
  return node == nullptr ? "nothing" : tree::read_content(node->content, size_t{1} << 26);
}

// --- Choices ---

TEST(Choice, Globs) {
  const auto chosen = [](const std::vector<Choice>& choices, const std::string& path) {
    return is_chosen(choices, "a", path);
  };
  EXPECT_TRUE(chosen({}, "usr/bin/a"));
  EXPECT_TRUE(chosen({{"b", {}, {"**"}}}, "usr/bin/a")) << "of another package";
  EXPECT_FALSE(chosen({{"a", {}, {"usr/bin"}}}, "usr/bin/a"));
  EXPECT_FALSE(chosen({{"*", {}, {"/usr/bin/*"}}}, "usr/bin/a"));
  EXPECT_TRUE(chosen({{"a", {"usr/bin"}, {}}}, "usr/bin/a"));
  EXPECT_FALSE(chosen({{"a", {"usr/bin"}, {}}}, "usr/lib/a"));
  EXPECT_FALSE(chosen({{"a", {"usr"}, {"usr/bin"}}}, "usr/bin/a"));
  EXPECT_TRUE(chosen({{"a", {}, {"usr/bin", "!usr/bin/a"}}}, "usr/bin/a"));
  EXPECT_FALSE(chosen({{"a", {"usr"}, {}}, {"*", {}, {"**/a"}}}, "usr/bin/a")) << "all choices hold";
}

TEST(Choice, Presets) {
  struct Row {
    const char* path;
    bool docs, man, locales;  // whether it stays without them
  };
  const Row table[] = {
      {"usr/share/doc/a/README", false, true, true},
      {"usr/share/doc/a/copyright", true, true, true},
      {"usr/share/man/man1/a.1.gz", false, false, true},
      {"usr/share/info/a.info", false, false, true},
      {"usr/share/lintian/overrides/a", false, true, true},
      {"usr/share/doc-base/a", false, true, true},
      {"usr/share/gtk-doc/html/a", false, true, true},
      {"usr/share/locale/de/LC_MESSAGES/a.mo", true, true, false},
      {"usr/share/locale/locale.alias", true, true, true},
      {"usr/share/i18n/charmaps/UTF-8.gz", true, true, false},
      {"usr/lib/locale/C.utf8/LC_CTYPE", true, true, true},
      {"usr/bin/docs", true, true, true},
  };
  for (const Row& row : table) {
    EXPECT_EQ(is_chosen({{"*", {}, {"docs"}}}, "a", row.path), row.docs) << row.path;
    EXPECT_EQ(is_chosen({{"*", {}, {"man"}}}, "a", row.path), row.man) << row.path;
    EXPECT_EQ(is_chosen({{"*", {}, {"locales"}}}, "a", row.path), row.locales) << row.path;
    EXPECT_EQ(is_chosen({{"*", {}, {"docs", "locales"}}}, "a", row.path), row.docs && row.locales)
        << row.path;
  }
  EXPECT_TRUE(is_chosen({{"a", {"docs"}, {}}}, "a", "usr/share/doc/a/README"));
  EXPECT_FALSE(is_chosen({{"a", {"docs"}, {}}}, "a", "usr/bin/a"));
}

TEST(Choice, DirectoriesComeWithTheirFiles) {
  Settings settings;
  settings.choices = {{"a", {"usr/bin/a", "var/lib/a"}, {}}};
  EXPECT_EQ(result({deb("a", R"(
              d:0700 usr/empty
              f:0755 usr/bin/a a
              f usr/bin/b b
              d:0750:7:8 var/lib/a
              f var/lib/a/state s
            )")},
                   settings),
            "f:0755 usr/bin/a a\nd:0750:7:8 var/lib/a\nf var/lib/a/state s\n");
}

// --- Two packages, one path ---

TEST(Conflict, IsAnErrorThatNamesBoth) {
  EXPECT_EQ(result({deb("a", "f usr/x 1"), deb("b", "f usr/x 2")}),
            "the packages a and b both have /usr/x, and neither replaces the other; leave it out of one with "
            "{ name: b, except: [usr/x] }");
  EXPECT_NE(result({deb("a", "f usr/x 1"), deb("b", "l usr/x y")}).find("both have /usr/x"),
            std::string::npos);
  Settings settings;
  settings.choices = {{"b", {}, {"usr/x"}}};
  EXPECT_EQ(result({deb("a", "f usr/x 1"), deb("b", "f usr/x 2")}, settings), "f usr/x 1\n");
}

TEST(Conflict, SameThing) {
  EXPECT_EQ(result({deb("a", "f usr/x 1"), deb("b", "f usr/x 1")}), "f usr/x 1\n");
  EXPECT_EQ(result({deb("a", "l usr/x y"), deb("b", "l usr/x y")}), "l usr/x y\n");
  EXPECT_EQ(result({deb("a", "d:0700 usr/x"), deb("b", "d:0700 usr/x")}), "d:0700 usr/x\n");
}

TEST(Conflict, Replaces) {
  const auto both = [](const std::string& first, const std::string& second,
                       const std::string& version = "1") {
    return result({deb("a", "f usr/x 1", first, {}, version), deb("b", "f usr/x 2", second)});
  };
  EXPECT_EQ(both("", "Replaces: a\n"), "f usr/x 2\n");
  EXPECT_EQ(both("Replaces: b\n", ""), "f usr/x 1\n");
  EXPECT_EQ(both("", "Replaces: z, a (<< 2)\n"), "f usr/x 2\n");
  EXPECT_EQ(both("", "Replaces: a (<= 1)\n"), "f usr/x 2\n");
  EXPECT_EQ(both("", "Replaces: a (= 1)\n"), "f usr/x 2\n");
  EXPECT_EQ(both("", "Replaces: a (<< 1)\n").substr(0, 12), "the packages");
  EXPECT_EQ(both("", "Replaces: a (<< 1)\n", "1~rc1"), "f usr/x 2\n");
  EXPECT_EQ(both("", "Replaces: c\n").substr(0, 12), "the packages");
  // Of one source package the later one wins.
  EXPECT_EQ(both("Source: s\n", "Source: s\n"), "f usr/x 2\n");
  Settings settings;
  settings.format = Format::apk;
  EXPECT_EQ(result({apk("a", "f usr/x 1"), apk("b", "f usr/x 2", "replaces = a<2\n")}, settings),
            "f usr/x 2\n");
  EXPECT_EQ(result({apk("a", "f usr/x 1"), apk("b", "f usr/x 2", "origin = a\n")}, settings), "f usr/x 2\n");
}

TEST(Conflict, OwnersOfWhatIsThere) {
  const Installation got =
      install({}, {deb("a", "f usr/x 1\nf usr/a 1"), deb("b", "f usr/x 2", "Replaces: a\n")}, {});
  EXPECT_EQ(got.owners, (std::map<std::string, size_t>{{"usr/a", 0}, {"usr/x", 1}}));
  EXPECT_TRUE(got.removed.empty());
}

TEST(Conflict, AFileAndADirectory) {
  EXPECT_EQ(result({deb("a", "f usr/x/y 1"), deb("b", "f usr/x 2")}),
            "the package b has the file /usr/x that is a directory in a");
  EXPECT_EQ(result({deb("a", "f usr/x 1"), deb("b", "f usr/x/y 2")}),
            "the package b has the directory /usr/x that is a file in a");
  EXPECT_EQ(result({deb("a", "f usr/x 1"), deb("b", "d usr/x")}),
            "the package b has the directory /usr/x that is a file in a");
}

TEST(Conflict, OtherModes) {
  EXPECT_EQ(result({deb("a", "f:0755 usr/x 1"), deb("b", "f:4755 usr/x 1")}).substr(0, 12), "the packages");
}

TEST(Conflict, WithAPackageOfTheBase) {
  const tree::FileTree base = tree_of(
      "f usr/x old\nf var/lib/dpkg/status.d/low Package: low\n"
      "f var/lib/dpkg/status.d/low.md5sums 0123456789abcdef0123456789abcdef  usr/x");
  const auto message = [&](const Package& package) -> std::string {
    try {
      install(base, {package}, {});
      return "";
    } catch (const base::Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(message(deb("high", "f usr/x new")),
            "the package high has /usr/x, which the base has of the package low, and does not replace it; "
            "leave it out "
            "with { name: high, except: [usr/x] }");
  EXPECT_EQ(message(deb("high", "f usr/x new", "Replaces: low\n")), "");
  EXPECT_EQ(message(deb("high", "f usr/x old")), "");
  EXPECT_EQ(message(deb("low", "f usr/x new", "", {}, "2")), "");
}

TEST(DependencyOrder, WhatIsNeededComesFirst) {
  const std::vector<Package> packages = {apk("aaa", "", "depend = zzz\n"),
                                         apk("mmm", "", "depend = so:lib\n"),
                                         apk("zzz", "", "provides = so:lib\ndepend = aaa\n")};
  EXPECT_EQ(dependency_order(packages, Format::apk), (std::vector<size_t>{2, 0, 1}));
}

// --- Links to directories ---

TEST(MergedUsr, FilesLandBehindTheLink) {
  const Package files = deb("base-files", "l bin usr/bin\nl lib usr/lib\nd usr/bin\nd usr/lib");
  const Package old = deb("old", "d bin\nf:0755 bin/old o\nl lib/libo.so libo.so.1");
  const std::string want =
      "l bin usr/bin\nl lib usr/lib\nl sbin usr/sbin\nf:0755 usr/bin/old o\nl usr/lib/libo.so libo.so.1\n";
  EXPECT_EQ(result({files, old}, {}, {}, true), want);
  EXPECT_EQ(result({old, files}, {}, {}, true), want) << "in another order";
  EXPECT_EQ(result({old}, {}, {}, true), want) << "nobody has the links";
  EXPECT_EQ(result({old}, {}, tree_of("l bin usr/bin\nl lib usr/lib\nd usr/bin\nd usr/lib"), true), want)
      << "on a base";
}

TEST(MergedUsr, OneFileUnderTwoNames) {
  const Package files = deb("base-files", "l bin usr/bin\nd usr/bin");
  EXPECT_NE(
      result({files, deb("a", "f bin/x 1"), deb("b", "f usr/bin/x 2")}).find("a and b both have /usr/bin/x"),
      std::string::npos);
  EXPECT_EQ(result({files, deb("a", "f bin/x 1"), deb("b", "f usr/bin/x 1")}), "f usr/bin/x 1\n");
  for (const char* link : {"l bin/x /usr/bin/x", "l bin/x ../usr/bin/x"})
    EXPECT_EQ(result({deb("a", std::string(link) + "\nf usr/bin/x 1")}), "f usr/bin/x 1\n") << link;
  EXPECT_EQ(result({deb("a", "l usr/bin/x /bin/x\nf bin/x 1")}), "f usr/bin/x 1\n");
}

// As base-files of Debian 13 has them.
TEST(MergedUsr, WhetherOrNotBaseFilesIsThere) {
  struct Row {
    const char* architecture;
    const char* files;
    const char* want;  // the links
  };
  const Row table[] = {
      {"amd64", "f usr/bin/dash d", "bin lib lib64 sbin"},
      {"amd64", "f usr/share/x x", "bin lib lib64 sbin"},
      {"amd64", "f bin/dash d\nf lib64/ld-linux-x86-64.so.2 l", "bin lib lib64 sbin"},
      {"amd64", "f usr/lib32/libc.so.6 l\nf usr/lib/ld-linux.so.2 l", "bin lib lib32 lib64 sbin"},
      {"amd64", "f usr/libx32/ld-linux-x32.so.2 l", "bin lib lib64 libx32 sbin"},
      {"arm64", "f usr/lib/ld-linux-aarch64.so.1 l", "bin lib sbin"},
      {"armhf", "f usr/lib/ld-linux-armhf.so.3 l", "bin lib sbin"},
      {"i386", "f usr/lib/ld-linux.so.2 l", "bin lib sbin"},
      {"i386", "f usr/lib64/ld-linux-x86-64.so.2 l", "bin lib lib64 sbin"},
      {"riscv64", "f usr/lib/ld-linux-riscv64-lp64d.so.1 l", "bin lib sbin"},
      {"s390x", "f usr/lib/ld64.so.1 l", "bin lib sbin"},
      {"ppc64el", "f usr/bin/x x", "bin lib lib64 sbin"},
  };
  for (const Row& row : table)
    for (const char* state : {"installed", "unpacked"}) {
      Settings settings;
      settings.architecture = row.architecture;
      settings.state = state;
      settings.full_database = settings.state == "unpacked";
      const tree::FileTree all = whole({}, install({}, {deb("a", row.files)}, settings));
      std::vector<std::string> links;
      for (const auto& [path, node] : all.nodes())
        if (node.type == tree::NodeType::symlink && node.target == "usr/" + path) links.push_back(path);
      EXPECT_EQ(base::join(links, " "), row.want) << row.architecture << ": " << row.files;
      for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
        EXPECT_TRUE(all.find(name) == nullptr || all.find(name)->type == tree::NodeType::symlink) << name;
    }
}

TEST(MergedUsr, NotForAlpine) {
  Settings settings;
  settings.format = Format::apk;
  settings.architecture = "x86_64";
  EXPECT_EQ(result({apk("a", "f bin/a 1\nf lib/ld-musl-x86_64.so.1 l\nf usr/bin/b 1")}, settings, {}, true),
            "f bin/a 1\nf lib/ld-musl-x86_64.so.1 l\nf usr/bin/b 1\n");
}

TEST(MergedUsr, ABaseThatIsNotMergedStaysSo) {
  const tree::FileTree base = tree_of("f bin/own o\nf lib/libown.so o\nd lib64\nf sbin/s s\nf usr/bin/u u");
  // Before the merged /usr, packages bring their programs where they always were.
  EXPECT_EQ(result({deb("old", "f bin/sh s\nf lib64/ld-linux-x86-64.so.2 l")}, {}, base, true),
            "f bin/own o\nf bin/sh s\nf lib/libown.so o\nf lib64/ld-linux-x86-64.so.2 l\nf sbin/s s\n"
            "f usr/bin/u u\n");
  // After it they count on the links.
  EXPECT_EQ(result({deb("new",
                        "f usr/bin/sh s\nl usr/bin/own /x\nf usr/lib64/ld-linux-x86-64.so.2 l\n"
                        "f usr/lib/x86_64-linux-gnu/libc.so.6 c\nf usr/lib/notes n"),
                    deb("base-files", "l bin usr/bin\nl lib usr/lib\nl lib64 usr/lib64\nl sbin usr/sbin")},
                   {}, base, true),
            "f bin/own o\nl bin/sh ../usr/bin/sh\nf lib/libown.so o\n"
            "l lib64/ld-linux-x86-64.so.2 ../usr/lib64/ld-linux-x86-64.so.2\nf sbin/s s\nl usr/bin/own /x\n"
            "f usr/bin/sh s\nf usr/bin/u u\nf usr/lib/notes n\nf usr/lib/x86_64-linux-gnu/libc.so.6 c\n"
            "f usr/lib64/ld-linux-x86-64.so.2 l\n");
}

TEST(MergedUsr, ANewerLoaderOnABaseThatIsNotMerged) {
  const tree::FileTree base = tree_of(
      "f lib64/ld-linux-x86-64.so.2 old\nf var/lib/dpkg/status.d/libc6 Package: libc6\n"
      "f var/lib/dpkg/status.d/libc6.md5sums 0123456789abcdef0123456789abcdef  lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(result({deb("libc6", "f usr/lib64/ld-linux-x86-64.so.2 new", "", {}, "2")}, {}, base),
            "l lib64/ld-linux-x86-64.so.2 ../usr/lib64/ld-linux-x86-64.so.2\n"
            "f usr/lib64/ld-linux-x86-64.so.2 new\n");
}

TEST(MergedUsr, OtherLinks) {
  EXPECT_EQ(result({deb("a", "l var/run /run\nd run"), deb("b", "f var/run/b 1")}),
            "f run/b 1\nl var/run /run\n");
}

// --- Attributes ---

TEST(Files, ModesOwnersAndHardLinks) {
  const std::string lines = "f:4755 usr/bin/a x\nh usr/bin/b usr/bin/a\nf:0640:0:42 usr/bin/c c\n";
  EXPECT_EQ(result({deb("a", lines)}),
            "f:4755 usr/bin/a x\nh usr/bin/b usr/bin/a\nf:0640:0:42 usr/bin/c c\n");
  // Groups of two packages have nothing to do with each other, nor with those of the base.
  const std::string other = "f usr/lib/a x\nh usr/lib/b usr/lib/a\n";
  EXPECT_EQ(result({deb("a", lines), deb("b", other)}, {}, tree_of("f base/a x\nh base/b base/a")),
            "f base/a x\nh base/b base/a\n" + lines + other);
}

TEST(Files, Times) {
  const std::vector<Package> packages = {deb("a", "d usr/share/a\nf usr/share/a/f 1\nl usr/share/a/l x")};
  const auto times = [&](int64_t epoch) {
    Settings settings;
    settings.epoch = epoch;
    const tree::FileTree all = whole({}, install({}, packages, settings));
    return fmt::format("{} {} {}", all.find("usr/share/a")->mtime, all.find("usr/share/a/f")->mtime,
                       all.find("usr/share/a/l")->mtime);
  };
  EXPECT_EQ(times(0), "0 1700000000 1700000000");
  EXPECT_EQ(times(1800000000), "0 1700000000 1700000000");
  EXPECT_EQ(times(1600000000), "0 1600000000 1600000000");
}

// --- Groups ---

Package large(const std::string& name, size_t size, const std::string& fields = "") {
  Package package = deb(name, "d usr/share", fields);
  package.tree.put("usr/share/" + name, tree::file_node(tree::inline_content(std::string(size, 'x')), when),
                   when);
  return package;
}

std::vector<std::string> labels(const Installation& installation) {
  std::vector<std::string> all;
  for (const Group& group : installation.groups) all.push_back(group.label);
  return all;
}

constexpr const char* effects = "what maintainer scripts would have made";

TEST(Groups, LargeOnesAlone) {
  constexpr size_t limit = size_t{4} << 20;
  const Installation got =
      install({},
              {large("a", limit), large("b", limit - 1000), deb("c", "f usr/c 1"),
               large("d", limit / 2, "Source: s\n"), large("e", limit / 2, "Source: s\n")},
              {});
  // d and e are of one source package.
  EXPECT_EQ(labels(got), (std::vector<std::string>{"a 1", "d 1, e 1", "b 1, c 1", effects}));
  EXPECT_EQ(got.groups[2].packages, (std::vector<size_t>{1, 2}));
  EXPECT_NE(got.groups[0].tree.find("usr/share"), nullptr) << "with its parents";
}

TEST(Groups, AtMostEight) {
  std::vector<Package> packages;
  for (int i = 0; i < 9; ++i)
    packages.push_back(large(fmt::format("p{}", i), (size_t{4} << 20) + static_cast<size_t>(i)));
  packages.push_back(
      deb("base-passwd", "f usr/share/base-passwd/passwd.master root:x:0:0:root:/root:/bin/sh"));
  const Installation got = install({}, packages, {});
  // The six largest, the others, and what the scripts would have made.
  EXPECT_EQ(labels(got), (std::vector<std::string>{"p3 1", "p4 1", "p5 1", "p6 1", "p7 1", "p8 1",
                                                   "p0 1, p1 1, p2 1, base-passwd 1",
                                                   "what maintainer scripts would have made"}));
}

TEST(Groups, ManyNames) {
  std::vector<Package> packages;
  for (int i = 0; i < 7; ++i) packages.push_back(deb(fmt::format("p{}", i), fmt::format("f usr/p{} 1", i)));
  EXPECT_EQ(labels(install({}, packages, {})),
            (std::vector<std::string>{"p0 1, p1 1, p2 1, p3 1, p4 1 and 2 more", effects}));
}

TEST(Groups, TheSameInEveryImage) {
  const Package shared = large("shared", size_t{5} << 20);
  const Installation one = install({}, {deb("a", "f usr/share/a 1"), shared}, {});
  const Installation two = install({}, {shared, deb("z", "d:0700 usr/share\nf usr/share/z 1")}, {});
  EXPECT_EQ(tree::dump(one.groups[0].tree), tree::dump(two.groups[0].tree));
  EXPECT_EQ(one.groups[0].label, "shared 1");
}

// --- Databases ---

TEST(Database, StatusD) {
  const Package package = deb("a", "f usr/a 1\nf usr/share/doc/a/README r", "Description: a\n text\n",
                              {{"md5sums",
                                "11111111111111111111111111111111  usr/a\n22222222222222222222222222222222  "
                                "usr/share/doc/a/README\n"},
                               {"postinst", "#!/bin/sh\n"}});
  Settings settings;
  settings.choices = {{"*", {}, {"docs"}}};
  const tree::FileTree all = whole({}, install({}, {package}, settings));
  EXPECT_EQ(show(all, "var/lib/dpkg"),
            "f var/lib/dpkg/status.d/a Package: a|Version: 1|Architecture: amd64|Description: a| text\n"
            "f var/lib/dpkg/status.d/a.md5sums 11111111111111111111111111111111  usr/a\n");
  EXPECT_EQ(all.find("var/lib/dpkg/status.d/a")->mtime, 0);
  const std::vector<Facts> known = installed_packages(all, Format::deb);
  ASSERT_EQ(known.size(), 1U);
  EXPECT_EQ(known[0].name + " " + known[0].version, "a 1");
  EXPECT_TRUE(has_database(all, Format::deb));
  EXPECT_FALSE(has_database(all, Format::apk));
  EXPECT_FALSE(has_database({}, Format::deb));
}

TEST(Database, Dpkg) {
  Settings settings;
  settings.full_database = true;
  settings.state = "unpacked";
  const tree::FileTree base = tree_of("f var/lib/dpkg/status -");
  tree::FileTree with_status = base;
  with_status.put("var/lib/dpkg/status",
                  tree::file_node(tree::inline_content(
                                      "Package: old\nStatus: install ok installed\nVersion: 1\n\nPackage: a\n"
                                      "Status: install ok installed\nVersion: 0\n\nPackage: gone\n"
                                      "Status: deinstall ok config-files\nVersion: 1\n"),
                                  0),
                  0);
  const std::vector<Package> packages = {
      deb("a", "d usr\nf etc/a.conf c\nf usr/a 1", "",
          {{"conffiles", "/etc/a.conf\n"},
           {"md5sums", "33333333333333333333333333333333  etc/a.conf\n"},
           {"postinst", "#!/bin/sh\n"}}),
      deb("lib", "f usr/lib/l 1", "Multi-Arch: same\n", {{"triggers", "x\n"}})};
  const tree::FileTree all = whole(with_status, install(with_status, packages, settings));
  EXPECT_EQ(
      read(all, "var/lib/dpkg/status"),
      "Package: old\nStatus: install ok installed\nVersion: 1\n\n"
      "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
      "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nConffiles:\n /etc/a.conf "
      "2cd6ee2c70b0bde53fbe6cac3c8b8bb1\n\n"
      "Package: lib\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n\n");
  EXPECT_EQ(show(all, "var/lib/dpkg/info"),
            "f var/lib/dpkg/info/a.conffiles /etc/a.conf\n"
            "f var/lib/dpkg/info/a.list /.|/etc|/etc/a.conf|/usr|/usr/a\n"
            "f var/lib/dpkg/info/a.md5sums 33333333333333333333333333333333  etc/a.conf\n"
            "f:0755 var/lib/dpkg/info/a.postinst #!/bin/sh\n"
            "f var/lib/dpkg/info/format 1\n"
            "f var/lib/dpkg/info/lib:amd64.list /.|/usr|/usr/lib|/usr/lib/l\n"
            "f var/lib/dpkg/info/lib:amd64.triggers x\n");
  EXPECT_EQ(all.find("var/lib/dpkg/status.d"), nullptr);
  std::vector<std::string> known;
  for (const Facts& facts : installed_packages(with_status, Format::deb))
    known.push_back(facts.name + " " + facts.version);
  EXPECT_EQ(known, (std::vector<std::string>{"old 1", "a 0"})) << "without what is only configured";
}

TEST(Database, Apk) {
  Settings settings;
  settings.format = Format::apk;
  settings.world = {"b", "a>=1"};
  Package package = apk("a", "d:0700:1:2 etc/a\nf etc/a/b 1\nf:0755 usr/a 1\nf usr/share/doc/a/x d",
                        "depend = so:x\ndepend = !y\n");
  package.file.file_checksums = "Q1one etc/a/b\nQ1two usr/a\nQ1three usr/share/doc/a/x\n";
  settings.choices = {{"a", {}, {"docs"}}};
  const tree::FileTree base = tree_of("f etc/apk/world base\nf lib/apk/db/installed -");
  tree::FileTree with_old = base;
  with_old.put("lib/apk/db/installed", tree::file_node(tree::inline_content("P:old\nV:1\n\nP:a\nV:0\n\n"), 0),
               0);
  const tree::FileTree all = whole(with_old, install(with_old, {package}, settings));
  EXPECT_EQ(read(all, "lib/apk/db/installed"),
            "P:old\nV:1\n\nC:Q1a\nP:a\nV:1-r0\nA:x86_64\nS:0\nI:0\nD:so:x "
            "!y\nF:etc\nF:etc/a\nM:1:2:700\nR:b\nZ:Q1one\n"
            "F:usr\nR:a\na:0:0:755\nZ:Q1two\nF:usr/share\nF:usr/share/doc\nF:usr/share/doc/a\n\n");
  EXPECT_EQ(read(all, "etc/apk/world"), "a>=1\nb\nbase\n");
  EXPECT_EQ(installed_packages(all, Format::apk).size(), 2U);
  EXPECT_TRUE(has_database(all, Format::apk));
}

TEST(Database, ANewerPackageOnTheBase) {
  const tree::FileTree base =
      whole({}, install({},
                        {deb("a", "f usr/kept 1\nf usr/gone 1", "",
                             {{"md5sums",
                               "11111111111111111111111111111111  usr/kept\n11111111111111111111111111111111 "
                               " usr/gone\n"}}),
                         deb("b", "f usr/b 1")},
                        {}));
  const Installation got = install(base, {deb("a", "f usr/kept 2", "", {}, "2")}, {});
  EXPECT_EQ(got.removed, (std::vector<std::string>{"usr/gone"}));
  const tree::FileTree all = whole(base, got);
  EXPECT_EQ(show(all, "usr"), "f usr/b 1\nf usr/kept 2\n");
  std::string known;
  for (const Facts& facts : installed_packages(all, Format::deb))
    known += facts.name + " " + facts.version + ";";
  EXPECT_EQ(known, "a 2;b 1;");
}

// --- What scripts would have made ---

std::string made(const std::vector<Package>& packages, const tree::FileTree& base = {},
                 Settings settings = {}) {
  const Installation got = install(base, packages, settings);
  std::string out;
  for (const Group& group : got.groups)
    if (group.packages.empty()) out += show(without_merged(group.tree));
  for (const std::string& warning : got.warnings) out += "! " + warning + "\n";
  return out;
}

TEST(Effects, Table) {
  struct Row {
    const char* package;
    const char* files;
    const char* want;
  };
  const Row table[] = {
      {"base-passwd",
       "f usr/share/base-passwd/passwd.master root:x:0:0:root:/root:/bin/bash\nf "
       "usr/share/base-passwd/group.master root:*:0:",
       "f etc/group root:*:0:\nf etc/passwd root:x:0:0:root:/root:/bin/bash\n"},
      {"ca-certificates",
       "f usr/share/ca-certificates/mozilla/B.crt b\nf usr/share/ca-certificates/mozilla/A.crt a\nf "
       "usr/share/ca-certificates/x.txt x\nf etc/ca-certificates.conf mozilla/B.crt",
       "l etc/ssl/certs/B.pem /usr/share/ca-certificates/mozilla/B.crt\nf etc/ssl/certs/ca-certificates.crt "
       "b\n"},
      {"libc-bin", "f usr/share/libc-bin/nsswitch.conf passwd: files", "f etc/nsswitch.conf passwd: files\n"},
      {"tzdata", "f usr/share/zoneinfo/Etc/UTC TZif",
       "l etc/localtime /usr/share/zoneinfo/Etc/UTC\nf etc/timezone Etc/UTC\n"},
      {"tzdata", "f usr/share/zoneinfo/GMT TZif", ""},
      {"debianutils",
       "f usr/share/debianutils/shells /bin/sh\nf usr/share/debianutils/shells.d/bash /bin/bash",
       "f etc/shells /bin/sh|/bin/bash\n"},
      {"base-files", "f etc/dpkg/origins/debian Vendor: Debian", "l etc/dpkg/origins/default debian\n"},
      {"busybox", "f bin/busybox b\nf etc/busybox-paths.d/busybox /bin/ls\nf bin/cat c",
       "l usr/bin/ls /bin/busybox\n"},
      {"nobody", "f usr/share/base-passwd/passwd.master x", ""},
  };
  for (const Row& row : table)
    EXPECT_EQ(made({deb(row.package, row.files)}), row.want) << row.package << ": " << row.files;
}

TEST(Effects, WhatIsThereStays) {
  const tree::FileTree base = tree_of(
      "f etc/passwd own\nf etc/group own\nf etc/ssl/certs/ca-certificates.crt own\nf etc/nsswitch.conf "
      "own\nl etc/localtime own\n"
      "f etc/timezone own\nf etc/shells own\nl bin/ls own");
  EXPECT_EQ(made({deb("base-passwd",
                      "f usr/share/base-passwd/passwd.master x\nf usr/share/base-passwd/group.master x"),
                  deb("ca-certificates", "f usr/share/ca-certificates/a.crt a"),
                  deb("libc-bin", "f usr/share/libc-bin/nsswitch.conf x"),
                  deb("tzdata", "f usr/share/zoneinfo/Etc/UTC TZif"),
                  deb("debianutils", "f usr/share/debianutils/shells /bin/sh"),
                  deb("busybox", "f etc/busybox-paths.d/busybox /bin/ls")},
                 base),
            "");
}

TEST(Effects, CertificatesThatAreNotInTheImage) {
  Settings settings;
  settings.choices = {{"ca-certificates", {"usr/share/doc/**"}, {}}};
  EXPECT_EQ(
      result({deb("ca-certificates", "f usr/share/ca-certificates/a.crt a\nf usr/share/doc/c/copyright c")},
             settings),
      "f etc/ssl/certs/ca-certificates.crt a\nf usr/share/doc/c/copyright c\n");
}

TEST(Effects, Alternatives) {
  const auto script = [](const std::string& text) {
    return std::map<std::string, std::string>{{"postinst", "#!/bin/sh\n" + text}};
  };
  const Package mawk =
      deb("mawk", "f usr/bin/mawk m\nf usr/share/man/man1/mawk.1.gz m", "",
          script("update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n  --slave "
                 "/usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz\n"));
  const Package gawk = deb("gawk", "f usr/bin/gawk g", "",
                           script("update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10 --slave "
                                  "/usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/gawk.1.gz\n"));
  EXPECT_EQ(
      made({mawk}),
      "l etc/alternatives/awk /usr/bin/mawk\nl etc/alternatives/awk.1.gz /usr/share/man/man1/mawk.1.gz\n"
      "l usr/bin/awk /etc/alternatives/awk\nl usr/share/man/man1/awk.1.gz /etc/alternatives/awk.1.gz\n");
  const std::string high = "l etc/alternatives/awk /usr/bin/gawk\nl usr/bin/awk /etc/alternatives/awk\n";
  EXPECT_EQ(made({gawk, mawk}), high) << "a slave that is not there has no link";
  EXPECT_EQ(made({mawk, gawk}), high);
  Settings settings;
  settings.choices = {{"gawk", {}, {"usr/bin/gawk"}}};
  EXPECT_EQ(made({gawk}, {}, settings), "") << "left out";
}

TEST(Effects, Sysusers) {
  const Package package = deb("a", "d usr/lib/sysusers.d");
  Package with = package;
  with.tree.put(
      "usr/lib/sysusers.d/a.conf",
      tree::file_node(
          tree::inline_content(
              "# a comment\ng crowd 50 -\nu daemon 7 \"The daemon\" /var/d /bin/sh\nu free - \"Free\"\n"
              "m daemon crowd\nu evil:x 9\nu root 0\n"),
          0),
      0);
  const std::string passwd = "root:x:0:0:root:/root:/bin/sh\n";
  tree::FileTree base;
  base.put("etc/passwd", tree::file_node(tree::inline_content(passwd), 0), 0);
  base.put("etc/group", tree::file_node(tree::inline_content("root:x:0:\n"), 0), 0);
  const tree::FileTree all = whole(base, install(base, {with}, {}));
  EXPECT_EQ(read(all, "etc/passwd"),
            passwd + "daemon:x:7:7:The daemon:/var/d:/bin/sh\nfree:x:999:999:Free:/:/usr/sbin/nologin\n");
  EXPECT_EQ(read(all, "etc/group"), "root:x:0:\ncrowd:x:50:daemon\ndaemon:x:7:\nfree:x:999:\n");
  EXPECT_EQ(made({package}), "");
}

TEST(Effects, Tmpfiles) {
  Package package = deb("a", "f etc/passwd www:x:33:33::/:/bin/false\nf etc/group www:x:33:");
  package.tree.put(
      "usr/lib/tmpfiles.d/a.conf",
      tree::file_node(
          tree::inline_content("d /var/lib/a 0750 www www -\nd /run/a 0755\nL /var/link - - - - ../target\n"
                               "d /var/cache/%m\nd /etc 0700\nf /var/file 0644 - - - text\nD /var/d\n"),
          0),
      0);
  EXPECT_EQ(made({package}), "d:0750:33:33 var/lib/a\nl var/link ../target\n");
}

TEST(Effects, Warnings) {
  const auto warns = [](const std::string& text, const std::string& name = "postinst") {
    const std::string got =
        made({deb("a", "f usr/a 1\nf usr/bin/py3compile -", "", {{name, "#!/bin/sh\nset -e\n" + text}})});
    const size_t start = got.find("runs '");
    return start == std::string::npos ? got : got.substr(start + 6, got.find('\'', start + 6) - start - 6);
  };
  const std::pair<const char*, const char*> table[] = {
      {"if [ \"$1\" = configure ]; then\n  ldconfig\nfi\nexit 0\n", ""},
      {"# mkfoo x\necho mkfoo x\n", ""},
      {"mkfoo --system x\n", "mkfoo --system x"},
      {"  if true; then\n    mkfoo  /x\n  fi\n", "mkfoo /x"},
      {"mkfoo a \\\n   b \"c d\" > /etc/x 2>&1\n", "mkfoo a b \"c d\" > /etc/x 2>&1"},
      {"mine() {\n  true\n}\nmine x\n", ""},
      {"mine() { mkfoo $1; }\nmine x\n", "mkfoo $1"},
      // What a first installation does not reach.
      {"if [ -n \"$2\" ]; then mkfoo; fi\n", ""},
      {"if dpkg --compare-versions \"$2\" lt-nl 1.2; then mkfoo; fi\n", ""},
      {"case $1 in upgrade|abort-upgrade) mkfoo ;; configure) true ;; esac\n", ""},
      {"case \"$1\" in (conf*) mkfoo b ;; esac\n", "mkfoo b"},
      {"if [ -d /run/systemd/system ]; then mkfoo; fi\n", ""},
      {"exit 0\nmkfoo\n", ""},
      {"false && mkfoo\ntrue || mkfoo\n! true && mkfoo\n", ""},
      {"for i in a b; do [ $i = c ] && mkfoo; done\n", ""},
      // What cannot be known may be.
      {"if [ \"$(uname -r)\" = 1 ]; then mkfoo; fi\n", "mkfoo"},
      {"db_get a/b\n[ \"$RET\" = true ] && mkfoo\n", "mkfoo"},
      // What does not matter, however it is written.
      {"[ ! -x /usr/bin/deb-systemd-helper ] || deb-systemd-helper enable x.service >/dev/null || true\n",
       ""},
      {"if which py3compile >/dev/null 2>&1; then py3compile -p a; fi\n", ""},
      {". /usr/share/debconf/confmodule\ndb_input low a/b || true\ndb_go\n", ""},
      {"cat <<EOF\nmkfoo\nEOF\n", ""},
      {"V=`mkfoo` && export V\n", ""},
      // What writes matters, whoever writes.
      {"echo x > /etc/y\n", "echo x > /etc/y"},
      {"cat > /etc/y <<EOF\nmkfoo\nEOF\n", "cat > /etc/y <<EOF"},
      {"sed -i s/a/b/ /etc/y\n", "sed -i s/a/b/ /etc/y"},
      {"echo x > /run/y\n", ""},
      {"glib-compile-schemas /usr/share/glib-2.0/schemas\n",
       "glib-compile-schemas /usr/share/glib-2.0/schemas"},
      {"chown no-such-user /usr/a\n", "chown no-such-user /usr/a"},
  };
  for (const auto& [text, want] : table) EXPECT_EQ(warns(text), want) << text;
  EXPECT_EQ(warns("mkfoo\n", "preinst"), "mkfoo");
  EXPECT_EQ(warns("mkfoo\n", "postrm"), "");
  EXPECT_EQ(warns("if true; then\n"), "(cannot be followed: ") << "half a script";
  EXPECT_EQ(made({deb("bash", "f bin/bash 1", "", {{"postinst", "mkfoo\n"}})}), "") << "the table knows it";
  EXPECT_NE(made({deb("a", "", "", {{"postinst", "mkfoo\n"}})})
                .find("! the package a has a postinst script that runs 'mkfoo'"),
            std::string::npos);
}

// The expected links and lines are what the scripts leave on a Debian 12.
TEST(Effects, WhatScriptsDo) {
  const auto of = [](const std::string& text, const std::string& files = "f usr/a 1") {
    return made({deb("a", files, "", {{"postinst", "#!/bin/sh\nset -e\n" + text}})});
  };
  const std::string accounts =
      "f etc/group root:x:0:|nogroup:x:65534:{}\n"
      "f etc/passwd "
      "root:x:0:0:root:/root:/sbin/nologin|nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin{}\n";
  const auto with = [&](const std::string& groups, const std::string& users) {
    return fmt::format(fmt::runtime(accounts), groups, users);
  };
  EXPECT_EQ(of("if ! getent passwd x >/dev/null; then\n  adduser --system --group --no-create-home --quiet x "
               "|| true\nfi\n"),
            with("|x:x:100:", "|x:x:100:100::/nonexistent:/usr/sbin/nologin"));
  EXPECT_EQ(
      of("addgroup --system g\nadduser --system --ingroup g --home /var/lib/x --gecos 'The X' --shell "
         "/bin/false x\n"
         "install -d -o x -g adm -m 2750 /var/log/x\nmkdir -p /etc/x\nchown -R root:x /etc/x || true\n"),
      with("|g:x:100:|adm:x:4:", "|x:x:101:100:The X:/var/lib/x:/bin/false") +
          "d:0755:101:100 var/lib/x\nd:2750:101:4 var/log/x\n" +
          "! the package a has a postinst script that runs 'chown -R root:x /etc/x', which is not done for "
          "the image; "
          "if it matters, do it with 'files', or in a stage and 'copy'\n");
  // The shell's own words, and functions of the script, are no commands.
  const std::string left =
      "! the package a has a postinst script that runs {}, which is not done for the image; if it "
      "matters, do it with 'files', or in a stage and 'copy'\n";
  EXPECT_EQ(
      of("setup_colors() {\n  RED=1; mkred\n}\nfor i in 1 2; do\n  [ $i = 1 ] && continue\n  setup_colors\n"
         "done\nwhile read l; do continue; done\n"),
      fmt::format(fmt::runtime(left), "'mkred'"));
  EXPECT_EQ(of("function paint {\n  mkred\n}\nfunction more() { mkgreen; }\nif [ -e /unknown$(cat x) ]; then "
               "paint; "
               "fi\nmore\nlater\nlater() { mkblue; }\nulimit -n 5; shopt -s x; declare -a y\n"),
            fmt::format(fmt::runtime(left), "'mkred', 'mkgreen', 'mkblue'"));
  // All of them are shown, and whole.
  const std::string many = "mk " + std::string(900, 'x');
  EXPECT_EQ(of("one\ntwo\nthree\n" + many + "\nfive\n"),
            fmt::format(fmt::runtime(left), "'one', 'two', 'three', '" + many + "', 'five'"));
  EXPECT_EQ(of("useradd -r -s /usr/sbin/nologin -d /srv u\nadduser u www-data\n"),
            with("|u:x:999:|www-data:x:33:u", "|u:x:999:999::/srv:/usr/sbin/nologin"));
  EXPECT_EQ(of("chown www-data:www-data /usr/a\nchmod u=rwX,g+w,o= /usr/a\n"),
            with("|www-data:x:33:", "|www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin") +
                "f:0660:33:33 usr/a 1\n");
  EXPECT_EQ(of("dpkg-statoverride --update --add root shadow 2755 /usr/a\n"),
            "f etc/group root:x:0:|nogroup:x:65534:|shadow:x:42:\n" +
                with("", "").substr(with("", "").find("f etc/passwd")) + "f:2755:0:42 usr/a 1\n");
  EXPECT_EQ(of("ln -sf ../a /etc/b\ntouch /var/lib/c\nucf --three-way /usr/a /etc/d\n"),
            "l etc/b ../a\nf etc/d 1\nf var/lib/c -\n");
}

TEST(Effects, AlternativesInLoops) {
  const Package jre = deb(
      "jre",
      "f:0755 usr/lib/jvm/17/bin/java j\nf:0755 usr/lib/jvm/17/bin/keytool k\nf "
      "usr/lib/jvm/17/man/man1/java.1.gz m",
      "",
      {{"postinst",
        "#!/bin/sh\nset -e\nmultiarch=x\npriority=1711\nbasedir=/usr/lib/jvm/17\njre_tools='java keytool "
        "gone'\n"
        "case \"$1\" in\nconfigure)\n  if ! mountpoint -q /proc; then exit 1; fi\n"
        "  if [ -z \"$2\" ]; then update=y; fi\n"
        "  if [ \"$update\" = y ]; then\n"
        "  if [ -n \"$multiarch\" ] && [ \"$DPKG_MAINTSCRIPT_ARCH\" != $(dpkg --print-architecture) ]; then\n"
        "    priority=$(expr $priority - 1)\n  fi\n"
        "  for i in $jre_tools; do\n    unset slave1 || true\n"
        "    if [ -e $basedir/man/man1/$i.1.gz ]; then\n"
        "      slave1=\"--slave /usr/share/man/man1/$i.1.gz \\\n   $i.1.gz $basedir/man/man1/$i.1.gz\"\n    "
        "fi\n"
        "    update-alternatives \\\n --install \\\n /usr/bin/$i $i $basedir/bin/$i $priority $slave1\n  "
        "done\n"
        "  fi\n  ;;\nesac\nexit 0\n"}});
  EXPECT_EQ(made({jre}),
            "l etc/alternatives/java /usr/lib/jvm/17/bin/java\nl etc/alternatives/java.1.gz "
            "/usr/lib/jvm/17/man/man1/java.1.gz\n"
            "l etc/alternatives/keytool /usr/lib/jvm/17/bin/keytool\nl usr/bin/java /etc/alternatives/java\n"
            "l usr/bin/keytool /etc/alternatives/keytool\nl usr/share/man/man1/java.1.gz "
            "/etc/alternatives/java.1.gz\n");
}

TEST(Effects, AccountsThatTheBaseLacks) {
  tree::FileTree base;
  base.put("etc/passwd", tree::file_node(tree::inline_content("root:x:0:0::/:/x\nown:x:33:33::/:/x\n"), 0),
           0);
  base.put("etc/group", tree::file_node(tree::inline_content("root:x:0:\n"), 0), 0);
  Package passwd = deb("base-passwd", "d usr/share/base-passwd");
  passwd.tree.put(
      "usr/share/base-passwd/passwd.master",
      tree::file_node(tree::inline_content(
                          "root:*:0:0:root:/root:/bin/bash\nman:*:6:12:man:/m:/s\nwww-data:*:33:33::/:/s\n"),
                      0),
      0);
  passwd.tree.put("usr/share/base-passwd/group.master",
                  tree::file_node(tree::inline_content("root:*:0:\nman:*:12:\n"), 0), 0);
  const tree::FileTree all = whole(base, install(base, {passwd}, {}));
  EXPECT_EQ(read(all, "etc/passwd"), "root:x:0:0::/:/x\nown:x:33:33::/:/x\nman:*:6:12:man:/m:/s\n");
  EXPECT_EQ(read(all, "etc/group"), "root:x:0:\nman:*:12:\n");
}

TEST(Effects, BeforeScriptsRun) {
  Settings settings;
  settings.full_database = true;
  settings.state = "unpacked";
  const std::string got =
      result({deb("base-passwd", "f usr/share/base-passwd/passwd.master root:x:0:0:root:/root:/bin/sh"),
              deb("tzdata", "f usr/share/zoneinfo/Etc/UTC TZif", "", {{"postinst", "mkfoo\n"}})},
             settings);
  EXPECT_NE(got.find("f etc/passwd root:x:0:0"), std::string::npos) << "whose the files are has to be known";
  EXPECT_EQ(got.find("etc/localtime"), std::string::npos) << got;
}

}  // namespace
}  // namespace minibuild::packages
