#include "builder/sandbox/redact.h"

#include <gtest/gtest.h>

namespace minibuild::sandbox {
namespace {

std::vector<std::string> lines_of(const std::string& secret, const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  LineSplitter splitter({{.id = "one", .env = "ONE", .file = {}, .value = secret}},
                        [&lines](std::string_view line) { lines.emplace_back(line); });
  for (const std::string& piece : pieces) splitter.add(piece);
  splitter.finish();
  return lines;
}

using Lines = std::vector<std::string>;

TEST(Redact, MakesLinesOfPieces) {
  EXPECT_EQ(lines_of("", {"a", "b\nc", "\n\nlast"}), (Lines{"ab", "c", "", "last"}));
  EXPECT_EQ(lines_of("", {""}), Lines{});
  EXPECT_EQ(lines_of("", {"10 %\r50 %\r100 %\ndone\r\n"}), (Lines{"100 %", "done"}));
}

TEST(Redact, HidesTheValueAlsoWhenItArrivesInPieces) {
  EXPECT_EQ(lines_of("hunter22", {"x hunter22 y hunter22\n"}), (Lines{"x *** y ***"}));
  EXPECT_EQ(lines_of("hunter22", {"x hun", "ter", "22 y"}), (Lines{"x *** y"}));
}

TEST(Redact, HidesEachLineOfAValueAndItsBase64) {
  EXPECT_EQ(lines_of("first-line\nsecond-line\n", {"a second-line b first-line\n"}), (Lines{"a *** b ***"}));
  // printf hunter22 | base64; printf 'hunter22\n' | base64
  EXPECT_EQ(lines_of("hunter22", {"aHVudGVyMjI= aHVudGVyMjIK\n"}), (Lines{"***= ***"}));
}

TEST(Redact, LeavesWhatIsTooShortToBeASecret) {
  EXPECT_EQ(lines_of("abc", {"abc abcd\n"}), (Lines{"abc abcd"}));
}

TEST(Redact, ASecretIsNeverCutByTheLengthOfALine) {
  const std::string secret = "a-rather-long-secret-value";
  for (size_t before = (size_t{16} << 10) - 60; before < (size_t{16} << 10) + 60; ++before) {
    std::string text(before, '.');
    text += secret + std::string(20'000, ',');
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size(); at += 1000) pieces.push_back(text.substr(at, 1000));
    std::string all;
    for (const std::string& line : lines_of(secret, pieces)) {
      EXPECT_LT(line.size(), size_t{40'000});
      all += line;
    }
    ASSERT_EQ(all, std::string(before, '.') + "***" + std::string(20'000, ',')) << before;
  }
}

}  // namespace
}  // namespace minibuild::sandbox
