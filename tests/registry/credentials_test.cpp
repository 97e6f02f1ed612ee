#include "minibuild/registry/credentials.h"

#include <gtest/gtest.h>

#include "builder/registry/headers.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {
namespace {

class Credentials : public testing::Test {
 protected:
  Credential find(const std::string& json, const std::string& host, const std::string& repository) {
    base::write_file_atomic(file_, json);
    return CredentialFiles({file_}).find(host, repository);
  }
  const std::string file_ = testing::TempDir() + "/minibuild-auth.json";
};

std::string auth(const std::string& user) { return "{\"auth\": \"" + base::base64(user + ":secret") + "\"}"; }

TEST_F(Credentials, TheLongestPrefixWins) {
  const std::string json = "{\"auths\": {\"r.io\": " + auth("all") + ", \"r.io/team\": " + auth("team") +
                           ", \"r.io/team/app\": " + auth("app") + "}}";
  EXPECT_EQ(find(json, "r.io", "other/x").user, "all");
  EXPECT_EQ(find(json, "r.io", "team/other").user, "team");
  EXPECT_EQ(find(json, "r.io", "team/app").user, "app");
  EXPECT_EQ(find(json, "r.io", "teams/app").user, "all");
  EXPECT_EQ(find(json, "r.io", "team/app").password, "secret");
  EXPECT_TRUE(find(json, "r.io:5000", "team/app").empty());
  EXPECT_TRUE(find(json, "evil.r.io", "team/app").empty());
}

TEST_F(Credentials, KeysMayBeUrls) {
  EXPECT_EQ(find("{\"auths\": {\"https://r.io/v2/\": " + auth("a") + "}}", "r.io", "x").user, "a");
  EXPECT_EQ(
      find("{\"auths\": {\"https://index.docker.io/v1/\": " + auth("hub") + "}}", "docker.io", "library/x")
          .user,
      "hub");
  // Docker takes the host of a URL, whatever comes after it; without a scheme it is a repository.
  const std::string key = "{\"auths\": {\"KEY\": " + auth("a") + "}}";
  struct Case {
    const char* key;
    const char* host;
    bool fits;
  };
  const Case cases[] = {{"https://r.io/v1/", "r.io", true},
                        {"http://r.io", "r.io", true},
                        {"HTTPS://R.io/v1/", "r.io", true},
                        {"https://r.io/some/path", "r.io", true},
                        {"r.io/v2/", "r.io", true},
                        {"R.IO", "r.io", true},
                        {"r.io", "R.io", true},
                        {"r.io/some/path", "r.io", false},
                        {"r.io:5000", "r.io", false},
                        {"https://r.io:5000/v1/", "r.io:5000", true},
                        {"docker.io", "docker.io", true},
                        {"index.docker.io", "docker.io", true}};
  for (const Case& one : cases) {
    std::string json = key;
    json.replace(json.find("KEY"), 3, one.key);
    EXPECT_EQ(find(json, one.host, "x").user, one.fits ? "a" : "") << one.key << " for " << one.host;
  }
}

TEST_F(Credentials, AllForms) {
  EXPECT_EQ(find(R"({"auths": {"r.io": {"username": "u", "password": "p"}}})", "r.io", "x").password, "p");
  EXPECT_EQ(find(R"({"auths": {"r.io": {"identitytoken": "t"}}})", "r.io", "x").identity_token, "t");
  EXPECT_EQ(find(R"({"auths": {"r.io": {"registrytoken": "t"}}})", "r.io", "x").registry_token, "t");
  EXPECT_TRUE(find(R"({"auths": {"r.io": {}}})", "r.io", "x").empty());
  EXPECT_TRUE(find("{}", "r.io", "x").empty());
}

TEST_F(Credentials, WhatSaysNothingIsNobody) {
  for (const char* nothing :
       {"", " \n\t", "null", "{}", "{\"auths\": null}", "{\"auths\": {}}", "{\"credsStore\": \"\"}",
        "{\"credsStore\": null, \"credHelpers\": null}", R"({"auths": {"r.io": null}})",
        R"({"auths": {"r.io": {"auth": ""}}})", R"({"auths": {"r.io": {"auth": "  "}}})",
        R"({"auths": {"r.io": {"auth": null, "email": "a@example.com"}}})",
        R"({"auths": {"r.io": {"auth": "Og=="}}})", R"({"credHelpers": {"r.io": ""}})",
        R"({"credHelpers": {"r.io": " "}})", R"({"credHelpers": {"r.io": null}})"})
    EXPECT_TRUE(find(nothing, "r.io", "x").empty()) << nothing;
  // What says something beside it counts.
  EXPECT_EQ(
      find("{\"credHelpers\": {\"r.io\": \"\"}, \"auths\": {\"r.io\": " + auth("a") + "}}", "r.io", "x").user,
      "a");
  EXPECT_EQ(
      find("{\"auths\": {\"r.io/team\": {}, \"https://r.io\": " + auth("a") + "}}", "r.io", "team/x").user,
      "a");
  base::write_file_atomic(file_, "{\"auths\": {\"r.io\": " + auth("a") + "}}");
  base::write_file_atomic(file_ + ".empty", "\n");
  EXPECT_EQ(CredentialFiles({file_ + ".empty", file_}).find("r.io", "x").user, "a");
}

TEST_F(Credentials, FormsOfAuth) {
  const auto found = [&](const std::string& coded) {
    return find(R"({"auths": {"r.io": {"auth": ")" + coded + "\"}}}", "r.io", "x");
  };
  struct Case {
    const char* what;
    std::string coded;
    std::string user;
    std::string password;
    std::string identity_token;
  };
  const Case cases[] = {
      {"as it should be", "dTpw", "u", "p", ""},
      {"the end of a line after it", "dTpw\\n", "u", "p", ""},
      {"the end of a line in it", "dTpwCg==", "u", "p", ""},
      {"broken into lines", "dT\\npw", "u", "p", ""},
      {"without padding", "dTpwcA", "u", "pp", ""},
      {"zero bytes at its end", base::base64(std::string("u:p\0\0", 5)), "u", "p", ""},
      {"colons in the password", base::base64("u:p:q"), "u", "p:q", ""},
      {"an empty password", base::base64("u:"), "u", "", ""},
      {"the alphabet of URLs", "dTo_Pz8-", "u", "\x3f\x3f\x3f>", ""},
      {"a token for the token server", base::base64("<token>:t"), "", "", "t"},
  };
  for (const Case& one : cases) {
    const Credential got = found(one.coded);
    EXPECT_EQ(got.user, one.user) << one.what;
    EXPECT_EQ(got.password, one.password) << one.what;
    EXPECT_EQ(got.identity_token, one.identity_token) << one.what;
  }
  // Docker keeps a token beside an auth without a password.
  const Credential both = find(R"({"auths": {"r.io": {"auth": "dTo=", "identitytoken": "t"}}})", "r.io", "x");
  EXPECT_EQ(both.user, "u");
  EXPECT_EQ(both.identity_token, "t");
}

TEST_F(Credentials, MessagesNameTheFileAndTheHelper) {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"{", {file_, "credentials"}},
      {"[]", {file_, "not a JSON object"}},
      {R"({"auths": {"r.io": {"auth": "dQ=="}}})", {file_, "USER:PASSWORD"}},
      {R"({"credsStore": "nowhere-to-be-found"})",
       {file_, "docker-credential-nowhere-to-be-found", "r.io", "PATH"}},
      {R"({"credHelpers": {"r.io": "nowhere-to-be-found"}})",
       {file_, "docker-credential-nowhere-to-be-found"}},
      {R"({"credHelpers": {"r.io": "a/b"}})", {file_, "'a/b'"}},
  };
  for (const auto& [json, parts] : cases) try {
      find(json, "r.io", "x");
      FAIL() << json;
    } catch (const base::Error& error) {
      for (const std::string& part : parts)
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << " in: " << error.what();
    }
}

TEST_F(Credentials, MessagesHoldNoSecret) {
  const std::pair<std::string, std::string> wrong[] = {
      {R"({"auths": {"r.io": {"auth": "c2VjcmV0"}}})", "c2VjcmV0"},  // no colon in it
      {R"({"auths": {"r.io": {"auth": "hunter22!"}}})", "hunter22"},
      {R"({"auths": {"r.io": {"auth": "hunter22})", "hunter22"},
      {R"({"credsStore": "../../bin/sh"})", "never"}};
  for (const auto& [json, secret] : wrong) {
    try {
      find(json, "r.io", "x");
      FAIL() << json;
    } catch (const base::Error& error) {
      EXPECT_EQ(std::string(error.what()).find(secret), std::string::npos) << error.what();
    }
  }
}

TEST_F(Credentials, FilesThatAreNotThereArePassedOver) {
  base::write_file_atomic(file_, "{\"auths\": {\"r.io\": " + auth("a") + "}}");
  EXPECT_EQ(CredentialFiles({file_ + ".none", file_}).find("r.io", "x").user, "a");
  EXPECT_EQ(CredentialFiles({file_ + ".none", file_}).find("r.io", "x").source, file_);
  EXPECT_TRUE(CredentialFiles().find("r.io", "x").empty());
}

TEST_F(Credentials, AnswersOfHelpers) {
  EXPECT_EQ(parse_helper_answer(R"({"ServerURL": "r.io", "Username": "u", "Secret": "s"})", "h").password,
            "s");
  EXPECT_EQ(parse_helper_answer(R"({"Username": "<token>", "Secret": "s"})", "h").identity_token, "s");
  for (const char* nobody : {"", "\n", "{}", R"({"ServerURL": "r.io", "Username": "", "Secret": ""})"})
    EXPECT_TRUE(parse_helper_answer(nobody, "h").empty()) << nobody;
  for (const char* wrong : {"x", "[]", "\"s\"", R"({"Username": "u"})"})
    EXPECT_THROW(parse_helper_answer(wrong, "h"), base::Error) << wrong;
}

}  // namespace
}  // namespace minibuild::registry
