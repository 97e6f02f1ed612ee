// `minibuild verify`: whether an image is signed, or something is stated about it, by one of the given keys.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/keys.h"
#include "builder/cli/notation.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/build/signatures.h"
#include "minibuild/trust/pkcs11.h"

namespace minibuild::cli {

namespace {

// The name of a key without the PIN that a URI may have.
std::string shown(const std::string& key) {
  return trust::is_token_uri(key) ? key.substr(0, key.find('?')) : key;
}

// Says which signatures are good, and by whom.
void report(const build::Verification& verification, const oci::ImageLocation& image,
            const VerifyArguments& arguments) {
  for (const build::Candidate& candidate : verification.candidates) {
    if (!candidate.fault.empty()) continue;
    const trust::Accepted& accepted = candidate.accepted;
    std::string text = fmt::format("{}: good, by {}", candidate.name, shown(arguments.keys[accepted.key]));
    if (!accepted.docker_reference.empty()) {
      text += fmt::format(", for {}", base::printable(accepted.docker_reference));
      const bool named = image.transport == oci::Transport::registry;
      if (named && !build::is_called(accepted.docker_reference, image.path))
        text += fmt::format(", which is not {}", image.path);
    }
    say("{}\n", text);
  }
}

// Says what is missing, or given for the other format.
void check(const VerifyArguments& arguments) {
  const auto usage = [](const char* text) { throw base::Error(base::Code::usage, text); };
  const bool policy = !arguments.trust_policy.empty() || !arguments.trust_store.empty();
  if (arguments.format == "notation") {
    if (!arguments.keys.empty() || !arguments.type.empty() || !arguments.output.empty())
      usage(
          "--key, --type and --output are for cosign's signatures; Notation's are judged by certificates: "
          "--cert, or --trust-policy and --trust-store");
    if (policy && !arguments.certificates.empty())
      usage("--cert stands for a trust policy; give either it, or --trust-policy and --trust-store");
    return;
  }
  if (policy || !arguments.certificates.empty())
    usage("--cert, --trust-policy and --trust-store are for Notation's signatures; add --format notation");
  if (arguments.keys.empty()) usage("--key is required: the key that must have signed");
}

}  // namespace

int verify(const VerifyArguments& arguments) {
  check(arguments);
  if (arguments.format == "notation") return verify_as_notation(arguments);
  if (!arguments.output.empty() && arguments.type.empty())
    throw base::Error(base::Code::usage, "--output is for what an attestation states; say which with --type");
  const std::string type =
      arguments.type.empty() ? std::string(trust::sign_predicate) : trust::predicate_type_of(arguments.type);
  const std::vector<trust::PublicKey> keys = read_public_keys(arguments.keys);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const build::Registries registries = make_registries(arguments.registry, {});
  const oci::ImageLocation image = find_image(arguments.image);
  const build::Verification verification = build::verify_image(image, keys, type, cache, registries);
  if (!build::is_verified(verification))
    throw base::Error(base::Code::refused, build::why_refused(image, verification));
  report(verification, image, arguments);
  cache.save();
  const std::string digest = oci::to_string(verification.image.digest) + "\n";
  // A document in each line.
  std::string stated;
  for (const build::Candidate& one : verification.candidates)
    if (one.fault.empty()) stated += one.accepted.predicate + "\n";
  if (arguments.type.empty()) {
    print_result(digest);
  } else if (arguments.output.empty()) {
    say("{}", digest);
    print_result(stated);
  } else {
    base::write_file_atomic(arguments.output, stated);
    print_result(digest);
  }
  return 0;
}

}  // namespace minibuild::cli
