// `minibuild sign`: an image, signed where it is.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/keys.h"
#include "builder/cli/notation.h"
#include "minibuild/base/error.h"
#include "minibuild/build/signatures.h"

namespace minibuild::cli {

namespace {

// Says what is missing, or given for the other format.
void check(const SignArguments& arguments) {
  const bool notation = arguments.format == "notation";
  if (notation && arguments.certificates.empty())
    throw base::Error(base::Code::usage,
                      "Notation's signatures need the key's certificates; give them with --cert");
  if (!notation && !arguments.certificates.empty())
    throw base::Error(base::Code::usage, "--cert is for Notation's signatures; add --format notation");
  if (notation && (arguments.form != "both" || !arguments.docker_reference.empty()))
    throw base::Error(base::Code::usage, "--form and --docker-reference are for cosign's signatures");
}

}  // namespace

int sign(const SignArguments& arguments) {
  check(arguments);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation image = find_image(arguments.image);
  const auto signer = read_signer(arguments.key);
  if (arguments.format == "notation") {
    const oci::Digest digest = sign_as_notation(image, *signer, arguments.certificates, cache, registries);
    cache.save();
    print_result(oci::to_string(digest) + "\n");
    return 0;
  }
  build::SignOptions options;
  options.bundle = arguments.form != "classic";
  options.classic = arguments.form != "bundle";
  options.docker_reference = arguments.docker_reference;
  options.created = time_of_signing();
  const oci::Digest digest = build::sign_image(image, *signer, options, cache, registries);
  cache.save();
  print_result(oci::to_string(digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
