#include "builder/registry/headers.h"
#include "minibuild/base/text.h"

#include <gtest/gtest.h>

namespace minibuild::registry {
namespace {

TEST(Challenges, OfOneScheme) {
  const auto found = parse_challenges(
      R"(Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a/b:pull,push")");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].scheme, "bearer");
  EXPECT_EQ(found[0].parameters.at("realm"), "https://auth.example.com/token");
  EXPECT_EQ(found[0].parameters.at("service"), "registry.example.com");
  EXPECT_EQ(found[0].parameters.at("scope"), "repository:a/b:pull,push");
}

TEST(Challenges, OfSeveralSchemesInOneHeader) {
  const auto found = parse_challenges(
      R"(Negotiate, BASIC realm = "a \"quoted\" realm" , Digest nonce=abc, qop="auth,int", Bearer realm="x")");
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].scheme, "negotiate");
  EXPECT_TRUE(found[0].parameters.empty());
  EXPECT_EQ(found[1].scheme, "basic");
  EXPECT_EQ(found[1].parameters.at("realm"), "a \"quoted\" realm");
  EXPECT_EQ(found[2].parameters.at("nonce"), "abc");
  EXPECT_EQ(found[2].parameters.at("qop"), "auth,int");
  EXPECT_EQ(found[3].parameters.at("realm"), "x");
}

TEST(Challenges, MalformedOnesAreLeftOut) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("=x").empty());
  EXPECT_TRUE(parse_challenges(",,, ").empty());
  EXPECT_TRUE(parse_challenges("Bearer realm=\"no end").at(0).parameters.empty());
}

TEST(Links, TheNextPage) {
  struct Case {
    std::vector<std::string> headers;
    const char* want;
  };
  const Case cases[] = {
      {{R"(</v2/a/tags/list?n=2&last=b>; rel="next")"}, "/v2/a/tags/list?n=2&last=b"},
      {{R"(<x>; rel=prev, <y>; title="a,b;c" ; rel=next)"}, "y"},
      {{R"(<x>; rel="prev")", R"(<y>; rel="next")"}, "y"},
      {{R"(<x>; REL="Prev NEXT")"}, "x"},
      {{R"(<x>; rel=next; rel=prev)"}, "x"},
      {{R"(<x>; rel=prev; rel=next)"}, ""},
      {{R"(<a,b;c>;rel=next)"}, "a,b;c"},
      {{R"(<>; rel=next)"}, ""},
      // Registries leave out `rel`, or the brackets.
      {{"<x>"}, "x"},
      {{"<x>; title=y"}, "x"},
      {{"<x>, <y>; rel=next"}, "y"},
      {{"<x>; rel=first, <y>"}, "y"},
      {{"/v2/a?last=b; rel=next"}, "/v2/a?last=b"},
      {{"/v2/a?last=b"}, "/v2/a?last=b"},
      {{}, ""},
      {{""}, ""},
      {{"<x>; rel=last"}, ""},
      {{"<x>; rel=nextish"}, ""},
      {{"<x; rel=next"}, ""},
      {{R"(<x>; rel="next)"}, ""},
  };
  for (const Case& one : cases)
    EXPECT_EQ(next_link(one.headers), one.want) << (one.headers.empty() ? "none" : one.headers.front());
}

TEST(ContentRanges, AreReadStrictly) {
  const auto whole = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->first, 5U);
  EXPECT_EQ(whole->last, 9U);
  EXPECT_EQ(whole->total, 10U);
  EXPECT_FALSE(parse_content_range("bytes 5-9/*")->total);
  for (const char* wrong :
       {"", "bytes", "5-9/10", "bytes 9-5/10", "bytes 5-10/10", "bytes -5/10", "bytes 5-/10", "bytes 5-9/",
        "bytes 5-99999999999999999999/*", "bytes */10", "items 5-9/10"})
    EXPECT_FALSE(parse_content_range(wrong)) << wrong;
}

TEST(Base64, IsThatOfTheStandard) {
  // RFC 4648, section 10.
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(base::base64(plain), coded);
    EXPECT_EQ(base::unbase64(coded), plain);
  }
  EXPECT_EQ(base::unbase64("Zg"), "f");
  EXPECT_FALSE(base::unbase64("Z"));
  EXPECT_FALSE(base::unbase64("Zg!="));
}

TEST(PercentEncoding, LeavesWhatIsUnreserved) {
  EXPECT_EQ(percent_encode("aZ9-._~"), "aZ9-._~");
  EXPECT_EQ(percent_encode("sha256:a/b c+\xC3\xA9"), "sha256%3Aa%2Fb%20c%2B%C3%A9");
}

TEST(HttpDate, ReadsTheFormThatServersSend) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);  // of RFC 9110
  for (const char* other :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 ovD 1994 08:49:37 GMT",
        "Sun, 36 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC"})
    EXPECT_EQ(parse_http_date(other), std::nullopt) << other;
}

}  // namespace
}  // namespace minibuild::registry
