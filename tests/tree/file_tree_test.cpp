#include "minibuild/tree/file_tree.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"
#include "minibuild/tree/accounts.h"

namespace minibuild::tree {
namespace {

FileTree sample() {
  FileTree tree;
  tree.put("usr/lib/libx.so", file_node(inline_content("x"), 0), 0);
  tree.put("lib", symlink_node("usr/lib", 0), 0);
  tree.put("abs", symlink_node("/usr", 0), 0);
  tree.put("up", symlink_node("../../usr/lib/libx.so", 0), 0);
  tree.put("loop", symlink_node("loop", 0), 0);
  return tree;
}

TEST(Normalise, StaysBelowTheRoot) {
  EXPECT_EQ(normalise("/a//b/./c/"), "a/b/c");
  EXPECT_EQ(normalise("a/../../b"), "b");
  EXPECT_EQ(normalise("/"), "");
}

TEST(Resolve, FollowsLinksInsideTheRoot) {
  const FileTree tree = sample();
  EXPECT_EQ(tree.resolve("lib/libx.so"), "usr/lib/libx.so");
  EXPECT_EQ(tree.resolve("abs/lib/new"), "usr/lib/new");
  EXPECT_EQ(tree.resolve("lib"), "lib");
  EXPECT_EQ(tree.resolve("lib", true), "usr/lib");
  EXPECT_EQ(tree.resolve("up", true), "usr/lib/libx.so");  // `..` of the root is the root
  EXPECT_THROW(tree.resolve("loop/x"), base::Error);
  EXPECT_THROW(tree.resolve("usr/lib/libx.so/x"), base::Error);
}

TEST(Put, MakesParentsAndReplacesWhatWasThere) {
  FileTree tree = sample();
  tree.put("usr/lib", file_node(inline_content("now a file"), 0), 0);
  EXPECT_EQ(tree.find("usr/lib/libx.so"), nullptr);
  tree.put("a/b/c", file_node(inline_content(""), 7), 5);
  ASSERT_NE(tree.find("a/b"), nullptr);
  EXPECT_EQ(tree.find("a/b")->mtime, 5);
  EXPECT_EQ(tree.find("a")->mode, 0755U);
  tree.remove("a");
  EXPECT_EQ(tree.find("a/b/c"), nullptr);
}

TEST(Put, KeepsSiblingsWhoseNamesGoOn) {
  FileTree tree;
  for (const char* path : {"a/x", "a-b", "a.c", "a0"}) tree.put(path, file_node(inline_content(""), 0), 0);
  tree.remove("a");
  EXPECT_EQ(tree.size(), 3U);
}

TEST(ReadContent, NoticesAChange) {
  const std::string path = testing::TempDir() + "/minibuild-content";
  base::write_file_atomic(path, "hello");
  struct stat st {};
  ASSERT_TRUE(base::lstat_path(path, st));
  const Content content{DiskFile{path, base::stamp_of(st)}, 5};
  EXPECT_EQ(read_content(content, 100), "hello");
  base::write_file_atomic(path, "HELLO");
  EXPECT_THROW(read_content(content, 100), base::Error);
}

// The digests are sha256sum's of "x" and of nothing.
TEST(Dump, ShowsEverything) {
  FileTree tree;
  Node file = file_node(inline_content("x"), 9, 04755);
  file.uid = 10;
  file.xattrs = {{"user.a", "\x01"}};
  file.link_group = tree.new_link_group();
  tree.put("bin/a", file, 1);
  tree.put("bin/b", file, 1);
  tree.put("bin/l", symlink_node("a", 2), 1);
  EXPECT_EQ(dump(tree),
            "d 0755 0:0 1 /bin\n"
            "- 4755 10:0 9 /bin/a 1 sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 "
            "user.a=01\n"
            "- 4755 10:0 9 /bin/b = /bin/a user.a=01\n"
            "l 0777 0:0 2 /bin/l -> a\n");
}

TEST(ResolveUser, KnowsEveryForm) {
  const Accounts accounts{{{"app", 1000, 50, "", "/", ""}, {"1234", 7, 8, "", "/", ""}},
                          {{"staff", 50, {}}, {"web", 33, {}}}};
  const std::pair<const char*, Identity> cases[] = {
      {"app", {1000, 50}}, {"1000", {1000, 50}}, {"2000", {2000, 0}}, {"app:web", {1000, 33}},
      {"5:6", {5, 6}},     {"app:9", {1000, 9}}, {"1234", {7, 8}},    {"root", {0, 0}}};
  for (const auto& [text, identity] : cases) EXPECT_EQ(resolve_user(text, accounts), identity) << text;
  for (const char* wrong : {"nobody", "app:none", "4294967295", "99999999999999999999", ":", "a:b:c", ""})
    EXPECT_THROW(resolve_user(wrong, accounts), base::Error) << wrong;
}

TEST(ReadAccounts, LeavesOutMalformedLines) {
  FileTree tree;
  tree.put("etc/passwd",
           file_node(
               inline_content("root:x:0:0:root:/root:/bin/sh\nbroken\na:x:-1:0:::\nb:x:5:6::/b:/bin/b\n"), 0),
           0);
  tree.put("etc/group", file_node(inline_content("g:x:5:a,b\n:x:1:\n"), 0), 0);
  const Accounts accounts = read_accounts(tree);
  ASSERT_EQ(accounts.users.size(), 2U);
  EXPECT_EQ(accounts.users[1].gid, 6U);
  ASSERT_EQ(accounts.groups.size(), 1U);
  EXPECT_EQ(accounts.groups[0].members, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace minibuild::tree
