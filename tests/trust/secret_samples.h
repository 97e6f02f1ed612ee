// A sample of every format, made from a seed: no credential stands in this repository, not even one of
// nobody.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/text.h"

namespace minibuild::trust::samples {

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  std::string of(std::string_view alphabet, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += alphabet[below(alphabet.size())];
    return out;
  }
  std::string hex(size_t n) { return of("0123456789abcdef", n); }
  std::string alnum(size_t n) {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", n);
  }
  std::string url(size_t n) {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", n - 1) + alnum(1);
  }
  std::string b64(size_t n) {
    return of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", n);
  }
  std::string upper(size_t n) { return of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n); }

 private:
  std::mt19937_64 random_;
};

/// A text with one credential, and the same with one that is none: too short, of another alphabet.
struct Sample {
  std::string rule;
  std::string text;
  std::string miss;   // not to be found
  std::string blank;  // the form with a placeholder; may be empty
};

inline std::string url_base64(std::string_view bytes) {
  std::string text = base::base64(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

inline std::string lines_of(const std::string& text, size_t width) {
  std::string out;
  for (size_t at = 0; at < text.size(); at += width) out += text.substr(at, width) + "\n";
  return out;
}

inline std::string pem(const std::string& kind, const std::string& body, const std::string& headers = "") {
  const std::string dashes(5, '-');
  return dashes + "BEGIN " + kind + dashes + "\n" + headers + lines_of(body, 64) + dashes + "END " + kind +
         dashes + "\n";
}

inline std::vector<Sample> all(uint64_t seed) {
  Draw d(seed);
  std::vector<Sample> list;
  // prefix + body; a miss has a body that is one too short.
  const auto add = [&](const std::string& rule, const std::string& prefix, const std::string& body,
                       const std::string& suffix = "") {
    list.push_back({rule, prefix + body + suffix, prefix + body.substr(1) + suffix,
                    prefix + std::string(body.size(), 'x') + suffix});
  };
  for (const std::string prefix : {"AKIA", "ASIA", "ABIA", "ACCA", "A3TX"})
    add("aws-access-key", prefix, d.upper(16));
  add("aws-secret-key", "aws_secret_access_key = ", d.b64(39) + "k");
  list.back().miss = "aws_secret_access_key = " + d.alnum(7);
  add("gcp-api-key", "AIza", d.url(35));
  add("gcp-oauth-secret", "GOCSPX-", d.url(28));
  add("azure-storage-key", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", d.b64(86), "==");
  for (const std::string prefix : {"dop", "doo", "dor"})
    add("digitalocean-token", prefix + "_v1_", d.hex(64));
  for (const std::string prefix : {"ghp", "gho", "ghu", "ghs", "ghr"})
    add("github-token", prefix + "_", d.alnum(36));
  add("github-fine-grained-token", std::string("github") + "_pat_", d.alnum(22) + "_" + d.alnum(59));
  add("gitlab-token", "glpat-", d.url(20));
  add("npm-token", "npm_", d.alnum(36));
  add("npm-auth", "//registry.example.com/:_authToken=",
      d.hex(8) + "-" + d.hex(4) + "-4" + d.hex(3) + "-a" + d.hex(3) + "-" + d.hex(12));
  list.back().miss = "//registry.example.com/:_authToken=" + d.hex(5);
  list.back().blank = "//registry.example.com/:_authToken=${NPM_TOKEN}";
  add("pypi-token", std::string("pypi-") + "AgEIcHlwaS5vcmc", d.url(150));
  list.back().miss = std::string("pypi-") + "AgEIcHlwaS5vcmc" + d.url(49);
  add("rubygems-key", "rubygems_", d.hex(48));
  for (const char kind : {'b', 'p', 'a', 'r', 's'}) {
    add("slack-token", std::string("xox") + kind + "-",
        d.of("0123456789", 12) + "-" + d.of("0123456789", 12) + "-" + d.alnum(24));
    list.back().miss = std::string("xox") + kind + "-" + d.alnum(5);
  }
  add("slack-webhook", std::string("https://hooks.slack.com") + "/services/",
      "T" + d.upper(8) + "/B" + d.upper(10) + "/" + d.alnum(24));
  list.back().miss =
      std::string("https://hooks.slack.com") + "/services/T" + d.upper(8) + "/B" + d.upper(10) + "/abc";
  add("slack-app-token", "xapp-1-", "A" + d.upper(10) + "-" + d.of("0123456789", 13) + "-" + d.hex(64));
  list.back().miss = "xapp-1-A" + d.upper(10) + "-" + d.of("0123456789", 13) + "-" + d.hex(63);
  add("discord-webhook", "https://discord.com/api/webhooks/", d.of("123456789", 18) + "/" + d.url(68));
  list.back().miss = "https://discord.com/api/webhooks/" + d.of("123456789", 18) + "/" + d.url(40);
  const std::string bot = d.of("123456789", 10);
  add("telegram-token", bot + ":", "AA" + d.url(33));
  list.back().miss = bot + ":AA" + d.url(32);
  add("azure-sas-token", "https://a.blob.core.windows.net/c/f?sv=2022-11-02&sp=r&sig=", d.alnum(43), "%3D");
  list.back().miss = "https://a.blob.core.windows.net/c/f?sv=2022-11-02&sp=r&sig=" + d.alnum(30) + "%3D";
  for (const std::string prefix : {"sk_live_", "rk_live_", "sk_test_", "rk_prod_"}) {
    add("stripe-key", prefix, d.alnum(24));
    list.back().miss = prefix + d.alnum(9);
  }
  add("sendgrid-key", "SG.", d.url(22) + "." + d.url(43));
  add("twilio-key", "SK", d.hex(32));
  add("shopify-token", "shpat_", d.hex(32));
  add("databricks-token", "dapi", d.hex(32));
  add("grafana-service-token", "glsa_", d.alnum(32) + "_" + d.hex(8));
  add("grafana-cloud-token", "glc_", d.b64(80));
  list.back().miss = "glc_" + d.alnum(31);
  add("newrelic-key", "NRAK-", d.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 27));
  add("sentry-token", "sntrys_",
      url_base64("{\"iat\":1700000000.1,\"url\":\"https://s.example.com\"}") + "_" + d.b64(43));
  list.back().miss = "sntrys_" + d.alnum(39);
  add("anthropic-key", std::string("sk-ant-") + "api03-", d.url(93), "AA");
  add("openai-key", "sk-", d.alnum(20) + "T3Blbk" + "FJ" + d.alnum(20));
  list.back().miss = "sk-" + d.alnum(20) + "T3Blbk" + "FJ" + d.alnum(9);
  add("openai-key", "sk-proj-", d.url(74) + "T3Blbk" + "FJ" + d.url(74));
  list.back().miss = "sk-proj-" + d.alnum(5) + "T3Blbk" + "FJ" + d.url(74);
  add("huggingface-token", "hf_", d.alnum(34));
  add("vault-token", "hvs.", d.url(92));
  list.back().miss = "hvs." + d.url(89);
  const std::string atlas = d.alnum(14) + ".atlasv1.";
  add("terraform-token", atlas, d.url(67));
  list.back().miss = atlas + d.url(59);
  add("pulumi-token", "pul-", d.hex(40));
  add("doppler-token", "dp.pt.", d.alnum(43));
  add("fly-token", "fo1_", d.url(43));
  add("fly-token", "fm2_", d.b64(200));
  list.back().miss = "fm2_" + d.alnum(42);
  add("heroku-key", "HRKU-AA", d.url(58));
  add("planetscale-password", "pscale_pw_", d.url(43));
  list.back().miss = "pscale_pw_" + d.url(31);
  add("docker-hub-token", std::string("dckr") + "_pat_", d.url(27));
  add("age-key", std::string("AGE-SECRET") + "-KEY-1", d.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58));
  add("openshift-token", "sha256~", d.url(43));

  for (const std::string kind :
       {"PRIVATE", "RSA PRIVATE", "EC PRIVATE", "DSA PRIVATE", "OPENSSH PRIVATE", "ENCRYPTED PRIVATE"})
    list.push_back({"private-key", pem(kind + " KEY", "MII" + d.b64(kind[0] == 'E' ? 161 : 1201)),
                    pem(kind + " KEY", d.b64(20)), pem(kind + " KEY", std::string(160, 'A'))});
  // As ssh-keygen writes it without a passphrase: many zeros in front.
  list.push_back({"private-key",
                  pem(std::string("OPENSSH ") + "PRIVATE KEY",
                      "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACD" +
                          d.b64(260)),
                  pem("PUBLIC KEY", d.b64(392)),
                  pem(std::string("OPENSSH ") + "PRIVATE KEY", std::string(300, 'A'))});
  list.push_back({"private-key",
                  pem(std::string("RSA ") + "PRIVATE KEY", d.b64(800),
                      "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," + d.hex(32) + "\n\n"),
                  pem("PUBLIC KEY", d.b64(392)), pem("CERTIFICATE", d.b64(800))});
  list.push_back({"private-key",
                  pem(std::string("PGP PRIVATE") + " KEY BLOCK", d.b64(900) + "=", "Version: X 1.0\n\n"),
                  pem("PGP PUBLIC KEY BLOCK", d.b64(900)), ""});
  list.push_back({"putty-key",
                  std::string("PuTTY-User-Key") +
                      "-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n" +
                      lines_of(d.b64(100), 64) + "Private-Lines: 1\n" + d.b64(47) +
                      "=\nPrivate-MAC: " + d.hex(64) + "\n",
                  "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 2\n" + lines_of(d.b64(100), 64), ""});
  const std::string header = url_base64("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
  const std::string payload = url_base64("{\"sub\":\"" + d.hex(20) + "\",\"iat\":1700000000}");
  list.push_back({"jwt", header + "." + payload + "." + d.url(43), header + "." + payload + ".",
                  url_base64("{\"typ\":\"JWT\",\"x\":\"none\"}") + "." + payload + "." + d.url(43)});
  const std::string basic = base::base64("robot:" + d.alnum(18));
  list.push_back(
      {"registry-auth", "{\"auths\": {\"registry.example.com\": {\"auth\": \"" + basic + "\"}}}",
       "{\"auths\": {\"registry.example.com\": {\"auth\": \"\"}}}",
       "{\"auths\": {\"registry.example.com\": {\"auth\": \"" + base::base64("user:<password>") + "\"}}}"});
  const std::string document = base::base64("{\"auths\":{\"registry.example.com\":{\"auth\":\"" +
                                            base::base64("me:" + d.alnum(20)) + "\"}}}");
  list.push_back({"kubernetes-docker-config", ".dockerconfigjson: " + document,
                  ".dockerconfigjson: e30=", ".dockerconfigjson: <base64>"});
  list.push_back({"gcp-service-account",
                  "{\"type\": \"service_account\", \"project_id\": \"p\", \"private_key\": \"" +
                      std::string(5, '-') + "BEGIN PRIVATE KEY-----\\nMII" + d.b64(61) + "\\n" + d.b64(64) +
                      "\\n" + d.b64(64) + "\\n-----END PRIVATE KEY-----\\n\"}",
                  "{\"type\": \"service_account\", \"private_key\": \"\"}",
                  "{\"type\": \"service_account\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nYOUR "
                  "KEY\\n-----END PRIVATE KEY-----\"}"});
  list.push_back(
      {"wireguard-key", "[Interface]\nPrivateKey = " + d.b64(42) + "A=",
       "[Interface]\nPrivateKey = " + d.b64(40) + "A=", "PrivateKey = " + std::string(43, 'x') + "="});
  list.push_back(
      {"private-key-base64",
       "    client-key-data: " + base::base64(pem("RSA " + std::string("PRIVATE KEY"), "MII" + d.b64(1201))),
       "    certificate-authority-data: " + base::base64(pem("CERTIFICATE", d.b64(800))),
       "    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk"});
  list.push_back({"bearer-token", "curl -H 'Authorization: Bearer " + d.alnum(40) + "' https://api.corp.io",
                  "Authorization: Bearer " + d.alnum(15), "Authorization: Bearer ${TOKEN_OF_THE_ROBOT}"});
  list.push_back({"basic-auth", "Authorization: Basic " + base::base64("robot:" + d.alnum(18)),
                  "Authorization: Basic " + base::base64("robot"),
                  "Authorization: Basic " + base::base64("Aladdin:open sesame")});
  list.push_back({"php-define", "define('DB_PASSWORD', 'k4" + d.alnum(12) + "');",
                  "define('DB_NAME', 'k4" + d.alnum(12) + "');", "define( 'AUTH_KEY', 'password_here' );"});
  list.push_back({"netrc-password", "machine git.example.com login me password k4" + d.alnum(14),
                  "machine git.example.com login me", "machine host login me password secret"});
  list.push_back({"url-password", "postgres://app:" + d.alnum(16) + "@db.internal:5432/app",
                  "postgres://app@db.internal/app", "postgres://app:${PASSWORD}@db.internal/app"});
  const std::string value = d.alnum(10) + "7" + d.alnum(10) + "4Kq9";
  for (const std::string form : {"DB_PASSWORD=", "client_secret: ", "api_key = '", "\"access_token\": \"",
                                 "apiKey := \"", "'auth_key' => '"}) {
    const std::string quote(1, form.back() == '\'' || form.back() == '"' ? form.back() : ' ');
    list.push_back({"assignment", form + value + (quote == " " ? "" : quote),
                    form + "aaaa1111" + (quote == " " ? "" : quote),
                    form + "changeme" + (quote == " " ? "" : quote)});
  }
  return list;
}

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}
/// As in a string of JSON or JavaScript.
inline std::string escaped(const std::string& text) {
  return replaced(replaced(replaced(text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n");
}
inline std::string indented(const std::string& text) { return "    " + replaced(text, "\n", "\n    "); }

/// A place where credentials are met, and a file with `text` there.
struct Place {
  std::string name;
  std::string path;
  std::function<std::string(const std::string& text)> file;
};

inline std::vector<Place> places() {
  const std::string nul(1, '\0');
  Draw d(7);
  std::string code;
  while (code.size() < 500'000)
    code += "function " + d.of("abcdefghijk", 3) + "(a,b){return a.c(b)+\"" + d.of("lmnopq ", 9) + "\"};";
  std::string bytes;
  for (size_t i = 0; i < 3000; ++i) bytes += static_cast<char>(d.below(256));
  std::string prose;
  while (prose.size() < 65'536 - 20) prose += "A line that says nothing of interest.\n";
  prose.resize(65'536 - 20);
  return {
      {"plain text", "/srv/notes.txt",
       [](const std::string& t) { return "Some words before.\n" + t + "\nand after.\n"; }},
      {"binary", "/srv/program",
       [=](const std::string& t) {
         return "\x7F"
                "ELF" +
                bytes + nul + t + nul + bytes;
       }},
      {"window boundary", "/srv/long.txt",
       [=](const std::string& t) { return prose + "\n" + t + "\n" + prose; }},
      {"JSON", "/srv/a.json",
       [](const std::string& t) { return "{\"a\": 1, \"note\": \"" + escaped(t) + "\", \"z\": null}\n"; }},
      {"YAML", "/srv/a.yaml",
       [](const std::string& t) { return "a: 1\nnote: |\n" + indented(t) + "\nz: 2\n"; }},
      {".env", "/srv/settings.env", [](const std::string& t) { return "A=1\n" + t + "\nZ=2\n"; }},
      {"INI", "/srv/a.ini",
       [](const std::string& t) { return "[section]\r\na = 1\n" + t + "\n; comment\nz = 2\n"; }},
      {"shell script", "/srv/run.sh",
       [](const std::string& t) {
         return "#!/bin/sh\nset -e\ncat > file <<'END'\n" + t + "\nEND\nexec app\n";
       }},
      {"minified JavaScript", "/srv/a.min.js",
       [=](const std::string& t) { return code + "x=\"" + escaped(t) + "\";" + code; }},
      {"no line end", "/srv/token", [](const std::string& t) { return t; }},
      {"CRLF", "C/notes.txt",
       [](const std::string& t) { return replaced("first\n" + t + "\nlast\n", "\n", "\r\n"); }},
      {"XML", "/srv/a.xml",
       [](const std::string& t) { return "<?xml version=\"1.0\"?>\n<a><![CDATA[" + t + "]]></a>\n"; }},
  };
}

}  // namespace minibuild::trust::samples
