// The rules: what credentials look like. To add a format, add a line here, its id to docs/secrets.md and a
// sample to tests/trust/secret_samples.h.
#include "minibuild/trust/secret_rules.h"

#include <algorithm>
#include <iterator>

#include "builder/trust/secret_files.h"
#include "builder/trust/secret_table.h"

namespace minibuild::trust {
namespace {

constexpr std::string_view revoke =
    "Revoke it and make a new one; give the new one to the build with `secrets:` or to the container when it "
    "runs.";
constexpr std::string_view remove_key =
    "Remove the key from what is copied and replace it where it is trusted; mount a key when the container "
    "runs.";
constexpr std::string_view remove_file =
    "Remove the file from what is copied; give it to the build with `secrets:` or to the container when it "
    "runs.";
constexpr std::string_view remove_value =
    "Remove the value; give it to the build with `secrets:` or to the container when it runs. "
    "If it is none, write `minibuild:allow` in its line.";

using enum SecretCheck;
using enum SecretEnd;

using Keywords = std::vector<std::string_view>;

// A token that its first characters tell.
SecretRule token(std::string_view id, Keywords keywords, std::string_view pattern, double entropy,
                 std::string_view description, SecretEnd end = word) {
  return {.id = id,
          .keywords = std::move(keywords),
          .pattern = pattern,
          .entropy = entropy,
          .description = description,
          .advice = revoke,
          .after = 512,
          .end = end};
}

std::vector<SecretRule> tokens() {
  return {
      token("aws-access-key", {"AKIA[A-Z2-7]", "ASIA[A-Z2-7]", "ABIA[A-Z2-7]", "ACCA[A-Z2-7]", "A3T[A-Z0-9]"},
            "(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", 3.0, "an access key id of AWS"),
      token("gcp-api-key", {"AIza[\\w-]"}, "AIza[\\w-]{35}", 4.0, "an API key of Google Cloud", word_dash),
      token("gcp-oauth-secret", {"GOCSPX-"}, "GOCSPX-[\\w-]{28}", 3.5, "an OAuth client secret of Google",
            word_dash),
      token("digitalocean-token", {"dop_v1_", "doo_v1_", "dor_v1_"}, "do[opr]_v1_[a-f0-9]{64}", 3.0,
            "a token of DigitalOcean"),
      token("github-token",
            {"ghp_[A-Za-z0-9]", "gho_[A-Za-z0-9]", "ghu_[A-Za-z0-9]", "ghs_[A-Za-z0-9]", "ghr_[A-Za-z0-9]"},
            "gh[pousr]_[A-Za-z0-9]{36,}", 3.0, "a token of GitHub"),
      token("github-fine-grained-token", {"github_pat_"}, "github_pat_\\w{82}", 3.0,
            "a fine-grained token of GitHub"),
      token("gitlab-token", {"glpat-"}, "glpat-[\\w-]{20,}", 3.0, "a personal access token of GitLab",
            word_dash),
      token("npm-token", {"npm_[A-Za-z0-9]"}, "npm_[A-Za-z0-9]{36}", 3.0, "an access token of npm"),
      token("pypi-token", {"pypi-AgEIcHlwaS5vcmc"}, "pypi-AgEIcHlwaS5vcmc[\\w-]{50,}", 3.0, "a token of PyPI",
            word_dash),
      token("rubygems-key", {"rubygems_"}, "rubygems_[a-f0-9]{48}", 3.0, "an API key of RubyGems"),
      token("slack-token", {"xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"},
            "xox[baprs]-[A-Za-z-]*[0-9][0-9A-Za-z-]{9,}", 3.0, "a token of Slack", word_dash),
      token("slack-webhook", {"hooks.slack.com/services/"},
            "hooks\\.slack\\.com/services/(T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{22,26})", 3.5,
            "a webhook of Slack"),
      token("slack-app-token", {"xapp-[0-9]"}, "xapp-[0-9]-[A-Z0-9]{8,}-[0-9]{8,}-[a-f0-9]{64}", 3.0,
            "an app-level token of Slack"),
      token("discord-webhook", {"discord.com/api/webhooks/", "discordapp.com/api/webhooks/"},
            "discord(?:app)?\\.com/api/webhooks/([0-9]{16,20}/[\\w-]{60,})", 3.5, "a webhook of Discord",
            word_dash),
      token("stripe-key", {"sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"},
            "(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,}", 3.0, "a key of Stripe"),
      token("sendgrid-key", {"SG.[\\w-]"}, "SG\\.[\\w=.-]{66}", 4.0, "an API key of SendGrid", word_dash),
      token("twilio-key", {"SK[0-9a-f][0-9a-f]"}, "SK[0-9a-f]{32}", 3.0, "an API key of Twilio"),
      token("shopify-token", {"shpat_", "shpca_", "shppa_", "shpss_"}, "shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
            3.0, "a token of Shopify"),
      token("databricks-token", {"dapi[a-f0-9]"}, "dapi[a-f0-9]{32}(?:-[0-9])?", 3.0,
            "a token of Databricks"),
      token("grafana-service-token", {"glsa_"}, "glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", 3.0,
            "a service account token of Grafana"),
      token("grafana-cloud-token", {"glc_[A-Za-z0-9+/]"}, "glc_[A-Za-z0-9+/]{32,}={0,3}", 3.5,
            "a token of Grafana Cloud", base64),
      token("newrelic-key", {"NRAK-"}, "NRAK-[A-Z0-9]{27}", 3.0, "a user key of New Relic"),
      token("sentry-token", {"sntrys_"}, "sntrys_[A-Za-z0-9+/=_-]{40,}", 3.5, "a token of Sentry", word_dash),
      token("anthropic-key", {"sk-ant-api03-", "sk-ant-admin01-"}, "sk-ant-(?:api03|admin01)-[\\w-]{93}AA",
            3.5, "an API key of Anthropic", word_dash),
      token("huggingface-token", {"hf_[A-Za-z0-9]"}, "hf_[A-Za-z0-9]{34}", 3.0, "a token of Hugging Face"),
      token("vault-token", {"hvs.[\\w-]", "hvb.[\\w-]"}, "hv[sb]\\.[\\w-]{90,}", 3.5, "a token of Vault",
            word_dash),
      token("pulumi-token", {"pul-[a-f0-9]"}, "pul-[a-f0-9]{40}", 3.0, "a token of Pulumi"),
      token("doppler-token", {"dp.pt."}, "dp\\.pt\\.[A-Za-z0-9]{43}", 3.0, "a token of Doppler"),
      token("fly-token", {"fo1_[\\w-]", "fm2_[A-Za-z0-9+/]", "fm1r_", "fm1a_"},
            "(?:fo1_[\\w-]{43}|(?:fm2|fm1r|fm1a)_[A-Za-z0-9+/]{43,}={0,3})", 3.5, "a token of Fly.io",
            word_dash),
      token("heroku-key", {"HRKU-AA"}, "HRKU-AA[\\w-]{58}", 3.5, "an API key of Heroku", word_dash),
      token("planetscale-password", {"pscale_pw_", "pscale_tkn_", "pscale_oauth_"},
            "pscale_(?:pw|tkn|oauth)_[\\w=.-]{32,64}", 3.0, "a password of PlanetScale", word_dash),
      token("docker-hub-token", {"dckr_pat_"}, "dckr_pat_[\\w-]{27}", 3.0, "a token of Docker Hub",
            word_dash),
      token("age-key", {"AGE-SECRET-KEY-1"}, "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 3.0,
            "a private key of age"),
      token("openshift-token", {"sha256~"}, "sha256~[\\w-]{43}", 3.5, "a token of OpenShift", word_dash),
  };
}

// Credentials that only what stands around them tells, or a part in their middle.
std::vector<SecretRule> by_context() {
  return {
      {.id = "openai-key",
       .keywords = {"T3BlbkFJ"},
       .pattern = "sk-[\\w-]{16,}T3BlbkFJ[\\w-]{16,}",
       .entropy = 3.5,
       .description = "an API key of OpenAI",
       .advice = revoke,
       .before = 256,
       .after = 256,
       .far = true,
       .end = word_dash},
      {.id = "telegram-token",
       .keywords = {":AA[\\w-]"},
       .pattern = "[0-9]{8,10}:AA[\\w-]{33}",
       .entropy = 3.5,
       .description = "a token of a bot of Telegram",
       .advice = revoke,
       .before = 10,
       .after = 64,
       .end = word_dash},
      {.id = "azure-sas-token",
       .keywords = {"sig=[A-Za-z0-9%+/]"},
       .pattern = "[?&;]sig=([A-Za-z0-9%+/]{40,70}(?:%3[dD]|=))",
       .entropy = 4.0,
       .description = "a shared access signature of Azure",
       .advice = revoke,
       .before = 1,
       .after = 256,
       .boundary = false,
       .end = any},
      {.id = "wireguard-key",
       .keywords = {"PrivateKey"},
       .pattern = "PrivateKey\\s{0,4}=\\s{0,4}([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)",
       .entropy = 4.0,
       .description = "a private key of WireGuard",
       .advice = remove_key,
       .after = 256,
       .end = base64},
      {.id = "private-key-base64",
       .keywords = {"LS0tLS1CRUdJTi"},
       .pattern = "LS0tLS1CRUdJTi(?:BQUklWQVRFIEtF|BSU0EgUFJJVkFURSBL|BFQyBQUklWQVRFIEtF|BEU0EgUFJJVkFURSBL|"
                  "BPUEVOU1NIIFBSSVZBVEUgS0VZ|BFTkNSWVBURUQgUFJJVkFURSBL)[A-Za-z0-9+/]{64,}",
       .entropy = 4.0,
       .description = "a private key in base64",
       .advice = remove_key,
       .after = 512,
       .end = any},
      {.id = "bearer-token",
       .keywords = {"authorization"},
       .pattern =
           R"re((?i)authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|token)\s{1,4}((?-i)[A-Za-z0-9+/_.~-]{20,}={0,2}))re",
       .entropy = 3.5,
       .description = "a bearer token",
       .advice = revoke,
       .after = 512,
       .boundary = false,
       .end = any,
       .fold = true,
       .rank = 2},
      {.id = "basic-auth",
       .keywords = {"authorization"},
       .pattern =
           R"re((?i)authorization["']?\s{0,4}[:=]\s{0,4}["']?basic\s{1,4}((?-i)[A-Za-z0-9+/]{12,}={0,2}))re",
       .entropy = 3.0,
       .description = "a user and a password for HTTP",
       .advice = revoke,
       .after = 512,
       .boundary = false,
       .end = base64,
       .fold = true,
       .check = basic_auth,
       .rank = 2},
      {.id = "php-define",
       .keywords = {"define("},
       .pattern =
           R"re((?i)define\(\s{0,4}["'][A-Z0-9_]{0,40}(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|AUTH_KEY|_SALT)["']\s{0,4},\s{0,4}["']((?-i)[^"'\s$]{8,128})["'])re",
       .entropy = 2.5,
       .description = "a constant that is named a secret",
       .advice = remove_value,
       .after = 512,
       .end = any,
       .fold = true,
       .check = password,
       .rank = 3},
      {.id = "terraform-token",
       .keywords = {".atlasv1."},
       .pattern = "[A-Za-z0-9]{14}\\.atlasv1\\.[\\w=-]{60,90}",
       .entropy = 3.5,
       .description = "a token of Terraform Cloud",
       .advice = revoke,
       .before = 14,
       .after = 256,
       .end = word_dash},
      {.id = "aws-secret-key",
       .keywords = {"secret_access_key", "secretaccesskey", "aws_secret_key", "secret-access-key",
                    "secretkey"},
       .pattern =
           R"re((?i)(?:secret[_-]?access[_-]?key|aws_secret_key|secretkey)\\{0,3}["']?\]?\s{0,8}(?:=>|:=|[:=>])\s{0,8}\\{0,3}["']?((?-i)[A-Za-z0-9/+]{40}))re",
       .entropy = 3.5,
       .description = "a secret key of AWS",
       .advice = revoke,
       .boundary = false,
       .end = base64,
       .fold = true},
      {.id = "gcp-service-account",
       .keywords = {"service_account\"", "service_account\\"},
       .pattern =
           R"re(private_key\\{0,3}"\s*:\s*\\{0,3}"(-----BEGIN [A-Z ]{0,12}PRIVATE KEY-----[^"]{64,}))re",
       .entropy = 4.0,
       .description = "the key of a service account of Google Cloud",
       .advice = remove_key,
       .before = 4096,
       .far = true,
       .boundary = false,
       .end = any,
       .check = private_key,
       .beside = true,
       .rank = 0},
      {.id = "azure-storage-key",
       .keywords = {"AccountKey="},
       .pattern = "AccountKey=([A-Za-z0-9+/]{86}==)",
       .entropy = 4.0,
       .description = "a key of an Azure storage account",
       .advice = revoke,
       .boundary = false,
       .end = base64},
      {.id = "npm-auth",
       .keywords = {"_authtoken", "_password", "_auth="},
       .pattern =
           R"re((?i)(?:^|[^.\w])(?:_authToken|_password|_auth)\s{0,4}=\s{0,4}["']?([A-Za-z0-9+/_.-]{8,}={0,2}))re",
       .entropy = 3.0,
       .description = "credentials of an npm registry",
       .advice = revoke,
       .before = 1,  // `this._auth=` is code
       .after = 512,
       .boundary = false,
       .end = any,
       .fold = true,
       .check = password,
       .rank = 2},
      {.id = "private-key",
       .keywords = {"PRIVATE KEY-----", "PRIVATE KEY BLOCK-----", "PRIVATE KEY ----"},
       .pattern =
           R"re((?:-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY ----)(?s:.{32,}))re",
       .description = "a private key",
       .advice = remove_key,
       .before = 48,
       .far = true,
       .boundary = false,
       .end = any,
       .check = private_key},
      {.id = "putty-key",
       .keywords = {"PuTTY-User-Key-File-"},
       .pattern =
           R"re(PuTTY-User-Key-File-[23]: (?s:.+?)Private-Lines: [0-9]{1,3}(?:\s|\\{1,2}[rn]){1,64}([A-Za-z0-9+/=]{16,}))re",
       .entropy = 3.0,
       .description = "a private key of PuTTY",
       .advice = remove_key,
       .far = true,
       .end = any},
      {.id = "jwt",
       .keywords = {".eyJ[h-z0-6]"},
       .pattern = R"re(eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,})re",
       .entropy = 3.5,
       .description = "a JSON Web Token",
       .advice = revoke,
       .before = 2048,
       .far = true,
       .end = word_dash,
       .check = jwt,
       .rank = 2},
      {.id = "registry-auth",
       .keywords = {"auth\"", "auth\\"},
       .pattern = R"re(auth\\{0,3}"\s{0,16}:\s{0,16}\\{0,3}"([A-Za-z0-9+/]{8,}={0,2})\\{0,3}")re",
       .description = "credentials of a registry",
       .advice = revoke,
       .boundary = false,
       .end = any,
       .check = basic_auth},
      {.id = "kubernetes-docker-config",
       .keywords = {".dockerconfigjson", ".dockercfg"},
       .pattern =
           R"re(\.docker(?:configjson|cfg)\\{0,3}["']?\s{0,4}[:=>]\s{0,8}\\{0,3}["']?(e[wy][A-Za-z0-9+/]{20,}={0,2}))re",
       .entropy = 3.0,
       .description = "credentials of registries in a secret of Kubernetes",
       .advice = revoke,
       .boundary = false,
       .end = any,
       .check = docker_json},
      {.id = "netrc-password",
       .keywords = {"machine ", "machine\t"},
       .pattern =
           R"re(machine[\s\\n]{1,16}[\w.:-]{1,255}[\s\\n]{1,16}login[\s\\n]{1,16}[^\s\\]{1,128}[\s\\n]{1,16}password[\s\\n]{1,16}([^\s\\"'<]{4,256}))re",
       .entropy = 2.5,
       .description = "a password of .netrc",
       .advice = revoke,
       .after = 512,
       .end = any,
       .check = password},
      {.id = "url-password",
       .keywords = {"://[\\w$%{<.~:-]"},
       .pattern =
           R"re(://[^\s:@/"'<>`\\(){}\[\],;|*$?#&]{0,64}:([^\s@/"'<>`\\(){}\[\],;|?#]{6,128})@([\w.-]{2,255}))re",
       .entropy = 2.5,
       .description = "a password in a URL",
       .advice = revoke,
       .after = 512,
       .boundary = false,
       .end = any,
       .check = url,
       .rank = 3},
      {.id = "assignment",
       .keywords = {"password", "passwd", "passphrase", "secret", "token", "api_key", "api-key", "apikey",
                    "access_key", "access-key", "accesskey", "auth_key", "credential", "private_key",
                    "encryption_key", "signing_key"},
       .pattern = "",
       .entropy = 3.5,
       .description = "a value that is named a secret",
       .advice = remove_value,
       .before = 64,
       .after = 512,
       .boundary = false,
       .end = any,
       .fold = true,
       .check = assignment,
       .rank = 4},
  };
}

}  // namespace

const std::vector<SecretRule>& secret_table() {
  static const std::vector<SecretRule> table = [] {
    std::vector<SecretRule> all = tokens();
    std::vector<SecretRule> others = by_context();
    std::move(others.begin(), others.end(), std::back_inserter(all));
    return all;
  }();
  return table;
}

std::vector<SecretRuleText> secret_rules() {
  std::vector<SecretRuleText> texts;
  for (const SecretRule& rule : secret_table())
    texts.push_back({std::string(rule.id), std::string(rule.description), std::string(rule.advice)});
  for (const SecretFileRule& rule : secret_file_rules())
    texts.push_back({std::string(rule.id), std::string(rule.description),
                     std::string(rule.is_key ? remove_key : remove_file)});
  texts.push_back(
      {"variable", "a variable or label of the config that is named a secret", std::string(remove_value)});
  return texts;
}

}  // namespace minibuild::trust
