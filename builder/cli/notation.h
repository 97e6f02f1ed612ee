// Notation signatures, for the commands that sign and verify.
#pragma once

#include <string>

#include "builder/cli/commands.h"
#include "minibuild/build/images.h"
#include "minibuild/trust/keys.h"

namespace minibuild::cli {

/// Signs an image, and every image below an index, with the chain of certificates in the file `certificates`
/// (or `env://VARIABLE`). Returns the digest that was signed.
oci::Digest sign_as_notation(const oci::ImageLocation& image, const trust::Signer& signer,
                             const std::string& certificates, store::Cache& cache,
                             const build::Registries& registries);
/// The command `verify --format notation`.
int verify_as_notation(const VerifyArguments& arguments);

}  // namespace minibuild::cli
