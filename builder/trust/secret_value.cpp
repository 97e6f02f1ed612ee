#include "builder/trust/secret_value.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

using namespace std::string_view_literals;

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// The longest run of one character.
size_t longest_run(std::string_view text) {
  size_t longest = 0, run = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    run = i > 0 && text[i] == text[i - 1] ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

// base64 of either alphabet, without its last incomplete group.
std::optional<std::string> decode(std::string_view text) {
  std::string plain(text);
  while (!plain.empty() && plain.back() == '=') plain.pop_back();
  plain.resize(plain.size() - (plain.size() % 4 == 1 ? 1 : 0));
  std::replace(plain.begin(), plain.end(), '-', '+');
  std::replace(plain.begin(), plain.end(), '_', '/');
  // The last bits must be zero for a strict reader: whole groups only.
  if (std::optional<std::string> all = base::unbase64(plain)) return all;
  return base::unbase64(std::string_view(plain).substr(0, plain.size() / 4 * 4));
}

bool is_base64(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/' || c == '=';
}

}  // namespace

double entropy(std::string_view text) {
  std::array<size_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const size_t n : counts)
    if (n > 0)
      bits -= static_cast<double>(n) * std::log2(static_cast<double>(n) / static_cast<double>(text.size()));
  return text.empty() ? 0 : bits / static_cast<double>(text.size());
}

bool is_placeholder(std::string_view value) {
  if (value.empty()) return true;
  static constexpr auto forms = {"${"sv, "{{"sv, "$("sv,  "%("sv,   "#{"sv,
                                 "<%"sv, "@@"sv, "..."sv, "****"sv, "%s"sv};
  for (const std::string_view form : forms)
    if (has(value, form)) return true;
  if (value.front() == '$' && value.size() > 1 &&
      (std::isalpha(static_cast<unsigned char>(value[1])) != 0 || value[1] == '_') &&
      std::all_of(value.begin() + 1, value.end(),
                  [](unsigned char c) { return std::isupper(c) != 0 || std::isdigit(c) != 0 || c == '_'; }))
    return true;
  if (value.front() == '<' || (value.front() == '[' && value.back() == ']') ||
      (value.front() == '{' && value.back() == '}') || (value.front() == '%' && value.back() == '%') ||
      (value.front() == '@' && value.back() == '@'))
    return true;
  const std::string small = base::lower_case(value);
  static constexpr auto words = {
      "example"sv,    "changeme"sv,         "change_me"sv,    "change-me"sv,       "placeholder"sv,
      "redacted"sv,   "replaceme"sv,        "replace_"sv,     "replace-"sv,        "your-"sv,
      "your_"sv,      "yourtoken"sv,        "yoursecret"sv,   "dummy-"sv,          "dummy_"sv,
      "dummytoken"sv, "notasecret"sv,       "not-a-"sv,       "insert-"sv,         "insert_"sv,
      "xxxx"sv,       "1234567890abcdef"sv, "abcdefghijkl"sv, "0123456789abcdef"sv};
  for (const std::string_view word : words)
    if (has(small, word)) return true;
  return longest_run(small) >= 8 ||
         (small.size() >= 8 && small.size() <= 24 && longest_run(small) >= small.size() / 2 + 1);
}

bool is_stock_password(std::string_view value) {
  if (is_placeholder(value)) return true;
  const std::string small = base::lower_case(value);
  std::string plain = small;  // `p4ssw0rd`, `p@ssword`
  for (char& c : plain) {
    constexpr std::string_view from = "04@$315", to = "oaaseis";
    if (const size_t at = from.find(c); at != std::string_view::npos) c = to[at];
  }
  if (has(plain, "password") || has(plain, "passwd") || has(plain, "secret")) return true;
  static constexpr auto words = {
      "pass"sv,  "secret"sv,  "passwd"sv,  "pwd"sv,       "dummy"sv, "sample"sv, "foobar"sv, "hunter2"sv,
      "tiger"sv, "qwerty"sv,  "letmein"sv, "s3cret"sv,    "test"sv,  "demo"sv,   "fake"sv,   "token"sv,
      "mypw"sv,  "admin"sv,   "guest"sv,   "anonymous"sv, "12345"sv, "abcdef"sv, "abc123"sv, "none"sv,
      "null"sv,  "default"sv, "string"sv,  "true"sv,      "false"sv, "user"sv,   "host"sv,   "port"sv};
  // A short word may stand in a long random text by chance: there it must be a part of its own.
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    const size_t at = small.find(word);
    if (at == std::string::npos) return false;
    return word.size() >= 5 || small.size() <= 16 || at == 0 ||
           std::isalnum(static_cast<unsigned char>(small[at - 1])) == 0;
  });
}

std::string key_body(std::string_view text) {
  size_t at = text.find("PRIVATE KEY");
  if (at == std::string_view::npos) return {};
  at = text.find("--", at);
  if (at == std::string_view::npos) return {};
  while (at < text.size() && text[at] == '-') ++at;
  std::string body;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '\\' && at + 1 < text.size() && has("nrt\r\n"sv, text.substr(at + 1, 1))) {
      at += 2;
      continue;
    }
    if (has(" \t\r\n\"'`,+\\"sv, text.substr(at, 1)) &&
        (c != '+' || at + 1 == text.size() || !is_base64(text[at + 1]))) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && is_base64(text[end])) ++end;
    // Headers of encrypted keys and of OpenPGP: `DEK-Info: AES-256-CBC,…`, `Version: …`.
    size_t name = at;
    while (name < text.size() &&
           (std::isalpha(static_cast<unsigned char>(text[name])) != 0 || text[name] == '-'))
      ++name;
    if (name > at && body.empty() && text.substr(name, 2) == ": ") {
      at = std::min(text.find_first_of("\r\n\\", name), text.size());
      continue;
    }
    if (end == at) break;
    // A key's lines are long; words between quotes are not.
    if (end - at < 16 && text[end - 1] != '=' && body.size() < 48) break;
    body += text.substr(at, end - at);
    at = end;
  }
  // No question for is_placeholder: the header of OpenSSH's unencrypted keys has a run of zeros, and in so
  // much base64 short words stand by chance.
  const std::string small = base::lower_case(body);
  const bool placeholder =
      longest_run(body) > 24 || has(small, "example") || has(small, "xxxxxxxx") || has(small, "placeholder");
  return body.size() < 48 || entropy(body) < 4 || placeholder ? std::string() : body;
}

bool is_jwt(std::string_view token) {
  const size_t first = token.find('.');
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  const std::optional<std::string> header = decode(token.substr(0, first));
  const std::optional<std::string> payload = decode(token.substr(first + 1, second - first - 1));
  if (!header || !payload || !header->starts_with('{') || !payload->starts_with('{') ||
      !has(*header, "\"alg\""))
    return false;
  if (header->find_first_not_of("\t\n\r") == std::string::npos || !base::is_utf8(*header)) return false;
  return !has(*payload, "John Doe") && !is_placeholder(token.substr(second + 1));
}

bool is_basic_auth(std::string_view text) {
  const std::optional<std::string> plain = decode(text);
  if (!plain) return false;
  const size_t colon = plain->find(':');
  if (colon == std::string::npos || colon == 0) return false;
  if (!std::all_of(plain->begin(), plain->end(), [](unsigned char c) { return c >= 0x20 && c != 0x7F; }))
    return false;
  const std::string small = base::lower_case(*plain);
  if (small.starts_with("aladdin:") || small.starts_with("s6bhdrkqt3:")) return false;  // RFC 7617, RFC 6749
  const std::string_view password = std::string_view(*plain).substr(colon + 1);
  return password.size() >= 4 && base::is_utf8(*plain) && !is_stock_password(password);
}

bool is_docker_json(std::string_view text) {
  const std::optional<std::string> plain = decode(text);
  return plain && has(*plain, "\"auth") && plain->find('{') != std::string::npos;
}

bool is_chosen_password(std::string_view password) {
  const auto count = [&](int (*test)(int)) {
    return std::count_if(password.begin(), password.end(), [&](unsigned char c) { return test(c) != 0; });
  };
  const auto capitals = count(std::isupper), small = count(std::islower);
  const bool mixed =
      count(std::isdigit) > 0 || (capitals > 0 && count(std::ispunct) > 0) || (capitals >= 3 && small >= 3);
  return capitals + small > 0 && mixed && !is_stock_password(password);
}

// Names that documents use: `host`, `HOSTNAME`, `server.example.com`, `your-server`, `foo.bar`. A machine may
// well be called `dbserver01.corp.io`; that of a program's own network is `db` or `localhost`.
static bool is_documentation_host(std::string_view host) {
  host = host.substr(0, host.find_first_of(":/?#"));
  for (const std::string_view part : {"example."sv, "your-"sv, "your_"sv})
    if (has(host, part)) return true;
  if (host.ends_with(".test") || host.ends_with(".invalid") || host.ends_with(".example")) return true;
  const std::string_view first = host.substr(0, host.find('.'));
  static constexpr auto words = {"example"sv,  "host"sv,     "hostname"sv, "domain"sv,
                                 "server"sv,   "somehost"sv, "myhost"sv,   "servername"sv,
                                 "yourhost"sv, "foo"sv,      "bar"sv,      "address"sv};
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return first == word; });
}

bool is_url_password(std::string_view user, std::string_view password, std::string_view host) {
  const std::string small_host = base::lower_case(host);
  if ((!user.empty() && is_placeholder(user)) || password.front() == '%' || user == password) return false;
  if (is_documentation_host(small_host)) return false;
  std::string plain;  // without percent-encoding
  for (size_t i = 0; i < password.size(); ++i) {
    const bool coded = password[i] == '%' && i + 2 < password.size();
    const std::string code(coded ? password.substr(i + 1, 2) : "");
    char* end = nullptr;
    const long byte = coded ? std::strtol(code.c_str(), &end, 16) : 0;
    plain += coded && *end == '\0' ? static_cast<char>(byte) : password[i];
    if (coded && *end == '\0') i += 2;
  }
  return is_chosen_password(plain);
}

}  // namespace minibuild::trust
