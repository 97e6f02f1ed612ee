// Keys on tokens (smart cards and hardware security modules) through PKCS#11.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "minibuild/trust/keys.h"

namespace minibuild::trust {

/// Returns true for a `pkcs11:` URI.
bool is_token_uri(std::string_view text);
/// Returns true if the URI (RFC 7512) provides the PIN itself: `pin-value`, or `pin-source` with a file.
bool has_pin(const std::string& uri);

/// Opens the private key that a PKCS#11 URI names, ECDSA or RSA. Uses the module in `module-path`, else every
/// module that p11-kit is configured for, for which `libp11-kit.so.0` is loaded. `pin` is used if the URI has
/// none. The token stays open and logged in for the lifetime of the result. Throws Error if no key or more
/// than one matches; a wrong PIN is reported as such.
std::unique_ptr<Signer> open_token_key(const std::string& uri, std::string_view pin);

/// The public key of a URI, without a PIN if the token does not require one.
PublicKey read_token_key(const std::string& uri, std::string_view pin);

}  // namespace minibuild::trust
