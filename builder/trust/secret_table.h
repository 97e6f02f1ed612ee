// The table of credential rules, as the engine uses it.
#pragma once

#include <string_view>
#include <vector>

namespace minibuild::trust {

/// What is checked beyond the pattern; the functions are in `secret_value.h`.
enum class SecretCheck {
  none,
  private_key,  // base64 follows the marker
  jwt,          // the header is JSON with `alg`
  basic_auth,   // base64 of `user:password`
  docker_json,  // base64 of a document with `auths`
  url,          // the password in a URL, not from documentation
  password,     // a word that somebody chose: no entropy, but not a placeholder either
  assignment,   // `password = value`: found by a parser, not by a pattern
};

/// Characters that must not follow the credential because they would extend it.
enum class SecretEnd { any, word, word_dash, base64 };

struct SecretRule {
  std::string_view id;
  /// Texts of which one occurs in the credential or next to it. Those shorter than four characters are
  /// extended with classes of what may follow, which are not part of the keyword: `SK[0-9a-f][0-9a-f]`.
  std::vector<std::string_view> keywords;
  /// RE2; group 1 is the credential, or the whole match if there is no group.
  std::string_view pattern;
  double entropy = 0;  // minimum Shannon entropy of the credential, in bits per byte
  std::string_view description = {};
  std::string_view advice = {};
  /// How far before the keyword the pattern may start, in bytes; 0 means at the keyword.
  size_t before = 0;
  size_t after = 4096;  // how far the pattern may extend from the start of the keyword
  bool far = false;     // matching takes time in proportion to that, not to the credential
  /// No letter, digit or `_` precedes the match.
  bool boundary = true;
  SecretEnd end = SecretEnd::word;
  bool fold = false;  // keywords are case-insensitive
  SecretCheck check = SecretCheck::none;
  bool beside = false;  // the credential is near the keyword and does not contain it
  int rank = 1;         // of two findings at one place, the one with the lower rank wins
};

/// The rules for contents. The keyword of `twilio-key` is extended with hexadecimal digits, see
/// `keyword_filter.h`.
const std::vector<SecretRule>& secret_table();

}  // namespace minibuild::trust
