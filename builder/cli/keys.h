// Keys as named on the command line, with their passwords, for which only this room prompts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "minibuild/trust/keys.h"

namespace minibuild::cli {

/// The private key that `name` refers to: a file, `env://VARIABLE`, or a `pkcs11:` URI. Its password or PIN
/// is $COSIGN_PASSWORD or $MINIBUILD_KEY_PASSWORD; otherwise prompts on the terminal.
std::unique_ptr<trust::Signer> read_signer(const std::string& name);
/// A public key from the same places; for a certificate, its key.
trust::PublicKey read_public_key(const std::string& name);
std::vector<trust::PublicKey> read_public_keys(const std::vector<std::string>& names);
/// The contents of a key, certificate or document: from a file, or from `env://VARIABLE`.
std::string read_named(const std::string& name, const std::string& what);
/// Seconds since 1970: $SOURCE_DATE_EPOCH if set, else now. For anything that is not part of an image.
int64_t time_of_signing();

}  // namespace minibuild::cli
