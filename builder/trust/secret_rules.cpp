// The rules: what credentials look like. To add a format, add a line here, its id to docs/secrets.md and a
// sample to tests/trust/secret_samples.h.
#include "minibuild/trust/secret_rules.h"

#include "builder/trust/secret_files.h"
#include "builder/trust/secret_table.h"

namespace minibuild::trust {
namespace {

constexpr std::string_view revoke =
    "Revoke it and make a new one; give the new one to the build with `secrets:` or to the container when it runs.";
constexpr std::string_view remove_key =
    "Remove the key from what is copied and replace it where it is trusted; mount a key when the container runs.";
constexpr std::string_view remove_file =
    "Remove the file from what is copied; give it to the build with `secrets:` or to the container when it runs.";
constexpr std::string_view remove_value =
    "Remove the value; give it to the build with `secrets:` or to the container when it runs. "
    "If it is none, write `minibuild:allow` in its line.";

using enum SecretCheck;
using enum SecretEnd;

std::vector<SecretRule> make_table() {
  return {
      {"aws-access-key",
       {"AKIA[A-Z2-7]", "ASIA[A-Z2-7]", "ABIA[A-Z2-7]", "ACCA[A-Z2-7]", "A3T[A-Z0-9]"},
       "(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", 3.0, "an access key id of AWS", revoke},
      {"aws-secret-key",
       {"secret_access_key", "secretaccesskey", "aws_secret_key", "secret-access-key", "secretkey"},
       R"re((?i)(?:secret[_-]?access[_-]?key|aws_secret_key|secretkey)\\?["']?\]?\s{0,8}(?:=>|:=|[:=>])\s{0,8}\\?["']?((?-i)[A-Za-z0-9/+]{40}))re",
       3.5, "a secret key of AWS", revoke, 0, 512, false, base64, true},
      {"gcp-api-key", {"AIza[\\w-]"}, "AIza[\\w-]{35}", 4.0, "an API key of Google Cloud", revoke, 0, 512, true, word_dash},
      {"gcp-oauth-secret", {"GOCSPX-"}, "GOCSPX-[\\w-]{28}", 3.5, "an OAuth client secret of Google", revoke, 0, 512, true, word_dash},
      {"gcp-service-account",
       {"service_account\""},
       R"re("private_key"\s*:\s*"(-----BEGIN [A-Z ]{0,12}PRIVATE KEY-----[^"]{64,}))re", 4.0,
       "the key of a service account of Google Cloud", remove_key, 4096, 4096, false, any, false, private_key, true, 0},
      {"azure-storage-key",
       {"AccountKey="},
       "AccountKey=([A-Za-z0-9+/]{86}==)", 4.0, "a key of an Azure storage account", revoke, 0, 512, false, any},
      {"digitalocean-token", {"dop_v1_", "doo_v1_", "dor_v1_"}, "do[opr]_v1_[a-f0-9]{64}", 3.0, "a token of DigitalOcean", revoke},
      {"github-token",
       {"ghp_[A-Za-z0-9]", "gho_[A-Za-z0-9]", "ghu_[A-Za-z0-9]", "ghs_[A-Za-z0-9]", "ghr_[A-Za-z0-9]"},
       "gh[pousr]_[A-Za-z0-9]{36,255}", 3.0, "a token of GitHub", revoke},
      {"github-fine-grained-token", {"github_pat_"}, "github_pat_\\w{82}", 3.0, "a fine-grained token of GitHub", revoke},
      {"gitlab-token", {"glpat-"}, "glpat-[\\w-]{20,300}", 3.0, "a personal access token of GitLab", revoke, 0, 512, true, word_dash},
      {"npm-token", {"npm_[A-Za-z0-9]"}, "npm_[A-Za-z0-9]{36}", 3.0, "an access token of npm", revoke},
      {"npm-auth",
       {"_authtoken", ":_password", ":_auth", "_auth="},
       R"re((?i)(?:_authToken|:_password|:_auth|_auth)\s{0,4}=\s{0,4}["']?([A-Za-z0-9+/=_.-]{8,256}))re", 3.0,
       "credentials of an npm registry", revoke, 0, 512, false, any, true, password, false, 2},
      {"pypi-token", {"pypi-AgEIcHlwaS5vcmc"}, "pypi-AgEIcHlwaS5vcmc[\\w-]{50,1000}", 3.0, "a token of PyPI", revoke, 0, 1100, true, word_dash},
      {"rubygems-key", {"rubygems_"}, "rubygems_[a-f0-9]{48}", 3.0, "an API key of RubyGems", revoke},
      {"slack-token", {"xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"}, "xox[baprs]-[0-9A-Za-z-]*[0-9][0-9A-Za-z-]{9,250}", 3.0, "a token of Slack", revoke, 0, 512, true, word_dash},
      {"slack-webhook",
       {"hooks.slack.com/services/"},
       "hooks\\.slack\\.com/services/(T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{22,26})", 3.5, "a webhook of Slack", revoke},
      {"stripe-key",
       {"sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"},
       "(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,250}", 3.0, "a key of Stripe", revoke},
      {"sendgrid-key", {"SG.[\\w-]"}, "SG\\.[\\w=.-]{66}", 4.0, "an API key of SendGrid", revoke, 0, 512, true, word_dash},
      {"twilio-key", {}, "SK[0-9a-f]{32}", 3.0, "an API key of Twilio", revoke},
      {"shopify-token", {"shpat_", "shpca_", "shppa_", "shpss_"}, "shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", 3.0, "a token of Shopify", revoke},
      {"databricks-token", {"dapi[a-f0-9]"}, "dapi[a-f0-9]{32}(?:-[0-9])?", 3.0, "a token of Databricks", revoke},
      {"grafana-service-token", {"glsa_"}, "glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", 3.0, "a service account token of Grafana", revoke},
      {"grafana-cloud-token", {"glc_[A-Za-z0-9+/]"}, "glc_[A-Za-z0-9+/]{32,400}={0,3}", 3.5, "a token of Grafana Cloud", revoke, 0, 512, true, base64},
      {"newrelic-key", {"NRAK-"}, "NRAK-[A-Z0-9]{27}", 3.0, "a user key of New Relic", revoke},
      {"sentry-token", {"sntrys_"}, "sntrys_[A-Za-z0-9+/=_-]{40,500}", 3.5, "a token of Sentry", revoke, 0, 600, true, word_dash},
      {"anthropic-key", {"sk-ant-api03-", "sk-ant-admin01-"}, "sk-ant-(?:api03|admin01)-[\\w-]{93}AA", 3.5, "an API key of Anthropic", revoke, 0, 512, true, word_dash},
      {"openai-key", {"T3BlbkFJ"}, "sk-[\\w-]{16,200}T3BlbkFJ[\\w-]{16,200}", 3.5, "an API key of OpenAI", revoke, 256, 256, true, word_dash},
      {"huggingface-token", {"hf_[A-Za-z0-9]"}, "hf_[A-Za-z0-9]{34}", 3.0, "a token of Hugging Face", revoke},
      {"vault-token", {"hvs.[\\w-]", "hvb.[\\w-]"}, "hv[sb]\\.[\\w-]{90,300}", 3.5, "a token of Vault", revoke, 0, 512, true, word_dash},
      {"terraform-token", {".atlasv1."}, "[A-Za-z0-9]{14}\\.atlasv1\\.[\\w=-]{60,90}", 3.5, "a token of Terraform Cloud", revoke, 14, 256, true, word_dash},
      {"pulumi-token", {"pul-[a-f0-9]"}, "pul-[a-f0-9]{40}", 3.0, "a token of Pulumi", revoke},
      {"doppler-token", {"dp.pt."}, "dp\\.pt\\.[A-Za-z0-9]{43}", 3.0, "a token of Doppler", revoke},
      {"fly-token",
       {"fo1_[\\w-]", "fm2_[A-Za-z0-9+/]", "fm1r_", "fm1a_"},
       "(?:fo1_[\\w-]{43}|(?:fm2|fm1r|fm1a)_[A-Za-z0-9+/]{43,2000}={0,3})", 3.5, "a token of Fly.io", revoke, 0, 2048, true, word_dash},
      {"heroku-key", {"HRKU-AA"}, "HRKU-AA[\\w-]{58}", 3.5, "an API key of Heroku", revoke, 0, 512, true, word_dash},
      {"planetscale-password", {"pscale_pw_", "pscale_tkn_", "pscale_oauth_"}, "pscale_(?:pw|tkn|oauth)_[\\w=.-]{32,64}", 3.0, "a password of PlanetScale", revoke, 0, 512, true, word_dash},
      {"docker-hub-token", {"dckr_pat_"}, "dckr_pat_[\\w-]{27}", 3.0, "a token of Docker Hub", revoke, 0, 512, true, word_dash},
      {"age-key", {"AGE-SECRET-KEY-1"}, "AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 3.0, "a private key of age", remove_key},
      {"openshift-token", {"sha256~"}, "sha256~[\\w-]{43}", 3.5, "a token of OpenShift", revoke, 0, 512, true, word_dash},
      {"private-key",
       {"PRIVATE KEY-----", "PRIVATE KEY BLOCK-----", "PRIVATE KEY ----"},
       R"re((-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY ----)(?s:.{32,}))re", 0,
       "a private key", remove_key, 48, 4096, false, any, false, private_key},
      {"putty-key",
       {"PuTTY-User-Key-File-"},
       R"re(PuTTY-User-Key-File-[23]: (?s:.{10,3000}?)Private-Lines: [0-9]{1,3}\r?\n([A-Za-z0-9+/=]{16,}))re", 3.0,
       "a private key of PuTTY", remove_key, 0, 4096, false, any},
      {"jwt",
       {".eyJ[h-z0-6]"},
       R"re(eyJ[\w-]{10,2000}\.eyJ[\w-]{10,3000}\.[\w-]{16,1500})re", 3.5, "a JSON Web Token", revoke, 2048, 4096, true, word_dash, false, jwt, false, 2},
      {"registry-auth",
       {"auth\""},
       R"re(auth\\?"\s{0,16}:\s{0,16}\\?"([A-Za-z0-9+/]{8,1000}={0,2})\\?")re", 0, "credentials of a registry", revoke, 0, 1100, false, any, false, basic_auth},
      {"kubernetes-docker-config",
       {".dockerconfigjson", ".dockercfg"},
       R"re(\.docker(?:configjson|cfg)\\?["']?\s{0,4}:\s{0,8}\\?["']?(e[wy][A-Za-z0-9+/]{20,}={0,2}))re", 3.0,
       "credentials of registries in a secret of Kubernetes", revoke, 0, 4096, false, any, false, docker_json},
      {"netrc-password",
       {"machine ", "machine\t"},
       R"re(machine\s{1,8}[\w.:-]{1,255}\s{1,8}login\s{1,8}\S{1,128}\s{1,8}password\s{1,8}(\S{4,256}))re", 2.5,
       "a password of .netrc", revoke, 0, 768, true, any, false, password},
      {"url-password",
       {"://[\\w$%{<.~-]"},
       R"re(://[^\s:@/"'<>`\\(){}\[\],;|*$?#&]{1,64}:([^\s@/"'<>`\\(){}\[\],;|?#]{6,128})@([\w.-]{3,255}))re", 2.5,
       "a password in a URL", revoke, 0, 512, false, any, false, url, false, 3},
      {"assignment",
       {"password", "passwd", "passphrase", "secret", "token", "api_key", "api-key", "apikey", "access_key", "access-key",
        "accesskey", "auth_key", "credential", "private_key", "encryption_key", "signing_key"},
       "", 3.5, "a value that is named a secret", remove_value, 64, 512, false, any, true, assignment, false, 4},
  };
}

}  // namespace

const std::vector<SecretRule>& secret_table() {
  static const std::vector<SecretRule> table = make_table();
  return table;
}

std::vector<SecretRuleText> secret_rules() {
  std::vector<SecretRuleText> texts;
  for (const SecretRule& rule : secret_table())
    texts.push_back({std::string(rule.id), std::string(rule.description), std::string(rule.advice)});
  for (const SecretFileRule& rule : secret_file_rules())
    texts.push_back({std::string(rule.id), std::string(rule.description),
                     std::string(rule.is_key ? remove_key : remove_file)});
  texts.push_back({"variable", "a variable or label of the config that is named a secret", std::string(remove_value)});
  return texts;
}

}  // namespace minibuild::trust
