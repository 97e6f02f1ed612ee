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

// What programs make of `gX7#qLp2!vR9:zT4&mK`: Python's own libraries, od, xxd and hexdump, of bytes before
// it as well; and the escapes of languages, written out.
TEST(SecretForms, FindsWhatEscapesAndDumpsMakeOfIt) {
  const SecretForms forms(Values{{"token", "gX7#qLp2!vR9:zT4&mK"}});
  const std::vector<Case> cases = {
      {"Properties.store", "gX7\\#qLp2\\!vR9\\:zT4&mK"},
      {"quotemeta", "gX7\\#qLp2\\!vR9\\:zT4\\&mK"},
      {"re.escape", "gX7\\#qLp2!vR9:zT4\\&mK"},
      {"quote twice", "gX7%2523qLp2%2521vR9%253AzT4%2526mK"},
      {"quote three times", "gX7%252523qLp2%252521vR9%25253AzT4%252526mK"},
      {"every byte as %XX", "%67%58%37%23%71%4C%70%32%21%76%52%39%3A%7A%54%34%26%6D%4B"},
      {"base64 of quote", "dTpnWDclMjNxTHAyJTIxdlI5JTNBelQ0JTI2bUs="},
      {"base64 of hex", "Njc1ODM3MjM3MTRjNzAzMjIxNzY1MjM5M2E3YTU0MzQyNjZkNGI="},
      {"hex of base64", "5a3167334933464d63444968646c49354f6e70554e435a7453773d3d"},
      {"base64 of json", "eyJrIjogImdYNyNxTHAyIXZSOTp6VDQmbUtcIiJ9"},
      {"base64, quoted", "Pz8%2BZ1g3I3FMcDIhdlI5OnpUNCZtSw%3D%3D"},
      {"hex of utf-16", "670058003700230071004c007000320021007600520039003a007a005400340026006d004b00"},
      {"C",
       "\\x67\\x58\\x37\\x23\\x71\\x4c\\x70\\x32\\x21\\x76\\x52\\x39\\x3a\\x7a\\x54\\x34\\x26\\x6d\\x4b"},
      {"C, octal",
       "\\147\\130\\067\\043\\161\\114\\160\\062\\041\\166\\122\\071\\072\\172\\124\\064\\046\\155\\113"},
      {"JSON, \\u",
       "\\u0067\\u0058\\u0037\\u0023\\u0071\\u004c\\u0070\\u0032\\u0021\\u0076\\u0052\\u0039\\u003a\\u007a\\u"
       "0054\\u0034\\u0026\\u006d\\u004b"},
      {"Rust",
       "\\u{67}\\u{58}\\u{37}\\u{23}\\u{71}\\u{4c}\\u{70}\\u{32}\\u{21}\\u{76}\\u{52}\\u{39}\\u{3a}\\u{7a}"
       "\\u{54}\\u{34}\\u{26}\\u{6d}\\u{4b}"},
      {"Python, \\U",
       "\\U00000067\\U00000058\\U00000037\\U00000023\\U00000071\\U0000004c\\U00000070\\U00000032\\U00000021\\"
       "U00000076\\U00000052\\U00000039\\U0000003a\\U0000007a\\U00000054\\U00000034\\U00000026\\U0000006d\\U0"
       "000004b"},
      {"HTML, decimal",
       "&#103;&#88;&#55;&#35;&#113;&#76;&#112;&#50;&#33;&#118;&#82;&#57;&#58;&#122;&#84;&#52;&#38;&#109;&#"
       "75;"},
      {"HTML, hex",
       "&#x67;&#x58;&#x37;&#x23;&#x71;&#x4C;&#x70;&#x32;&#x21;&#x76;&#x52;&#x39;&#x3A;&#x7A;&#x54;&#x34;&#"
       "x26;&#x6D;&#x4B;"},
      {"HTML, zeros",
       "&#0000103;&#0000088;&#0000055;&#0000035;&#0000113;&#0000076;&#0000112;&#0000050;&#0000033;&#0000118;&"
       "#0000082;&#0000057;&#0000058;&#0000122;&#0000084;&#0000052;&#0000038;&#0000109;&#0000075;"},
      {"HTML, some", "gX7&num;qLp2&#33;vR9:zT4&amp;mK"},
      {"HTML twice", "gX7#qLp2!vR9:zT4&amp;amp;mK"},
      {"JSON in JSON", "\"{\\\"a\\\": \\\"\\\\\\\"gX7#qLp2!vR9:zT4&mK\\\\\\\"\\\"}\""},
      {"hex with colons", "67:58:37:23:71:4c:70:32:21:76:52:39:3a:7a:54:34:26:6d:4b"},
      {"hex with dashes", "67-58-37-23-71-4C-70-32-21-76-52-39-3A-7A-54-34-26-6D-4B"},
      {"hex with blanks", "67 58 37 23 71 4c 70 32 21 76 52 39 3a 7a 54 34 26 6d 4b"},
      {"0x",
       "0x67, 0x58, 0x37, 0x23, 0x71, 0x4c, 0x70, 0x32, 0x21, 0x76, 0x52, 0x39, 0x3a, 0x7a, 0x54, 0x34, "
       "0x26, 0x6d, 0x4b"},
      {"array", "[103, 88, 55, 35, 113, 76, 112, 50, 33, 118, 82, 57, 58, 122, 84, 52, 38, 109, 75]"},
      {"array of characters",
       "['g', 'X', '7', '#', 'q', 'L', 'p', '2', '!', 'v', 'R', '9', ':', 'z', 'T', '4', '&', 'm', 'K']"},
      {"od -t x1",
       "0000000 78 79 7a 67 58 37 23 71 4c 70 32 21 76 52 39 3a\n0000020 7a 54 34 26 6d 4b\n0000026\n"},
      {"od -c",
       "0000000   x   y   z   g   X   7   #   q   L   p   2   !   v   R   9   :\n0000020   z   T   4   &   m "
       "  K\n0000026\n"},
      {"od",
       "0000000 074570 063572 033530 070443 070114 020462 051166 035071\n0000020 052172 023064 "
       "045555\n0000026\n"},
      {"od -b",
       "0000000 170 171 172 147 130 067 043 161 114 160 062 041 166 122 071 072\n0000020 172 124 064 046 155 "
       "113\n0000026\n"},
      {"od -x", "0000000 7978 677a 3758 7123 704c 2132 5276 3a39\n0000020 547a 2634 4b6d\n0000026\n"},
      {"od -t x4", "0000000 677a7978 71233758 2132704c 3a395276\n0000020 2634547a 00004b6d\n0000026\n"},
      {"od -t x8", "0000000 71233758677a7978 3a3952762132704c\n0000020 00004b6d2634547a\n0000026\n"},
      {"od -t u1",
       "0000000 120 121 122 103  88  55  35 113  76 112  50  33 118  82  57  58\n0000020 122  84  52  38 109 "
       " 75\n0000026\n"},
      {"xxd",
       "00000000: 7879 7a67 5837 2371 4c70 3221 7652 393a  xyzgX7#qLp2!vR9:\n00000010: 7a54 3426 6d4b        "
       "                   zT4&mK\n"},
      {"hexdump -C",
       "00000000  78 79 7a 67 58 37 23 71  4c 70 32 21 76 52 39 3a  |xyzgX7#qLp2!vR9:|\n00000010  7a 54 34 "
       "26 6d 4b                                 |zT4&mK|\n00000016\n"},
      {"base32", "MFRGOWBXENYUY4BSEF3FEOJ2PJKDIJTNJM======"},
      {"base32hex", "C5H66PQO6SHN2J3G68GNCKHP79T58D16DL5G===="},
      {"ascii85", "@:E_WAS5+(,B6Cr1*Lg=3BDIc1a['4"},
      {"base85", "VPa=kHzRROa55owQaL($R5T`SO8"},
      {"reversed", "Km&4Tz:9Rv!2pLq#7Xg"},
      {"systemd", "gX7\\x23qLp2\\x21vR9\\x3azT4\\x26mK"},
      {"LDAP", "gX7\\23qLp2\\21vR9\\3azT4\\26mK"},
      {"RTF",
       "\\'67\\'58\\'37\\'23\\'71\\'4c\\'70\\'32\\'21\\'76\\'52\\'39\\'3a\\'7a\\'54\\'34\\'26\\'6d\\'4b"},
      {"quoted-printable", "g=\nX7#qLp2!vR9:=\r\nzT4&mK"},
      {"C, two strings", "\"gX7#qLp\"\n    \"2!vR9:zT4&mK\""},
      {"shell, two lines", "gX7#qLp2!v\\\nR9:zT4&mK"},
      {"cmd", "gX7#qLp2!vR9:zT4^&mK"},
      {"PostgreSQL", "\\x67583723714c7032217652393a7a5434266d4b"},
      {"SQL", "X'67583723714C7032217652393A7A5434266D4B'"},
  };
  for (const Case& one : cases)
    for (const size_t before : {0, 1, 2, 3}) {
      const std::string text = padded(before, one.text);
      EXPECT_TRUE(find_secret(forms, text)) << one.name << " after " << before;
      SecretSearch slow(forms);
      bool found = false;
      for (const char c : text) found |= slow.add({&c, 1}).has_value();
      EXPECT_TRUE(found) << one.name << ", byte by byte";
    }
}

TEST(SecretForms, FindsWideCharactersAndDoubledOnes) {
  const SecretForms forms(Values{{"token", "pä$$w%rd-{x}-ключ-🔑"}});
  const std::vector<Case> cases = {
      {"Compose", "pä$$$$w%rd-{x}-ключ-🔑"},
      {"a format", "pä$$w%%rd-{x}-ключ-🔑"},
      {"a template", "pä$$w%rd-{{x}}-ключ-🔑"},
      {"JSON", R"(p\u00e4$$w%rd-{x}-\u043a\u043b\u044e\u0447-\ud83d\udd11)"},
      {"JSON, some", R"(p\u00e4$$w\u0025rd-{x}-ключ-🔑)"},
      {"HTML", "p&#228;$$w&percnt;rd-{x}-&#x43a;&#x43b;&#x44e;&#x447;-&#128273;"},
  };
  for (const Case& one : cases) EXPECT_TRUE(find_secret(forms, padded(1, one.text))) << one.name;
  for (const bool little : {false, true}) {
    std::string wide;  // UTF-32
    for (const char32_t c : std::u32string(U"pä$$w%rd-{x}-ключ-🔑"))
      for (const unsigned bits : {0U, 8U, 16U, 24U})
        wide += static_cast<char>(static_cast<uint32_t>(c) >> (little ? bits : 24 - bits) & 0xFFU);
    EXPECT_TRUE(find_secret(forms, "xyz" + wide)) << little;
  }
}

TEST(SecretForms, DoesNotTakeNumbersForADate) {
  const SecretForms forms(Values{{"pin", "20261128"}});
  EXPECT_FALSE(find_secret(forms, "[2026, 11, 28] 2026:11:28"));
  EXPECT_TRUE(find_secret(forms, "pin=20261128"));
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
