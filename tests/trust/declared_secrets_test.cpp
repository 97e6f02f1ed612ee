#include "minibuild/trust/declared_secrets.h"

#include <gtest/gtest.h>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

const std::string value = "s3cr t/\"&x'+\\end-of-it";

// Forms made by other programs (python3: base64, binascii, urllib.parse, json, xml.sax.saxutils, shlex) of
// `value` between other bytes.
using Values = std::map<std::string, std::string>;

struct Case {
  const char* name;
  std::string text;
};

std::string padded(size_t before, const std::string& inner) {
  return std::string(before, '.') + inner + "....";
}

class SecretFormsTest : public testing::Test {
 protected:
  SecretForms forms_{Values{{"token", value}}};
};

TEST_F(SecretFormsTest, FindsWhatOtherProgramsMake) {
  const std::vector<Case> cases = {
      {"raw", value},
      // base64.b64encode(b"x" * n + value)
      {"base64 at 0", "czNjciB0LyImeCcrXGVuZC1vZi1pdA=="},
      {"base64 at 1", "eHMzY3IgdC8iJngnK1xlbmQtb2YtaXQ="},
      {"base64 at 2", "eHhzM2NyIHQvIiZ4JytcZW5kLW9mLWl0"},
      {"in lines", "czNjciB0LyIm\n    eCcrXGVuZC1v\r\n\tZi1pdA=="},
      {"hexadecimal", "733363722074 2f2226 78272b5c656e642d6f662d6974"},
      {"upper case", "7333637220742F222678272B5C656E642D6F662D6974"},
      {"quote", "s3cr%20t/%22%26x%27%2B%5Cend-of-it"},
      {"quote_plus", "s3cr+t%2F%22%26x%27%2B%5Cend-of-it"},
      {"encodeURIComponent", "s3cr%20t%2F%22%26x'%2B%5Cend-of-it"},
      {"json", R"(s3cr t/\"&x'+\\end-of-it)"},
      {"json with slashes", R"(s3cr t\/\"&x'+\\end-of-it)"},
      {"xml", "s3cr t/\"&amp;x'+\\end-of-it"},
      {"shell", "s3cr t/\"&x'\\''+\\end-of-it"},
  };
  for (const Case& one : cases)
    for (size_t before = 0; before < 5; ++before)
      EXPECT_TRUE(find_secret(forms_, padded(before, one.text))) << one.name << " after " << before;
}

TEST_F(SecretFormsTest, FindsItAcrossParts) {
  for (const std::string& text : {value, std::string("czNjciB0LyImeCcrXGVuZC1vZi1pdA==")}) {
    const std::string all = padded(3, text);
    for (size_t cut = 0; cut <= all.size(); ++cut) {
      SecretSearch search(forms_);
      const bool first = search.add(std::string_view(all).substr(0, cut)).has_value();
      const bool second = search.add(std::string_view(all).substr(cut)).has_value();
      EXPECT_TRUE(first || second) << cut;
    }
    SecretSearch slow(forms_);
    bool found = false;
    for (const char c : all) found |= slow.add({&c, 1}).has_value();
    EXPECT_TRUE(found);
  }
}

TEST_F(SecretFormsTest, NamesTheSecretAndNotItsValue) {
  EXPECT_EQ(find_secret(forms_, value), (SecretHit{"token", "as it is"}));
  EXPECT_EQ(find_secret(forms_, "eHMzY3IgdC8iJngnK1xlbmQtb2YtaXQ="), (SecretHit{"token", "base64"}));
}

TEST_F(SecretFormsTest, DoesNotFindWhatIsNotThere) {
  std::string close = value;
  close[10] ^= 1;
  EXPECT_FALSE(find_secret(forms_, close));
  EXPECT_FALSE(find_secret(forms_, std::string(1 << 20, 'c')));
  EXPECT_FALSE(find_secret(forms_, value.substr(1)));
}

TEST(SecretForms, FindsLinesOfAKeyAndUtf16) {
  const std::string line = "MC4CAQAwBQYDK2VwBCIEIAbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdEfG";
  const SecretForms forms(
      {{"key", "-----BEGIN PRIVATE KEY-----\n" + line + "\n-----END PRIVATE KEY-----\n"}});
  EXPECT_TRUE(find_secret(forms, "key = \"" + line + "\\n\""));
  EXPECT_FALSE(find_secret(forms, "-----BEGIN PRIVATE KEY-----\nanother\n-----END PRIVATE KEY-----\n"));
  std::string wide;
  for (const char c : std::string("hunter2-hunter2")) wide += std::string(1, c) + '\0';
  EXPECT_TRUE(find_secret(SecretForms(Values{{"t", "hunter2-hunter2\n"}}), "xxx" + wide));
}

TEST(SecretForms, RefusesShortOnes) {
  try {
    const SecretForms forms(Values{{"pin", " 1234567 \n"}});
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::Code::usage);
    EXPECT_NE(std::string(error.what()).find("the secret 'pin' has 7 bytes"), std::string::npos)
        << error.what();
    EXPECT_EQ(std::string(error.what()).find("1234567"), std::string::npos);
  }
  EXPECT_TRUE(find_secret(SecretForms(Values{{"pin", "12345678"}}), "a12345678"));
  EXPECT_TRUE(SecretForms().empty());
}

}  // namespace
}  // namespace minibuild::trust
