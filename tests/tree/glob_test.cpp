#include "minibuild/tree/glob.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"

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

TEST(GlobMatch, TakesANameThatIsWrittenJustSo) {
  EXPECT_TRUE(glob_match("app/[id].tsx", "app/[id].tsx"));
  EXPECT_TRUE(glob_match("app/*/[...rest]/page.tsx", "app/x/[...rest]/page.tsx"));
  EXPECT_TRUE(glob_match("app/[id].tsx", "app/d.tsx"));
  EXPECT_FALSE(glob_match("app/[id].tsx", "app/x.tsx"));
}

TEST(PlaceOfGlob, IsWhereTheSearchBegins) {
  const auto place = [](const char* pattern) {
    const GlobPlace found = place_of_glob(pattern, [](const std::string& path) {
      return path == "[id]" || path == "[id]/[a].txt" || path == "x*y" || path == "a\\b";
    });
    return found.start + " then " + found.rest;
  };
  EXPECT_EQ(place("a/b/*.c"), "a/b then *.c");
  EXPECT_EQ(place("*.c"), " then *.c");
  EXPECT_EQ(place("./a//b"), "a/b then ");
  EXPECT_EQ(place("[id]/[a].txt"), "[id]/[a].txt then ");
  EXPECT_EQ(place("[id]/[b].txt"), "[id] then [b].txt");
  EXPECT_EQ(place("x*y"), " then x*y");
  EXPECT_EQ(place("\\[b\\]/\\*"), "[b]/* then ");
  EXPECT_EQ(place("a\\b"), "a\\b then ");
}

IgnoreList list_of(std::string_view text) {
  std::vector<IgnoreProblem> problems;
  IgnoreList list = IgnoreList::parse(text, problems);
  EXPECT_TRUE(problems.empty()) << text;
  return list;
}

TEST(IgnoreList, LastMatchDecides) {
  const IgnoreList list =
      list_of("# build results\n*.o\nnode_modules\n\n docs/ \n!docs/keep.md\n!important.o\n");
  EXPECT_TRUE(list.ignores("a.o"));
  EXPECT_FALSE(list.ignores("sub/a.o"));
  EXPECT_FALSE(list.ignores("important.o"));
  EXPECT_TRUE(list.ignores("node_modules"));
  EXPECT_TRUE(list.ignores("node_modules/x/y"));
  EXPECT_TRUE(list.ignores("docs/other.md"));
  EXPECT_FALSE(list.ignores("docs/keep.md"));
  EXPECT_FALSE(list.ignores("# build results"));
  EXPECT_TRUE(list_of("*\n!src").ignores("x"));
  EXPECT_FALSE(list_of("*\n!src").ignores("src/a"));
}

TEST(IgnoreList, PassesOverDirectoriesInWhichNothingIsExcepted) {
  EXPECT_FALSE(list_of("docs\n!docs/keep.md").ignores_all_below("docs"));
  EXPECT_TRUE(list_of("docs").ignores_all_below("docs"));
  EXPECT_TRUE(list_of("docs\nx\n!x/y").ignores_all_below("docs"));
  EXPECT_FALSE(list_of("docs\n!docs/**").ignores_all_below("docs/a"));
  EXPECT_FALSE(list_of("docs\n!**/keep").ignores_all_below("docs"));
}

// Docker's own reader is asked in e2e/ignore_files.sh; these are what people wrote and met.
TEST(IgnoreList, OdditiesAreThoseOfDocker) {
  struct {
    const char* lines;
    const char* path;
    bool ignored;
  } const table[] = {
      {"**.md", "a/b.md", true},
      {"a**b", "a/x/b", true},
      {"a**b", "axb", false},
      {"**/a", "a", true},
      {"a/**", "a", false},
      {".", "a", false},
      {"/", "a", false},
      {"*\n!.", "a", true},
      {"d/../a", "a", true},
      {"../a", "a", false},
      {"/../a", "a", true},
      {"[!a]", "!", true},
      {"[!a]", "b", false},
      {"[^a]", "b", true},
      {"\\d", "7", true},
      {"\\*", "*", true},
      {"\xEF\xBB\xBF"
       "a\r\n",
       "a", true},
      {"! a", "a", false},
      {"a*\n! a", "a", false},
      {"*", "\xFF", true},
      {"?", "\xFF", true},
  };
  for (const auto& one : table)
    EXPECT_EQ(list_of(one.lines).ignores(one.path), one.ignored) << one.lines << " of " << one.path;
}

TEST(IgnoreList, TellsWhereALineIsMalformed) {
  const auto told = [](std::string_view text) {
    std::vector<IgnoreProblem> problems;
    IgnoreList::parse(text, problems);
    std::string out;
    for (const IgnoreProblem& one : problems)
      out += std::to_string(one.line) + ":" + std::to_string(one.column) + " " + one.what + "\n";
    return out;
  };
  EXPECT_EQ(told("a\n\xC3\xBC[b\n!\n  !/x/[]a]\nb\\\n"),
            "2:2 a '[' has no ']'\n"
            "3:1 '!' has no pattern behind it\n"
            "4:8 ']' begins no character of the set; '\\]' is one\n"
            "5:2 it ends with '\\'\n");
  EXPECT_EQ(told("*/[z-a]\n"), "1:4 the range 'z-a' ends before it begins\n");
  EXPECT_EQ(told("a\\8\n"), "1:2 '\\8' is not understood\n");
  EXPECT_EQ(told(std::string(70000, 'a')), "1:1 the line has 70000 bytes, want at most 65536\n");
}

TEST(IgnoreList, OfASpecHasItsOwnComplementsAndNoSilentDot) {
  EXPECT_TRUE(IgnoreList({"[!a]*"}).ignores("b"));
  EXPECT_FALSE(IgnoreList({"[!a]*"}).ignores("a"));
  EXPECT_EQ(ignore_error("[]]"), "");
  EXPECT_NE(ignore_error("."), "");
  EXPECT_NE(ignore_error("!"), "");
  EXPECT_NE(ignore_error("[z-a]"), "");
  EXPECT_THROW(IgnoreList({"/"}), base::Error);
}

}  // namespace
}  // namespace minibuild::tree
