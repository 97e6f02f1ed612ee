// Keys on tokens: smart cards and hardware security modules, by PKCS#11.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "minibuild/trust/keys.h"

namespace minibuild::trust {

/// True for a `pkcs11:` URI.
bool is_token_uri(std::string_view text);
/// True if the URI (RFC 7512) says the PIN itself: `pin-value`, or `pin-source` with a file.
bool has_pin(const std::string& uri);

/// The private key that a PKCS#11 URI names, ECDSA or RSA. Its module is the one of `module-path`, else every
/// module that p11-kit is configured for is asked; `libp11-kit.so.0` is loaded for that. `pin` is used if the
/// URI has none. The token stays open, and the key logged in, as long as the result lives. Throws Error if no
/// key or more than one fits, and for a wrong PIN, which it says.
std::unique_ptr<Signer> open_token_key(const std::string& uri, std::string_view pin);

/// The public key of a URI, without a PIN if the token shows it without.
PublicKey read_token_key(const std::string& uri, std::string_view pin);

}  // namespace minibuild::trust
