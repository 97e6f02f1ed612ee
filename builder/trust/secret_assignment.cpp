// `password = value` in every notation that configurations and programs have. A parser of a few characters
// instead of a pattern: the words are so frequent in source code that speed matters, and most of what follows
// them is code.
#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "builder/trust/secret_value.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

using namespace std::string_view_literals;

bool in(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

// True if one of the words begins a part of `name`: `type` in `_type` and in `TokenType`, not in `prototype`.
// Words of three letters or less are the whole part: `id` is not in `identity`.
template <typename Words>
bool has_word(std::string_view name, const Words& words) {
  const std::string small = base::lower_case(name);
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    for (size_t at = small.find(word); at != std::string::npos; at = small.find(word, at + 1)) {
      const size_t end = at + word.size();
      const bool begins = at == 0 || !base::is_letter(name[at - 1]) ||
                          (base::is_upper(name[at]) && base::is_lower(name[at - 1]));
      const bool ends =
          word.size() > 3 || end == name.size() || !base::is_lower(name[end]) || name.substr(end) == "s";
      if (begins && ends) return true;
    }
    return false;
  });
}

// What makes a name mean something about a secret instead of one: `token_type`, `secretName`,
// `password-file`.
bool is_about(std::string_view rest) {
  static constexpr auto words = {
      "name"sv,    "file"sv,   "path"sv,   "url"sv,      "uri"sv,      "endpoint"sv,  "type"sv,
      "kind"sv,    "id"sv,     "field"sv,  "label"sv,    "prompt"sv,   "length"sv,    "len"sv,
      "size"sv,    "min"sv,    "max"sv,    "expir"sv,    "ttl"sv,      "header"sv,    "prefix"sv,
      "suffix"sv,  "class"sv,  "policy"sv, "regex"sv,    "pattern"sv,  "algorithm"sv, "alg"sv,
      "count"sv,   "format"sv, "ref"sv,    "arn"sv,      "version"sv,  "hint"sv,      "hash"sv,
      "sum"sv,     "digest"sv, "index"sv,  "store"sv,    "provider"sv, "manager"sv,   "callback"sv,
      "handler"sv, "option"sv, "mode"sv,   "location"sv, "dir"sv,      "page"sv,      "source"sv,
      "error"sv,   "title"sv,  "text"sv,   "message"sv,  "msg"sv,      "list"sv,      "map"sv,
      "set"sv,     "view"sv,   "input"sv,  "icon"sv,     "help"sv,     "desc"sv};
  return has_word(rest, words);
}

// `izer` of `tokenizer`, `LESS` of `SECRETLESS`: the keyword, which ends with `last`, is a part of a longer
// word.
bool continues_word(char last, std::string_view rest) {
  if (rest.empty() || !(base::is_lower(rest[0]) || (base::is_upper(last) && base::is_upper(rest[0]))))
    return false;
  const std::string small = base::lower_case(rest.substr(0, 3));
  return !(small[0] == 's' && (rest.size() == 1 || !base::is_letter(rest[1]))) && small != "key";
}

// What makes a name one of tests and documents, or of something that is no secret: `nextToken`, `TEST_KEY`.
bool is_no_secret(std::string_view before) {
  static constexpr auto words = {"test"sv,  "example"sv, "dummy"sv,   "fake"sv,   "sample"sv, "mock"sv,
                                 "next"sv,  "page"sv,    "continu"sv, "public"sv, "csrf"sv,   "xsrf"sv,
                                 "notso"sv, "not"sv,     "no"sv,      "sync"sv};
  return has_word(before, words);
}

bool all_of(std::string_view text, bool (*test)(char)) { return std::all_of(text.begin(), text.end(), test); }

bool is_uuid(std::string_view v) {
  if (v.size() != 36) return false;
  for (size_t i = 0; i < v.size(); ++i)
    if ((i == 8 || i == 13 || i == 18 || i == 23) ? v[i] != '-' : !base::is_hex(v[i])) return false;
  return true;
}

bool is_checksum(std::string_view v) {
  for (const std::string_view prefix :
       {"sha256:"sv, "sha512:"sv, "sha1:"sv, "md5:"sv, "sha256-"sv, "sha384-"sv, "sha512-"sv, "sha1-"sv})
    if (v.starts_with(prefix)) return true;
  const size_t n = v.size();
  return (n == 32 || n == 40 || n == 56 || n >= 64) && all_of(v, base::is_hex);
}

// Words joined by capitals, `_`, `-`, `.`, `:` or `/`, each with at most two digits at its end: a name, not a
// secret.
bool is_name(std::string_view v) {
  size_t words = 0, mixed = 0, digits = 0;
  for (size_t i = 0; i < v.size();) {
    if (in("_-.:/$@#~^&,()[]{}|!*+=%\\ "sv, v[i])) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    if (base::is_digit(v[i])) {
      while (end < v.size() && base::is_digit(v[end])) ++end;
      ++digits;
    } else if (base::is_upper(v[i]) && end < v.size() && base::is_upper(v[end])) {
      while (end < v.size() && base::is_upper(v[end])) ++end;
    } else {
      while (end < v.size() && base::is_lower(v[end])) ++end;
    }
    ++words;
    if (end - i < 3) ++mixed;
    i = end;
  }
  return words == 0 || (digits <= 2 && mixed * 2 <= words && v.size() / words >= 3) || digits == 0;
}

// A regular expression, or a colour: `[A-Za-z0-9._~+/-]+=*`, `\\(?:[^\\r\\n]|[\\da-f]{1,6}`,
// `rgba(255,231,130,0.4)`.
bool is_pattern(std::string_view v) {
  for (const std::string_view part : {"[A-Z"sv, "[a-z"sv, "[0-9"sv, "[^"sv, "(?:"sv, "(?!"sv, "(?="sv})
    if (v.find(part) != std::string_view::npos) return true;
  for (const std::string_view function : {"rgb("sv, "rgba("sv, "hsl("sv, "hsla("sv})
    if (v.starts_with(function)) return true;
  return false;
}

bool is_path_or_url(std::string_view v) {
  return v.find("://") != std::string_view::npos || v.front() == '/' || v.starts_with("./") ||
         v.starts_with("../") || v.starts_with("~/") || (v.size() > 2 && v[1] == ':' && in("\\/"sv, v[2])) ||
         std::count(v.begin(), v.end(), '/') >= 3;
}

bool is_secret_value(std::string_view v) {
  if (v.size() < 8 || v.size() > 256) return false;
  if (std::none_of(v.begin(), v.end(), base::is_digit) || std::none_of(v.begin(), v.end(), base::is_letter))
    return false;
  if (!std::all_of(v.begin(), v.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; })) return false;
  const std::optional<std::string> plain = base::unbase64(v);
  if (plain && base::is_utf8(*plain) && is_stock_password(*plain)) return false;
  return !is_stock_password(v) && !is_path_or_url(v) && !is_uuid(v) && !is_checksum(v) && !is_name(v) &&
         !is_pattern(v);
}

// Moves over one quote, which may be escaped; its size, or 0.
size_t quote_at(std::string_view text, size_t at) {
  if (at < text.size() && in("\"'`"sv, text[at])) return 1;
  return at + 1 < text.size() && text[at] == '\\' && in("\"'"sv, text[at + 1]) ? 2 : 0;
}

void skip_spaces(std::string_view text, size_t& at) {
  for (size_t n = 0; n < 16 && at < text.size() && (text[at] == ' ' || text[at] == '\t'); ++n) ++at;
}

// `=`, `:`, `:=`, `=>`, `?=` at `at`; false for comparisons and scopes.
bool skip_separator(std::string_view text, size_t& at) {
  const std::string_view rest = text.substr(at);
  for (const std::string_view no : {"=="sv, "=~"sv, "::"sv, "=<"sv})
    if (rest.starts_with(no)) return false;
  for (const std::string_view yes : {":="sv, "=>"sv, "?="sv, "="sv, ":"sv})
    if (rest.starts_with(yes)) {
      at += yes.size();
      return true;
    }
  return false;
}

std::optional<Span> quoted_value(std::string_view text, size_t at, size_t quote) {
  const std::string_view mark = text.substr(at, quote);
  const size_t begin = at + quote;
  const size_t end = text.find(mark, begin);
  if (end == std::string_view::npos || end - begin > 256) return std::nullopt;
  return Span{begin, end - begin};
}

// A value without quotes ends with a space, the line, the text, or what separates parameters.
std::optional<Span> bare_value(std::string_view text, size_t at, char separator) {
  size_t end = at;
  while (end < text.size() && end - at <= 256 && text[end] > 0x20 && text[end] < 0x7F &&
         !in("\"'`<>;,(){}[]&|\\"sv, text[end]))
    ++end;
  if (end == at || (end < text.size() && in("`<(){}["sv, text[end]))) return std::nullopt;
  if (end + 1 < text.size() && text[end] == '\\' && !in("nrt\"'"sv, text[end + 1])) return std::nullopt;
  const std::string_view value = text.substr(at, end - at);
  // `=` is the end of base64, or this is the next name.
  if (const size_t equal = value.find('='); equal < value.find_last_not_of('=')) return std::nullopt;
  // `token: A1` and `x = y.z9` are code more often than not: a value without quotes looks drawn at random.
  size_t changes = 0;
  for (size_t i = 1; i < value.size(); ++i)
    changes += base::is_digit(value[i]) != base::is_digit(value[i - 1]) &&
               base::is_letter(value[i]) != base::is_letter(value[i - 1]);
  if (changes < (separator == ':' ? 3U : 2U)) return std::nullopt;
  return Span{at, end - at};
}

}  // namespace

std::optional<Span> assigned_value(std::string_view window, size_t keyword, size_t keyword_size) {
  size_t at = keyword + keyword_size;
  const size_t rest = at;
  while (at < window.size() && at - rest < 32 &&
         (base::is_alphanumeric(window[at]) || in("_-."sv, window[at])))
    ++at;
  const std::string_view tail = window.substr(rest, at - rest);
  if (continues_word(window[rest - 1], tail) || is_about(tail)) return std::nullopt;
  size_t begin = keyword;
  while (begin > 0 && (base::is_alphanumeric(window[begin - 1]) || in("_-."sv, window[begin - 1]))) --begin;
  const bool spaced = begin >= 5 && begin == keyword && window[begin - 1] == ' ';  // `Next page token`
  if (is_no_secret(window.substr(begin, keyword - begin)) ||
      (spaced && is_no_secret(window.substr(begin - 5, 4))))
    return std::nullopt;

  // <password>value</password>
  if (begin > 0 && window[begin - 1] == '<' && at < window.size() && window[at] == '>') {
    if (begin > 1 && in("P?"sv, window[begin - 2])) return std::nullopt;  // (?P<token>…
    const size_t end = window.find('<', at);
    if (end == std::string_view::npos) return std::nullopt;
    const Span span{at + 1, end - at - 1};
    return is_secret_value(window.substr(span.begin, span.size)) ? std::optional(span) : std::nullopt;
  }
  at += quote_at(window, at);
  if (at < window.size() && window[at] == ']') ++at;
  skip_spaces(window, at);
  if (at >= window.size()) return std::nullopt;
  const char separator = window[at];
  // `"password" value="…"` and `name="password">value` of XML, `ENV PASSWORD value`
  const std::string_view after = window.substr(at);
  if (after.starts_with("value=")) at += 5;
  if (!skip_separator(window, at)) return std::nullopt;
  skip_spaces(window, at);
  // b"…", r"…", @"…"
  if (at + 1 < window.size() && in("bBrRuUL@"sv, window[at]) && in("\"'"sv, window[at + 1])) ++at;
  const size_t quote = quote_at(window, at);
  const std::optional<Span> span =
      quote > 0 ? quoted_value(window, at, quote) : bare_value(window, at, separator);
  if (!span || !is_secret_value(window.substr(span->begin, span->size))) return std::nullopt;
  return span;
}

bool names_a_secret(std::string_view name) {
  const std::string small = base::lower_case(name);
  for (const std::string_view word :
       {"password"sv, "passwd"sv, "passphrase"sv, "secret"sv, "token"sv, "api_key"sv, "apikey"sv, "api-key"sv,
        "access_key"sv, "accesskey"sv, "private_key"sv, "credential"sv, "auth_key"sv, "encryption_key"sv,
        "signing_key"sv, "session_key"sv, "mysql_pwd"sv, "pgpass"sv}) {
    const size_t at = small.find(word);
    if (at == std::string::npos) continue;
    const std::string_view tail = std::string_view(name).substr(at + word.size());
    if (!continues_word(name[at + word.size() - 1], tail) && !is_about(tail)) return true;
  }
  return false;
}

}  // namespace minibuild::trust
