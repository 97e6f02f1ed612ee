// `minibuild sign`: an image, signed where it is.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/keys.h"
#include "minibuild/build/signatures.h"

namespace minibuild::cli {

int sign(const SignArguments& arguments) {
  store::Cache cache(cache_directory(arguments.cache_dir));
  const build::Registries registries =
      make_registries(arguments.registry, [](const std::string& subject, const std::string& text) {
        fmt::print(stderr, "{}: {}\n", subject, text);
      });
  const oci::ImageLocation image = find_image(arguments.image);
  const auto signer = read_signer(arguments.key);
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
