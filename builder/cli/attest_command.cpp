// `minibuild attest`: a signed statement about an image, stored beside it.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/keys.h"
#include "minibuild/base/file.h"
#include "minibuild/build/signatures.h"
#include "minibuild/trust/dsse.h"

namespace minibuild::cli {

int attest(const AttestArguments& arguments) {
  const std::string type = trust::predicate_type_of(arguments.type);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation image = find_image(arguments.image);
  const std::string predicate = base::read_file(arguments.predicate, trust::max_payload);
  const auto signer = read_signer(arguments.key);
  const oci::Digest digest =
      build::attest_image(image, *signer, {type, predicate, {}}, time_of_signing(), cache, registries);
  cache.save();
  print_result(oci::to_string(digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
