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
}

TEST_F(Credentials, AllForms) {
  EXPECT_EQ(find(R"({"auths": {"r.io": {"username": "u", "password": "p"}}})", "r.io", "x").password, "p");
  EXPECT_EQ(find(R"({"auths": {"r.io": {"identitytoken": "t"}}})", "r.io", "x").identity_token, "t");
  EXPECT_EQ(find(R"({"auths": {"r.io": {"registrytoken": "t"}}})", "r.io", "x").registry_token, "t");
  EXPECT_TRUE(find(R"({"auths": {"r.io": {}}})", "r.io", "x").empty());
  EXPECT_TRUE(find("{}", "r.io", "x").empty());
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
  for (const char* wrong : {"", "{}", "[]", "\"s\"", R"({"Username": "u"})"})
    EXPECT_THROW(parse_helper_answer(wrong, "h"), base::Error) << wrong;
}

}  // namespace
}  // namespace minibuild::registry
