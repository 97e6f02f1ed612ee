#include "minibuild/packages/version.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::packages {
namespace {

// `A < B` or `A = B`, one a line; each is asked both ways.
using Compare = int (*)(std::string_view, std::string_view);
void expect_order(Compare compare, std::string_view table) {
  for (const std::string& line : base::split(base::trim(table), '\n')) {
    const std::vector<std::string> words = base::split(base::trim(line), ' ');
    ASSERT_EQ(words.size(), 3U) << line;
    const int want = words[1] == "=" ? 0 : -1;
    EXPECT_EQ(compare(words[0], words[2]), want) << line;
    EXPECT_EQ(compare(words[2], words[0]), -want) << line << ", turned round";
    EXPECT_EQ(compare(words[0], words[0]), 0) << words[0];
    EXPECT_EQ(compare(words[2], words[2]), 0) << words[2];
  }
}

TEST(DebVersion, Order) {
  expect_order(compare_deb_versions, R"(
    1 < 2
    9 < 10
    1.9 < 1.10
    1.0 = 1.00
    1.01 = 1.1
    1.0 = 0:1.0
    00:1.0 = 1.0
    9.9 < 1:0.1
    2:1 < 10:1
    1.0 = 1.0-0
    1.0 = 1.0-00
    1.0 = 1.0-
    1.0 < 1.0-0a
    1.0 < 1.0-1
    1.0-1 < 1.0-1.1
    1.0-1 < 1.0-2
    1.0-9 < 1.0-10
    1.0-1-1 < 1.0-1-2
    1-2 < 1-1-1
    1.0~~ < 1.0~~a
    1.0~~a < 1.0~
    1.0~ < 1.0
    1.0 < 1.0a
    1.0~beta1~svn1245 < 1.0~beta1
    1.0~beta1 < 1.0
    1.0~rc1-1 < 1.0-1
    1.0-1~bpo12+1 < 1.0-1
    1.0-1 < 1.0-1+b1
    1.0-1+b1 < 1.0-1+deb12u1
    1.0-1+deb12u1 < 1.0-1.1
    1.0a < 1.0b
    1.0Z < 1.0a
    1.0a < 1.0+
    1.0-1+ < 1.0+
    1.0a < 1.0.1
    1.0 < 1.0+dfsg
    1.0+dfsg < 1.0.1
    1.0 < 1.0:1
    1a = 1a0
    2.36-9+deb12u4 < 2.36-9+deb12u10
    18446744073709551615 < 18446744073709551616
    1.99999999999999999999999999999998 < 1.99999999999999999999999999999999
    a < b
  )");
  // Whatever stands in an index is ordered somehow: a wrong epoch belongs to the version.
  expect_order(compare_deb_versions, "x:1 < x:2\n:1 < :2\n1:2:3 < 1:2:4\n-1 < -2\n1:- = 1:");
  EXPECT_EQ(compare_deb_versions("", "0"), 0);
  EXPECT_EQ(compare_deb_versions("", "~"), 1);
  EXPECT_EQ(compare_deb_versions("1.\xC3\xA9", "1.a"), 1);
}

TEST(ApkVersion, Order) {
  expect_order(compare_apk_versions, R"(
    1 < 2
    1.9 < 1.10
    1.2 < 1.2.0
    1.2.3 < 1.2.3.1
    0.5 < 20040406-r1
    007 = 7
    1.1 < 1.2a
    1.2 < 1.2a
    1.2a < 1.2b
    1.2z < 1.2.0
    2.12r-r4 < 2.12r-r5
    6.8.0p2-r4 < 6.8.0p10-r0
    6.8.0p-r4 < 6.8.0p2-r4
    6.8.0p02 = 6.8.0p2
    6.8.0p1.9 < 6.8.0p1.10
    6.8.0-r9 < 6.8.0p2-r4
    6.8.0p2-r4 < 6.8.1-r0
    0.99f7-r0 < 0.99f7-r1
    0.99f7b < 0.99f7c
    1.2 < 1.2-r0
    1.2-r0 < 1.2-r1
    1.2-r9 < 1.2-r10
    1.2-r01 = 1.2-r1
    1.2-r99 < 1.2.1-r0
    1.2_alpha < 1.2_beta
    1.2_beta < 1.2_pre
    1.2_pre < 1.2_rc
    1.2_rc < 1.2
    1.2_rc < 1.2-r0
    1.2 < 1.2_cvs
    1.2_cvs < 1.2_svn
    1.2_svn < 1.2_git
    1.2_git < 1.2_hg
    1.2_hg < 1.2_p
    1.2-r5 < 1.2_p
    1.2_p < 1.2a
    1.2_alpha < 1.2_alpha0
    1.2_alpha1 < 1.2_alpha2
    1.2_alpha2 < 1.2_alpha10
    1.2_p9-r0 < 1.2_p10-r0
    1.2_rc1 < 1.2_rc1_p1
    1.2_rc1_alpha1 < 1.2_rc1
    0.1.0_alpha_pre2 < 0.1.0_alpha
    1.2_git20240101 < 1.2_git20240102
    1.0.0_pre20191002222144-r0 < 1.0.0_pre20210530193627-r0
    1.3_pre1-r1 < 1.3.2
    8.2.0 < 8.2.001
    8.2.0015 < 8.2.002
    8.2.09 < 8.2.1
    8.2.010 < 8.2.1
    8.2.00 < 8.2.01
    1.0 < 1.0~1234
    1.0~1234 < 1.0~2345
    1.0~9 < 1.0~a
    1.0~1234 < 1.0~12345
    1.0-r5 < 1.0~1234
    1.0~1234-r1 < 1.0~2345-r0
    1.0~1234-r0 < 1.0~1234-r1
    1.0~1234 < 1.0_p1
    18446744073709551615 < 18446744073709551616
  )");
  // Invalid before valid, by their bytes.
  expect_order(compare_apk_versions, "1.x < 0\n-r1 < .1\n1..2 < 1.x\n99_foo < 0_alpha\n1.2- = 1.2-");
  EXPECT_EQ(compare_apk_versions("", "0"), -1);
  EXPECT_EQ(compare_apk_versions("", ""), 0);
}

TEST(ApkVersion, Valid) {
  for (const char* text : {"0", "1.2", "1.2a", "1.2-r0", "0.1_pre2", "0.1_pre2~1234abcd", "0.1_p1_pre2",
                           "0.1_alpha1_pre2", "0.1_git20240101_pre1", "1a_rc3-r10", "2024.01.02", "1.02.003",
                           "1~0", "1.2_p~f-r1", "6.8.0p2-r4", "0.99f7-r0", "1a2.3b4_rc1"})
    EXPECT_TRUE(is_apk_version(text)) << text;
  for (const char* text :
       {"",        "a",           ".1",         "1.",         "1..2",     "-r1",       "_pre1",
        "0.1bc",   "0.1bc1",      "0.1a.1",     "0.1A",       "0.1_",     "0.1_-r0",   "0.1__p",
        "0.1_foo", "0.1_foo1",    "0.1_none",   "0.1_prefix", "0.1_1_rc", "0.1_rc1.2", "0.1_pre2~",
        "0.1~xb",  "0.1~12_pre1", "0.1-r2~12",  "0.1~1~2",    "0.1~ABC",  "0.1-",      "0.1-r",
        "0.1-1",   "0.1-pre1",    "0.1-r2_pre", "0.1-r2-r3",  "0.1-r2.1", "0.1-r1a",   " 1",
        "1 ",      "1.2\n",       "1:2",        "v1",         "1.2+3",    "0.1~1-"})
    EXPECT_FALSE(is_apk_version(text)) << text;
  EXPECT_FALSE(is_apk_version(std::string_view("1\0", 2)));
}

TEST(ApkVersion, Begins) {
  for (const auto& [version, prefix] :
       std::vector<std::pair<std::string, std::string>>{{"1.2", "1.2"},
                                                        {"1.2.3", "1.2"},
                                                        {"1.2-r1", "1.2"},
                                                        {"1.2_rc1", "1.2"},
                                                        {"1.2a", "1.2"},
                                                        {"1.2~abc", "1.2"},
                                                        {"1.2.3-r4", "1"},
                                                        {"1.2_rc1-r3", "1.2_rc1"},
                                                        {"1.2_rc1_p2", "1.2_rc1"},
                                                        {"1.2_rc1", "1.2_rc"},
                                                        {"1.2-r1", "1.2-r1"},
                                                        {"01.2", "1"},
                                                        {"3.6.9_post1", "3.6"},
                                                        {"3.6.0", "3.6.0"},
                                                        {"3.6.0_pre1", "3.6"}})
    EXPECT_TRUE(apk_version_begins(version, prefix)) << version << " ~ " << prefix;
  for (const auto& [version, prefix] :
       std::vector<std::pair<std::string, std::string>>{{"1.20", "1.2"},
                                                        {"1.2", "1.2.3"},
                                                        {"1.2", "1.2-r0"},
                                                        {"1.2_rc1", "1.2_rc2"},
                                                        {"1.2_rc1", "1.2_p"},
                                                        {"1.2_rc12", "1.2_rc1"},
                                                        {"1.2-r10", "1.2-r1"},
                                                        {"1.2ab", "1.2b"},
                                                        {"1.02", "1.2"},
                                                        {"1.2", "2"},
                                                        {"3.8", "3.8.1"},
                                                        {"3.8.0.1", "3.8.1"},
                                                        {"", "1"},
                                                        {"1.2", ""},
                                                        {"1.2", "1."},
                                                        {"1.2_x", "1.2_x"}})
    EXPECT_FALSE(apk_version_begins(version, prefix)) << version << " ~ " << prefix;
}

std::string run(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), n);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

// Pairs that are alike: the second is often the first with a change of one or two bytes, and the alphabet is
// what the rules tell apart.
class Pairs {
 public:
  // At most `digits` in a row.
  explicit Pairs(size_t digits) : digits_(digits) {}

  std::pair<std::string, std::string> next() {
    while (true) {
      const std::string a = version();
      const std::string b = random_(4) == 0 ? version() : changed(a);
      if (valid(a) && valid(b)) return {a, b};
    }
  }

 private:
  size_t random_(size_t below) { return static_cast<size_t>(generator_() % below); }
  char letter() { return alphabet[random_(alphabet.size())]; }

  std::string version() {
    std::string text;
    if (random_(4) == 0) text = std::to_string(random_(3)) + ":";
    text += static_cast<char>('0' + random_(3));
    for (size_t n = random_(9); n > 0; --n) text += letter();
    if (random_(3) != 0) {
      text += '-';
      for (size_t n = 1 + random_(4); n > 0; --n) text += letter();
    }
    if (random_(8) == 0)
      text.insert(random_(text.size()), std::string(1 + random_(digits_), "019"[random_(3)]));
    return text;
  }

  std::string changed(std::string text) {
    for (size_t n = random_(3); n > 0; --n) {
      const size_t at = random_(text.size() + 1);
      const size_t how = random_(3);
      if (how == 0)
        text.insert(at, 1, letter());
      else if (at < text.size() && how == 1)
        text.erase(at, 1);
      else if (at < text.size())
        text[at] = letter();
      if (text.empty()) text = "0";
    }
    return text;
  }

  // What dpkg takes without an error or a warning (deb-version(7)).
  bool valid(std::string_view text) const {
    size_t row = 0;
    for (const char c : text) {
      row = c >= '0' && c <= '9' ? row + 1 : 0;
      if (row > digits_) return false;
    }
    if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
      if (!base::parse_number(text.substr(0, colon), 1000)) return false;
      text.remove_prefix(colon + 1);
    }
    const size_t hyphen = text.rfind('-');
    if (hyphen != std::string_view::npos) {
      const std::string_view revision = text.substr(hyphen + 1);
      if (revision.empty() || revision.find(':') != std::string_view::npos) return false;
    }
    text = text.substr(0, hyphen);
    return !text.empty() && text[0] >= '0' && text[0] <= '9' && text.find(':') == std::string_view::npos;
  }

  static constexpr std::string_view alphabet = "001129..~~~-++aabzABZ:";
  size_t digits_;
  std::mt19937 generator_{20240229};
};

// Asks `judge`, a command that reads lines `A B` and writes a line `lt`, `eq` or `gt` for each.
void expect_agreement(size_t count, size_t digits, const std::string& judge) {
  const base::TemporaryDirectory directory("/tmp", "versions");
  const std::string path = directory.path() + "/pairs";
  Pairs source(digits);
  std::vector<std::pair<std::string, std::string>> pairs;
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    pairs.push_back(source.next());
    text += pairs.back().first + " " + pairs.back().second + "\n";
  }
  base::write_file_atomic(path, text);
  const std::vector<std::string> answers = base::split(base::trim(run(judge + " < " + path)), '\n');
  ASSERT_EQ(answers.size(), count);
  size_t seen[3] = {};
  for (size_t i = 0; i < count; ++i) {
    const auto& [a, b] = pairs[i];
    const int got = compare_deb_versions(a, b);
    ++seen[got + 1];
    ASSERT_EQ(got < 0 ? "lt" : got > 0 ? "gt" : "eq", answers[i]) << a << " and " << b;
    ASSERT_EQ(compare_deb_versions(b, a), -got) << a << " and " << b;
  }
  // All three answers are well represented, or the pairs would prove little.
  for (const size_t n : seen) EXPECT_GT(n, count / 20);
}

TEST(DebVersion, AgreesWithDpkgsPerl) {
  // Perl's numbers are exact up to 15 digits.
  expect_agreement(100'000, 15,
                   "perl -MDpkg::Version -e 'while (<STDIN>) { my ($a, $b) = split; "
                   "print((\"lt\", \"eq\", \"gt\")[1 + (Dpkg::Version->new($a) <=> Dpkg::Version->new($b))], "
                   "\"\\n\"); }'");
}

TEST(DebVersion, AgreesWithDpkg) {
  expect_agreement(300, 9,
                   "sh -c 'while read -r a b; do for op in lt eq gt; do "
                   "if dpkg --compare-versions \"$a\" $op \"$b\"; then echo $op; break; fi; done; done'");
}

}  // namespace
}  // namespace minibuild::packages
