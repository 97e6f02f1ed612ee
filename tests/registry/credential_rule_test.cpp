#include "builder/registry/credential_rule.h"

#include <gtest/gtest.h>

namespace minibuild::registry {
namespace {

struct Case {
  const char* what;
  const char* place;  // whose credential it is
  bool is_file;
  const char* asked_by;
  const char* to;
  Errand errand;
  std::vector<std::string> plain_http;
  bool may;
};

const Errand request = Errand::request;
const Errand token = Errand::token;

TEST(CredentialRule, CredentialsStayWithTheirOrigin) {
  const char* r = "https://r.example.com/";
  const char* p = "http://r.example.com:5000/";
  const std::vector<Case> cases = {
      {"its own registry", r, false, r, "https://r.example.com/v2/", request, {}, true},
      {"the usual port, written", r, false, r, "https://r.example.com:443/v2/", request, {}, true},
      {"another port", r, false, r, "https://r.example.com:444/", request, {}, false},
      {"another host", r, false, r, "https://cdn.example.com/", request, {}, false},
      {"a host below", r, false, r, "https://x.r.example.com/", request, {}, false},
      {"the same host without TLS", r, false, r, "http://r.example.com/", request, {"r.example.com"}, false},
      {"the token server that it names", r, false, r, "https://auth.example.com/t", token, {}, true},
      {"a token server without TLS", r, false, r, "http://auth.example.com/t", token, {}, false},
      {"nor if it is named", r, false, r, "http://auth.example.com/t", token, {"auth.example.com"}, false},
      {"one that a redirect's target names",
       r,
       false,
       "https://cdn.example.com/x",
       "https://cdn.example.com/t",
       token,
       {},
       false},
      {"even if that is the registry's own",
       r,
       false,
       "https://cdn.example.com/x",
       "https://auth.example.com/t",
       token,
       {},
       false},
      {"even if that is the registry", r, false, "https://cdn.example.com/x", r, token, {}, false},
      {"another port asks", r, false, "https://r.example.com:444/x", r, token, {}, false},
      {"a registry without TLS", p, false, p, p, request, {"r.example.com:5000"}, true},
      {"not named so", p, false, p, p, request, {}, false},
      {"another port is named", p, false, p, p, request, {"r.example.com"}, false},
      {"its token server without TLS",
       p,
       false,
       p,
       "http://a.example.com/t",
       token,
       {"r.example.com:5000"},
       false},
      {"which is named",
       p,
       false,
       p,
       "http://a.example.com/t",
       token,
       {"r.example.com:5000", "A.example.com:80"},
       true},
      {"its token server with TLS",
       p,
       false,
       p,
       "https://a.example.com/t",
       token,
       {"r.example.com:5000"},
       true},
      {"a file's server",
       "https://d.example.com/f",
       true,
       "https://d.example.com/f",
       "https://d.example.com/f",
       request,
       {},
       true},
      {"a file's token server",
       "https://d.example.com/f",
       true,
       "https://d.example.com/f",
       "https://a.example.com/t",
       token,
       {},
       false},
      {"a file without TLS",
       "http://d.example.com/f",
       true,
       "http://d.example.com/f",
       "http://d.example.com/f",
       request,
       {},
       false},
  };
  for (const Case& one : cases) {
    Network network;
    network.plain_http = one.plain_http;
    const Url base = parse_url(one.place);
    const Place place{authority(base), "team/app", base, one.is_file};
    const std::string why =
        why_withheld(place, parse_url(one.asked_by), parse_url(one.to), one.errand, network);
    EXPECT_EQ(why.empty(), one.may) << one.what << ": " << why;
  }
}

TEST(CredentialRule, TheReasonSaysWhatToDo) {
  const Url url = parse_url("http://r.example.com:5000/");
  EXPECT_EQ(why_withheld({"r.example.com:5000", "a", url}, url, url, Errand::request, {}),
            "credentials for r.example.com:5000 are not sent over plain HTTP to r.example.com:5000; if its "
            "network can be trusted: --plain-http r.example.com:5000");
}

}  // namespace
}  // namespace minibuild::registry
