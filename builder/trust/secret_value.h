// What makes a text a credential, beyond its form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minibuild::trust {

/// Shannon entropy, in bits per byte.
double entropy(std::string_view text);

/// Returns true for stand-ins for a credential: `${X}`, `{{x}}`, `<password>`, `xxxx`, `changeme`, EXAMPLE.
bool is_placeholder(std::string_view value);
/// Returns true for words that documentation uses as passwords (`secret`, `hunter2`), and for placeholders.
bool is_stock_password(std::string_view value);

/// The position of a value in a text.
struct Span {
  size_t begin = 0;
  size_t size = 0;
};
/// The value of `password = value`, `"password": "value"`, `<password>value<` and the like, with the name's
/// keyword at `keyword` in `window`; std::nullopt if the value is code, a path, a hash or a placeholder, or
/// if the name means something else (`token_type`). Entropy is not considered.
std::optional<Span> assigned_value(std::string_view window, size_t keyword, size_t keyword_size);
/// Returns true if a variable of that name holds a secret: `DB_PASSWORD`, not `PASSWORD_FILE`.
bool names_a_secret(std::string_view name);

/// The base64 after the BEGIN line at the start of `text`, as far as it goes, with or without literal `\n`
/// and quotes around lines; empty if there is too little for a key.
std::string key_body(std::string_view text);
/// `a.b.c`: `a` decodes to JSON with `alg`, and it is not the well-known example token.
bool is_jwt(std::string_view token);
/// base64 of `user:password`, both printable, and the password is not a placeholder.
bool is_basic_auth(std::string_view base64);
/// base64 (possibly truncated) of a document with `auth`.
bool is_docker_json(std::string_view base64);
/// A password that somebody chose for real use: letters with digits, or with capitals and punctuation, and
/// not a stock word.
bool is_chosen_password(std::string_view password);
/// The same for the password in a URL with this host.
bool is_url_password(std::string_view user, std::string_view password, std::string_view host);

}  // namespace minibuild::trust
