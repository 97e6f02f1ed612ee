#include "minibuild/tree/glob.h"

#include <gtest/gtest.h>

namespace minibuild::tree {
namespace {

struct Case {
  const char* pattern;
  const char* path;
  bool matches;
};

// As Docker documents .dockerignore, and Go's filepath.Match.
const Case cases[] = {
    {"*.o", "a.o", true},
    {"*.o", "dir/a.o", false},
    {"**/*.o", "a.o", true},
    {"**/*.o", "x/y/a.o", true},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a/**/b", "a/x/y/c", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"?", "\xc3\xbc", true},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[^a-c]x", "ax", false},
    {"[]]", "]", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"/a/b", "a/b", true},
    {"./a", "a", true},
    {"a*b*c", "aXbYbZc", true},
    {"a*b*c", "aXbYbZ", false},
    {"*", ".hidden", true},
    {"**", "any/thing", true},
    {"a", "a/b", false},
    {"", "a", false},
};

TEST(GlobMatch, FollowsTheTable) {
  for (const Case& one : cases)
    EXPECT_EQ(glob_match(one.pattern, one.path), one.matches) << one.pattern << " against " << one.path;
}

TEST(GlobMatch, IsFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(4000, 'a')));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "**/a/";
  std::string path;
  for (int i = 0; i < 500; ++i) path += "a/";
  EXPECT_FALSE(glob_match(deep + "b", path + "c"));
}

TEST(GlobError, NamesWhatIsWrong) {
  EXPECT_EQ(glob_error("src/**/[a-z]*.c"), "");
  EXPECT_EQ(glob_error("src/[a"), "a '[' has no ']'");
  EXPECT_EQ(glob_error("a\\"), "it ends with '\\'");
  EXPECT_EQ(glob_error(""), "it is empty");
}

TEST(GlobPrefix, IsWhereTheSearchBegins) {
  EXPECT_EQ(glob_prefix("a/b/*.c"), "a/b");
  EXPECT_EQ(glob_prefix("*.c"), "");
  EXPECT_EQ(glob_prefix("./a//b"), "a/b");
}

TEST(IgnoreList, LastMatchDecides) {
  const IgnoreList list =
      IgnoreList::parse("# build results\n*.o\nnode_modules\n\n docs/ \n!docs/keep.md\n!important.o\n");
  EXPECT_TRUE(list.ignores("a.o"));
  EXPECT_FALSE(list.ignores("sub/a.o"));
  EXPECT_FALSE(list.ignores("important.o"));
  EXPECT_TRUE(list.ignores("node_modules"));
  EXPECT_TRUE(list.ignores("node_modules/x/y"));
  EXPECT_TRUE(list.ignores("docs/other.md"));
  EXPECT_FALSE(list.ignores("docs/keep.md"));
  EXPECT_FALSE(list.ignores("# build results"));
  EXPECT_FALSE(list.ignores_all_below("docs"));
  EXPECT_TRUE(IgnoreList::parse("docs").ignores_all_below("docs"));
  EXPECT_TRUE(IgnoreList::parse("*\n!src").ignores("x"));
  EXPECT_FALSE(IgnoreList::parse("*\n!src").ignores("src/a"));
}

}  // namespace
}  // namespace minibuild::tree
