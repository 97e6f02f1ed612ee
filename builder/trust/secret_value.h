// What a text must be, beyond its form, to count as a credential.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minibuild::trust {

/// Shannon entropy, in bits a byte.
double entropy(std::string_view text);

/// True for what stands where a credential would: `${X}`, `{{x}}`, `<password>`, `xxxx`, `changeme`, EXAMPLE.
bool is_placeholder(std::string_view value);
/// True for words that documentation uses as passwords (`secret`, `hunter2`), besides placeholders.
bool is_stock_password(std::string_view value);

/// Where a value is in a text.
struct Span {
  size_t begin = 0;
  size_t size = 0;
};
/// The value of `password = value`, `"password": "value"`, `<password>value<` and the like, with the name's
/// keyword at `keyword` in `window`; nothing if the value is code, a path, a hash or a placeholder, or the
/// name means something else (`token_type`). Entropy is not looked at.
std::optional<Span> assigned_value(std::string_view window, size_t keyword, size_t keyword_size);
/// True if a variable of that name holds a secret: `DB_PASSWORD`, not `PASSWORD_FILE`.
bool names_a_secret(std::string_view name);

/// The base64 behind the BEGIN line at the start of `text`, as far as it goes, with or without `\n` written
/// out and quotes around lines; empty if there is too little for a key.
std::string key_body(std::string_view text);
/// `a.b.c`: `a` decodes to JSON with `alg`, and it is not the token of the field's documentation.
bool is_jwt(std::string_view token);
/// base64 of `user:password`, both printable, the password no placeholder.
bool is_basic_auth(std::string_view base64);
/// base64 (maybe cut off) of a document with `auth`.
bool is_docker_json(std::string_view base64);
/// A password that somebody chose for use: letters with digits, or with capitals and marks, and no stock
/// word.
bool is_chosen_password(std::string_view password);
/// For a URL's password and host.
bool is_url_password(std::string_view user, std::string_view password, std::string_view host);

}  // namespace minibuild::trust
