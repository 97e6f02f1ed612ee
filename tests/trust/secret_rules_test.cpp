#include "minibuild/trust/secret_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include "builder/trust/keyword_filter.h"
#include "builder/trust/secret_value.h"
#include "minibuild/base/error.h"
#include "tests/trust/secret_samples.h"

namespace minibuild::trust {
namespace {

std::string rules_of(const std::vector<SecretFinding>& findings) {
  std::string out;
  for (const SecretFinding& one : findings) out += (out.empty() ? "" : " ") + one.rule;
  return out;
}
std::string found(std::string_view path, std::string_view bytes) {
  return rules_of(scan_secrets(path, bytes));
}

std::vector<SecretFinding> in_parts(std::string_view path, std::string_view bytes,
                                    const std::vector<size_t>& cuts) {
  SecretScanner scanner{std::string(path)};
  size_t at = 0;
  for (const size_t cut : cuts) {
    scanner.write(bytes.substr(at, cut - at));
    at = cut;
  }
  scanner.write(bytes.substr(at));
  return scanner.finish();
}

TEST(SecretRules, FindsEveryFormatInEveryPlace) {
  size_t planted = 0;
  const std::vector<samples::Sample> list = samples::all(20240601);
  ASSERT_GE(list.size(), 60);
  for (const samples::Place& place : samples::places()) {
    for (const samples::Sample& one : list) {
      const std::string file = place.file(one.text);
      const std::vector<SecretFinding> findings = scan_secrets(place.path, file);
      // Inside a string of another document the key itself is as good a find.
      const bool either = one.rule == "gcp-service-account" && rules_of(findings) == "private-key";
      EXPECT_TRUE(rules_of(findings) == one.rule || either)
          << place.name << ": " << one.rule << ": found '" << rules_of(findings) << "' in\n"
          << one.text.substr(0, 200);
      for (const SecretFinding& finding : findings) {
        EXPECT_LT(finding.offset, file.size());
        EXPECT_LE(finding.excerpt.size(), 7);
        if (place.name == "binary") {
          EXPECT_EQ(finding.line, 0);
        }
      }
      ++planted;
    }
  }
  std::set<std::string> rules;
  for (const samples::Sample& one : list) rules.insert(one.rule);
  for (const SecretRuleText& rule : secret_rules())
    EXPECT_TRUE(rules.contains(rule.id) || rule.id.starts_with("file-") || rule.id == "variable") << rule.id;
  std::cout << planted << " planted\n";
}

TEST(SecretRules, OtherSeedsAsWell) {
  for (uint64_t seed = 1; seed <= 40; ++seed)
    for (const samples::Sample& one : samples::all(seed))
      EXPECT_EQ(found("/srv/a", "a\n" + one.text + "\n"), one.rule)
          << "seed " << seed << ": " << one.text.substr(0, 200);
}

TEST(SecretRules, FindsNothingNearby) {
  for (uint64_t seed = 1; seed <= 20; ++seed)
    for (const samples::Sample& one : samples::all(seed))
      for (const std::string& text : {one.miss, one.blank})
        EXPECT_EQ(found("/srv/a", "a\n" + text + "\n"), "") << one.rule << ": " << text;
}

TEST(SecretRules, ALongerTokenIsAnother) {
  samples::Draw d(3);
  for (const std::string& text :
       {"AKIA" + d.upper(17), "hf_" + d.alnum(35), "SK" + d.hex(33), "dapi" + d.hex(33), "AIza" + d.url(36),
        "xAKIA" + d.upper(16), "shpat_" + d.hex(33), "npm_" + d.alnum(37), "pul-" + d.hex(41)})
    EXPECT_EQ(found("/srv/a", text), "") << text;
  // … but what ends an escape is no part of a word.
  EXPECT_EQ(found("/srv/a", "\"a\\nAKIA" + d.upper(16) + "\""), "aws-access-key");
  EXPECT_EQ(found("/srv/a", "?t%3Dhf_" + d.alnum(34) + "&a"), "huggingface-token");
}

TEST(SecretRules, KnowsWhatDocumentationUses) {
  const std::string docs = "AKIA" + std::string("IOSFODNN7EXAMPLE");
  EXPECT_EQ(found("/srv/a", "aws_access_key_id = " + docs), "");
  EXPECT_EQ(
      found("/srv/a", "aws_secret_access_key = wJalrXUtn" + std::string("FEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
      "");
  for (const std::string text : {"password = getpass.getpass()",
                                 "token = parser.next_token2()",
                                 "password: ${DB_PASSWORD}",
                                 "password: {{ vault.db_pass1 }}",
                                 "secret = os.environ['APP_SECRET_1']",
                                 "token_type = 'Bearer9x8y7zQWE'",
                                 "tokenizer = 'bert-base-uncased-v2'",
                                 "password=<your-password-1>",
                                 "PASSWORD=********",
                                 "password = \"xxxxxxxxxxxx\"",
                                 "secret: sha256:0123456789abcdef0123",
                                 "api_key = \"your-api-key-2024\"",
                                 "token: 123e4567-e89b-12d3-a456-426614174000",
                                 "secret=/run/secrets/db1_Password2x",
                                 "password_file = 'q8W3eR7tY1uI9oP2'",
                                 "url: https://user:password@example.com/",
                                 "ftp://user:pass@host/",
                                 "if (token == 'aB3dE5fG7hJ9kL1m')",
                                 "const secretName = 'projects/x/secrets/y1/versions/z2'",
                                 "PASSWORD=$DB_PASS",
                                 "postgres://u:%DBPW%@db/",
                                 "(?P<token>[a-zA-Z0-9]{3})",
                                 "md5 password: d41d8cd98f00b204e9800998ecf8427e",
                                 "http://example.com/?a=b:c@d",
                                 "token.value = 'TEST_TOKEN_0001_FOR_UNIT'",
                                 "nextToken: 'q8W3eR7tY1uI9oP2'",
                                 "password = 'correct horse 7 Battery'",
                                 "PRIVATE KEY-----",
                                 "{this._options=t,this._auth=s.getImmediate({optional:!0})}",
                                 "const TOKEN_STRINGS = \"[A-Za-z0-9._~+/-]+=*\";",
                                 "esctoken = '\\\\\\\\(?:[^\\\\r\\\\n]|[\\\\da-f]{1,6})';",
                                 "tokens.dark = \"rgba(255,231,130,0.4)\";",
                                 "email://a:b@c"})
    EXPECT_EQ(found("/srv/a", text + "\n"), "") << text;
}

TEST(SecretRules, AMarkerAloneIsNoKey) {
  const std::string begin = std::string(5, '-') + "BEGIN RSA PRIVATE" + " KEY-----";
  const std::string end = "-----END RSA PRIVATE" + std::string(" KEY-----");
  EXPECT_EQ(found("/usr/bin/x", begin), "");
  EXPECT_EQ(found("/usr/bin/x", begin + std::string(1, '\0') + end + std::string(1, '\0') +
                                    "SOMEOTHERSTRINGSOFAPROGRAMANDMORE"),
            "");
  EXPECT_EQ(
      found("/usr/lib/x.py", "if line == \"" + begin + "\\n\": return decode_the_rest_of_it(something)"), "");
  EXPECT_EQ(found("/usr/share/x", begin + "\n...\n" + end + "\n"), "");
}

TEST(SecretRules, HowAFileIsCutDoesNotMatter) {
  for (const samples::Sample& one : samples::all(5)) {
    const std::string file = "first line\n" + one.text + "\nlast";
    const std::vector<SecretFinding> whole = scan_secrets("/srv/a", file);
    ASSERT_EQ(rules_of(whole), one.rule);
    for (size_t cut = 0; cut <= file.size(); ++cut)
      ASSERT_EQ(in_parts("/srv/a", file, {cut}), whole) << one.rule << " at " << cut;
  }
}

TEST(SecretRules, WindowsOverlap) {
  samples::Draw d(11);
  const std::string secret = "ghp" + std::string("_") + d.alnum(36);
  std::string filler;
  while (filler.size() < 300'000) filler += d.of("abcdefgh ijklm\n", 1);
  for (const size_t edge :
       {size_t{4096}, size_t{8192}, size_t{12'352}, size_t{65'536}, size_t{69'632}, size_t{131'072}})
    for (size_t shift = 0; shift < 48; ++shift) {
      const size_t at = edge - shift;
      std::string file = filler;
      file.replace(at, secret.size() + 2, "\n" + secret + "\n");
      const std::vector<SecretFinding> whole = scan_secrets("/srv/a", file);
      ASSERT_EQ(rules_of(whole), "github-token") << at;
      EXPECT_EQ(whole[0].offset, at + 1);
      EXPECT_EQ(whole[0].line,
                2 + std::count(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      EXPECT_EQ(whole[0].column, 1);
      for (const size_t part :
           {size_t{1000}, size_t{4096}, size_t{20'000}, size_t{50'001}, size_t{262'144}}) {
        std::vector<size_t> cuts;
        for (size_t cut = part; cut < file.size(); cut += part) cuts.push_back(cut);
        ASSERT_EQ(in_parts("/srv/a", file, cuts), whole) << at << " in parts of " << part;
      }
      ASSERT_EQ(in_parts("/srv/a", file, {at + 20, at + 21, at + 100}), whole) << at;
    }
}

TEST(SecretRules, BothFiltersMeetTheSameKeywords) {
  std::vector<SecretRule> rules = secret_table();
  const KeywordFilter scalar(rules, KeywordFilter::Kind::scalar);
  const KeywordFilter vector(rules, KeywordFilter::Kind::vector);
  samples::Draw d(13);
  std::string text;
  for (const uint64_t seed : {17U, 18U})
    for (const samples::Sample& one : samples::all(seed))
      text += d.of("abcdeEFGH123_-.:/ \n", 1 + d.below(90)) + one.text;
  while (text.size() < 200'000)
    text += d.of("passwordtokensecretghp_SK0123456789abcdefAKIAeyJ.://", 1 + d.below(9)) +
            static_cast<char>(d.below(256));
  text.resize(text.size() / 32 * 32);
  const size_t size = text.size();
  text += std::string(KeywordFilter::beyond, '\0');
  using Keyword = std::tuple<size_t, int, int>;  // where it begins, rule, keyword
  const auto keywords = [&](const KeywordFilter& filter) {
    std::set<Keyword> all;
    for (size_t at = 0; at < size; at += KeywordFilter::group) {
      KeywordFilter::Hit hit = filter.next(text.data(), at, size);
      at = hit.at;
      for (; hit.positions != 0; hit.positions &= hit.positions - 1) {
        const size_t place = at + static_cast<size_t>(std::countr_zero(hit.positions));
        filter.pieces_at(text.data() + place, [&](const KeywordFilter::Piece& piece) {
          all.insert({place - piece.shift, piece.rule, piece.keyword});
        });
      }
    }
    return all;
  };
  const std::set<Keyword> first = keywords(scalar), second = keywords(vector);
  // The scalar filter takes letters in either case, the other one in the case of the rule: the keywords that
  // stand there are met by both.
  size_t matching = 0;
  for (size_t rule = 0; rule < rules.size(); ++rule)
    for (size_t keyword = 0; keyword < rules[rule].keywords.size(); ++keyword) {
      const std::string_view whole = rules[rule].keywords[keyword];
      if (literal_of(whole) != whole) continue;
      for (size_t at = text.find(whole); at != std::string::npos; at = text.find(whole, at + 1)) {
        ++matching;
        EXPECT_TRUE(first.contains({at, static_cast<int>(rule), static_cast<int>(keyword)})) << whole << at;
        EXPECT_TRUE(second.contains({at, static_cast<int>(rule), static_cast<int>(keyword)})) << whole << at;
      }
    }
  EXPECT_TRUE(std::includes(first.begin(), first.end(), second.begin(), second.end()));
  EXPECT_GT(matching, 100);
}

TEST(SecretRules, LinesAndColumns) {
  samples::Draw d(19);
  const std::string secret = "hf_" + d.alnum(34);
  const std::vector<SecretFinding> findings =
      scan_secrets("/srv/a", "one\n\n  x " + secret + "\n" + secret + " \n");
  ASSERT_EQ(findings.size(), 2);
  EXPECT_EQ(findings[0].line, 3);
  EXPECT_EQ(findings[0].column, 5);
  EXPECT_EQ(findings[0].offset, 9);
  EXPECT_EQ(findings[1].line, 4);
  EXPECT_EQ(findings[1].column, 1);
  EXPECT_EQ(findings[0].fingerprint, findings[1].fingerprint);
  EXPECT_NE(findings[0].fingerprint, scan_secrets("/srv/b", secret)[0].fingerprint);
  EXPECT_EQ(findings[0].excerpt, secret.substr(0, 4) + "…");
  EXPECT_EQ(scan_secrets("/srv/a", std::string(1, '\0') + "\n" + secret)[0].line, 0);
}

TEST(SecretRules, AllowsByAMarker) {
  const std::string secret = "hf_" + samples::Draw(23).alnum(34);
  EXPECT_EQ(found("/a", "x = '" + secret + "'  # minibuild:allow of a test\n"), "");
  EXPECT_EQ(found("/a", "# minibuild:allow\nx = '" + secret + "'\n"), "");
  EXPECT_EQ(found("/a", "# minibuild:allow\n\nx = '" + secret + "'\n"), "huggingface-token");
  EXPECT_EQ(found("/a", "x = '" + secret + "'\n# minibuild:allow\n"), "huggingface-token");
  EXPECT_EQ(found("/.env", "# minibuild:allow\nDB_PASSWORD=a8f7sdf\n"), "");
}

TEST(SecretRules, KeepsTheMoreSpecificFinding) {
  samples::Draw d(29);
  EXPECT_EQ(found("/a", "GITHUB_TOKEN=ghp" + std::string("_") + d.alnum(36) + "\n"), "github-token");
  EXPECT_EQ(found("/a", "https://me:ghp" + std::string("_") + d.alnum(36) + "@git.internal/x\n"),
            "github-token");
  EXPECT_EQ(found("/a", "//registry.example.com/:_authToken=npm" + std::string("_") + d.alnum(36) + "\n"),
            "npm-token");
}

TEST(SecretRules, CountsAreBounded) {
  samples::Draw d(31);
  std::string file;
  for (int i = 0; i < 1500; ++i) file += "hf_" + d.alnum(34) + "\n";
  EXPECT_EQ(scan_secrets("/a", file).size(), 1000);
}

TEST(SecretRules, FileNames) {
  const std::string text = "x: some-thing-2\n";
  const struct {
    std::string path, bytes, rule;
  } cases[] = {
      {"/app/.env", "# nothing\nNODE_ENV=production\nDB_PASSWORD=\n", ""},
      {"/app/.env", "DB_PASSWORD=s3kr\n", "file-env"},
      {"/app/.env.production", "export API_TOKEN='q7w8'\n", "file-env"},
      {"/app/.env.example", "DB_PASSWORD=s3kr\n", ""},
      {"/app/.env.sample", "DB_PASSWORD=s3kr\n", ""},
      {"/app/.env.template", "DB_PASSWORD=s3kr\n", ""},
      {"/app/.env", "DB_PASSWORD=${DB_PASSWORD}\nTOKEN=<token>\n", ""},
      {"/app/env", "DB_PASSWORD=s3kr\n", ""},
      {"/root/.ssh/id_rsa", "", ""},
      {"/root/.ssh/id_rsa", "\x80\x81garbage", "file-ssh-key"},
      {"/root/.ssh/id_ed25519", "PRIVATE KEY in some other form", "file-ssh-key"},
      {"/root/.ssh/id_rsa.pub", "ssh-rsa AAAA", ""},
      {"/usr/lib/python3/credentials", "", ""},
      {"/home/me/.aws/credentials", "[default]\naws_access_key_id = something\n", "file-aws-credentials"},
      {"/home/me/.aws/credentials", "[default]\n# none\n", ""},
      {"/app/credentials", "client_secret: abcd99\n", "file-credentials"},
      {"/app/credentials.json", "{\n  \"client_secret\": \"abcd99\"\n}\n", "file-credentials"},
      {"/app/credentials.json", "{\n  \"client_secret\": \"\"\n}\n", ""},
      {"/usr/share/doc/credentials.md", "password: abcd99\n", ""},
      {"/etc/openvpn/office.ovpn", "client\n", "file-openvpn"},
      {"/root/.npmrc", "registry=https://registry.example.com/\n", ""},
      {"/root/.npmrc", "//registry.example.com/:_authToken=${NPM_TOKEN}\n", ""},
      {"/root/.npmrc", "//registry.example.com/:_password=abcd\n", "file-npmrc"},
      {"/root/.pypirc", "[pypi]\nusername = me\npassword = abcd\n", "file-pypirc"},
      {"/root/.netrc", "default login a password bcde\n", "file-netrc"},
      {"/root/_netrc", "default login a password bcde\n", "file-netrc"},
      {"/root/.git-credentials", "https://me:pass@git.example.com\n", "file-git-credentials"},
      {"/root/.git-credentials", "https://git.example.com\n", ""},
      {"/root/.pgpass", "localhost:5432:db:me:pass\n", "file-pgpass"},
      {"/srv/.htpasswd", "me:$apr1$abcdefgh$xyz\n", "file-htpasswd"},
      {"/root/.docker/config.json", "{\"auths\": {\"r.example.com\": {}}, \"credsStore\": \"pass\"}", ""},
      {"/root/.docker/config.json", "{\"auths\": {\"r.example.com\": {\"identitytoken\": \"abcdef\"}}}",
       "file-docker-config"},
      {"/app/config.json", "{\"identitytoken\": \"abcdef\"}", ""},
      {"/root/.kube/config", "users:\n- name: a\n  user:\n    client-key-data: TUlJ\n", "file-kubeconfig"},
      {"/root/.kube/config", "clusters:\n- cluster:\n    certificate-authority-data: TUlJ\n", ""},
      {"/srv/kubeconfig", "users:\n- user: {token: abcdef}\n", "file-kubeconfig"},
      {"/root/.vault-token", "s.abc", "file-vault-token"},
      {"/root/.boto", "[Credentials]\ngs_secret_access_key = abcd\n", "file-boto"},
      {"/root/.boto", "[Boto]\nhttps_validate_certificates = True\n", ""},
      {"/root/.s3cfg", "secret_key = abcd\n", "file-s3cfg"},
      {"/app/terraform.tfstate", "{\n \"password\": \"abcd99\",\n}\n", "file-terraform-state"},
      {"/app/terraform.tfstate", "{\n \"version\": 4\n}\n", ""},
      {"/etc/ssl/java/cacerts.jks", std::string("\xFE\xED\xFE\xED\0\0\0\2\0\0\0\1\0\0\0\2\0\1", 18), ""},
      {"/app/server.jks", std::string("\xFE\xED\xFE\xED\0\0\0\2\0\0\0\1\0\0\0\1\0\1", 18), "file-key-store"},
      {"/app/server.p12", std::string("\x30\x82\1\2..\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x0A\x01\x02..", 19),
       "file-key-store"},
      {"/app/trust.p12", std::string("\x30\x82\1\2..\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x0A\x01\x03..", 19), ""},
      {"env:.env", "PASSWORD_X=abc\n", ""},
  };
  for (const auto& one : cases)
    EXPECT_EQ(found(one.path, one.bytes), one.rule) << one.path << "\n" << one.bytes;
  // A credential that was found says more than the name.
  EXPECT_EQ(found("/.env", "A=hf_" + samples::Draw(37).alnum(34) + "\n"), "huggingface-token");
  const std::vector<SecretFinding> one = scan_secrets("/app/.env", "DB_PASSWORD=s3kr\n");
  EXPECT_EQ(one[0].line, 0);
  EXPECT_EQ(one[0].excerpt, "…");
}

TEST(SecretRules, TextsOfAConfig) {
  oci::ImageConfig config;
  const std::string token = "hf_" + samples::Draw(41).alnum(34);
  config.env = {{"PATH", "/usr/bin"},
                {"DB_PASSWORD", "hunter2"},
                {"TOKEN_FILE", "/run/secrets/t"},
                {"SECRET_PATH", "x.y"},
                {"API_TOKEN", "${TOKEN}"},
                {"MAX_TOKENS", "4096"},
                {"APP_SECRET", ""},
                {"HF", token},
                {"GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"},
                {"TOKENIZERS_PARALLELISM", "false"},
                {"PASSWORD", "/run/secrets/p"},
                {"USE_TOKEN", "true"}};
  config.labels = {{"org.example.api_key", "abcd-1234"}, {"org.example.title", "Token server"}};
  config.cmd = {"app", "--token", token};
  config.entrypoint = {"/bin/sh"};
  config.history = {{"", "RUN make", "", "", false},
                    {"", "RUN |1 TOKEN=" + token + " /bin/sh -c make", "", "", false}};
  std::string all;
  for (const ConfigFinding& one : scan_texts(texts_of(config)))
    all += one.place + " " + one.finding.rule + "\n";
  EXPECT_EQ(all,
            "env:DB_PASSWORD variable\nenv:HF huggingface-token\nlabel:org.example.api_key variable\ncmd "
            "huggingface-token\n"
            "history:1 huggingface-token\n");
}

TEST(SecretRules, Baselines) {
  const std::string token = "hf_" + samples::Draw(43).alnum(34);
  const SecretFinding finding = scan_secrets("/app/a", token)[0];
  Baseline baseline;
  EXPECT_FALSE(baseline.contains(finding));
  baseline.add("/app/a", finding);
  EXPECT_TRUE(baseline.contains(finding));
  EXPECT_FALSE(baseline.contains(scan_secrets("/app/b", token)[0]));
  const std::string json = to_json(baseline);
  EXPECT_EQ(parse_baseline(json, "baseline.json"), baseline);
  EXPECT_EQ(json.find(token), std::string::npos);
  EXPECT_EQ(parse_baseline("{\"version\":1,\"findings\":[]}", "b").entries.size(), 0);
  EXPECT_EQ(parse_baseline(to_json(Baseline()), "b"), Baseline());
  for (const std::string bad :
       {"", "[]", "{}", "{\"version\":2,\"findings\":[]}", "{\"version\":1}",
        "{\"version\":1,\"findings\":{}}", "{\"version\":1,\"findings\":[1]}",
        "{\"version\":1,\"findings\":[{\"rule\":\"a\",\"path\":\"b\"}]}",
        "{\"version\":1,\"findings\":[{\"rule\":\"a\",\"path\":\"b\",\"fingerprint\":\"c\"}]}"})
    EXPECT_THROW(parse_baseline(bad, "baseline.json"), base::Error) << bad;
}

TEST(SecretRules, RulesAreDocumented) {
  std::ifstream file(std::string(MINIBUILD_SOURCE_DIR) + "/docs/secrets.md");
  const std::string docs((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::set<std::string> seen;
  for (const SecretRuleText& rule : secret_rules()) {
    EXPECT_TRUE(seen.insert(rule.id).second) << rule.id;
    EXPECT_FALSE(rule.description.empty()) << rule.id;
    EXPECT_FALSE(rule.advice.empty()) << rule.id;
    EXPECT_NE(docs.find("`" + rule.id + "`"), std::string::npos) << rule.id << " is not in docs/secrets.md";
  }
}

TEST(SecretRules, Entropy) {
  EXPECT_DOUBLE_EQ(entropy(""), 0);
  EXPECT_DOUBLE_EQ(entropy("aaaa"), 0);
  EXPECT_DOUBLE_EQ(entropy("abab"), 1);
  EXPECT_DOUBLE_EQ(entropy("abcdefgh"), 3);
}

// A whole system: MINIBUILD_TEST_SECRETS_TREE=/usr trust_test --gtest_filter='*WholeTree'
TEST(SecretRules, WholeTree) {
  const char* tree = std::getenv("MINIBUILD_TEST_SECRETS_TREE");
  if (tree == nullptr) {
    std::cout << "not searched: set MINIBUILD_TEST_SECRETS_TREE to a directory such as /usr\n";
    GTEST_SKIP();
  }
  size_t files = 0, findings = 0;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(
           tree, std::filesystem::directory_options::skip_permission_denied, error);
       it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (it->is_symlink(error) || !it->is_regular_file(error)) continue;
    std::ifstream file(it->path(), std::ios::binary);
    SecretScanner scanner(it->path().string());
    std::string part(size_t{1} << 20, '\0');
    while (file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount() > 0)
      scanner.write({part.data(), static_cast<size_t>(file.gcount())});
    for (const SecretFinding& one : scanner.finish()) {
      std::cout << it->path().string() << ':' << one.line << ": " << one.rule << ' ' << one.excerpt << '\n';
      ++findings;
    }
    ++files;
  }
  std::cout << files << " files\n";
  EXPECT_GT(files, 0);
  EXPECT_LE(findings, 5);
}

}  // namespace
}  // namespace minibuild::trust
