// Keys as they are named on the command line, with the passwords that only this room asks for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "minibuild/trust/keys.h"

namespace minibuild::cli {

/// The private key that `name` names: a file, `env://VARIABLE`, or a `pkcs11:` URI. Its password or PIN is
/// $COSIGN_PASSWORD or $MINIBUILD_KEY_PASSWORD, or is asked for on the terminal.
std::unique_ptr<trust::Signer> read_signer(const std::string& name);
/// A public key from the same places; of a certificate, its key.
trust::PublicKey read_public_key(const std::string& name);
std::vector<trust::PublicKey> read_public_keys(const std::vector<std::string>& names);
/// What a key, certificate or document holds: of a file, or of `env://VARIABLE`.
std::string read_named(const std::string& name, const std::string& what);
/// Seconds since 1970: $SOURCE_DATE_EPOCH if it is set, else now. For what is not part of an image.
int64_t time_of_signing();

}  // namespace minibuild::cli
