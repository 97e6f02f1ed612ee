// The table of rules for credentials, as the engine sees it.
#pragma once

#include <string_view>
#include <vector>

namespace minibuild::trust {

/// What must hold beyond the pattern; `secret_value.h` has the functions.
enum class SecretCheck {
  none,
  private_key,  // base64 follows the marker
  jwt,          // the header is JSON with `alg`
  basic_auth,   // base64 of `user:password`
  docker_json,  // base64 of a document with `auths`
  url,          // the password of a URL, not of documentation
  password,     // a word that somebody chose: no entropy, but no placeholder either
  assignment,   // `password = value`: found by a parser, not by a pattern
};

/// Characters that must not follow the credential: those that would make it a longer one.
enum class SecretEnd { any, word, word_dash, base64 };

struct SecretRule {
  std::string_view id;
  /// Texts of which one stands in the credential or beside it. Those of less than four
  /// characters are filled up with classes of what may follow, which are not part of the keyword:
  /// `SK[0-9a-f][0-9a-f]`.
  std::vector<std::string_view> keywords;
  /// RE2; group 1 is the credential, or the whole match if there is none.
  std::string_view pattern;
  double entropy = 0;  // least Shannon entropy of the credential, in bits a byte
  std::string_view description = {};
  std::string_view advice = {};
  /// How far before the keyword the pattern may begin, in bytes; at 0 it begins at the keyword.
  size_t before = 0;
  size_t after = 4096;  // how far the pattern may reach from the keyword's beginning
  bool far = false;     // it takes time in proportion to that, and not to the credential
  /// No letter, digit or `_` stands before the match.
  bool boundary = true;
  SecretEnd end = SecretEnd::word;
  bool fold = false;  // keywords in any case
  SecretCheck check = SecretCheck::none;
  bool beside = false;  // the credential is near the keyword and does not hold it
  int rank = 1;         // of two findings at one place the lower rank stays
};

/// The rules for contents. `twilio-key` is has no keyword: its hexadecimal digits are looked for, see
/// `keyword_filter.h`.
const std::vector<SecretRule>& secret_table();

}  // namespace minibuild::trust
