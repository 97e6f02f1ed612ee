#include "minibuild/base/text.h"
#include "minibuild/base/log_line.h"

#include <gtest/gtest.h>

namespace minibuild::base {
namespace {

TEST(Nearest, SuggestsWhatWasMeant) {
  const std::vector<std::string> keys = {"packages", "entrypoint", "env", "copy"};
  EXPECT_EQ(nearest("pakages", keys), "packages");
  EXPECT_EQ(nearest("entrypiont", keys), "entrypoint");
  EXPECT_EQ(nearest("cpoy", keys), "copy");
  EXPECT_EQ(nearest("something", keys), "");
}

TEST(ParseSize, ReadsUnits) {
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("20MB"), 20'000'000U);
  EXPECT_EQ(parse_size("1.5GiB"), 1'610'612'736U);
  EXPECT_EQ(parse_size("0"), 0U);
  for (const char* wrong : {"", "MB", "-1", "1XB", "1.2.3MB", "99999999999999999999"})
    EXPECT_FALSE(parse_size(wrong)) << wrong;
}

// The expected values are those of `date -u -d TIME +%s`.
TEST(ParseTime, ReadsRfc3339) {
  EXPECT_EQ(parse_time("0"), 0);
  EXPECT_EQ(parse_time("1700000000"), 1700000000);
  EXPECT_EQ(parse_time("2026-11-24T10:00:00Z"), 1795514400);
  EXPECT_EQ(parse_time("2024-02-29T23:59:59+02:00"), 1709243999);
  EXPECT_EQ(parse_time("2024-02-29T23:59:59.25-05:30"), 1709270999);
  for (const char* wrong : {"", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01", "yesterday",
                            "1969-12-31T23:59:59Z"})
    EXPECT_FALSE(parse_time(wrong)) << wrong;
}

TEST(FormatTime, IsTheOtherWay) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(951782400), "2000-02-29T00:00:00Z");
  for (const int64_t seconds : {1LL, 86399LL, 1700000000LL, 4102444800LL, 253402300799LL})
    EXPECT_EQ(parse_time(format_time(seconds)), seconds);
}

TEST(IsUtf8, KnowsTheTable) {
  EXPECT_TRUE(is_utf8("gr\xc3\xbc\xc3\x9f"));
  EXPECT_TRUE(is_utf8("\xf0\x9f\x98\x80"));
  for (const char* wrong : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(wrong));
}

TEST(Printable, ShowsControlCharacters) {
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a\\nb\\x1b[31m");
  EXPECT_EQ(printable("\xff"), "\\xff");
}

TEST(Text, ColoursOfALogAreKeptOrLeftOut) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"plain", "plain", "plain"},
      {"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m", "red"},
      {"\x1b[mx", "\x1b[mx\x1b[0m", "x"},
      {"a\x1b[2Jb", "a\\x1b[2Jb", "a\\x1b[2Jb"},
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07", "\\x1b]0;title\\x07"},
      {"\x1b[31", "\\x1b[31", "\\x1b[31"},
      {"\x1b[?25lm", "\\x1b[?25lm", "\\x1b[?25lm"},
      {"\x1b\x1b[32mg", "\\x1b\x1b[32mg\x1b[0m", "\\x1bg"},
  };
  for (const auto& [line, with, without] : cases) {
    EXPECT_EQ(log_line(line, true), with);
    EXPECT_EQ(log_line(line, false), without);
  }
}

}  // namespace
}  // namespace minibuild::base
