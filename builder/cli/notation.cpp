#include "builder/cli/notation.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

#include "builder/cli/keys.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/build/signatures.h"
#include "minibuild/trust/notation.h"

namespace minibuild::cli {

namespace {

constexpr size_t max_envelope = size_t{256} << 10;  // bytes: a payload, a signature, a chain

// Where Notation keeps its configuration; empty if the environment does not say.
std::string configuration() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config != '\0') return std::string(config) + "/notation";
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? "" : std::string(home) + "/.config/notation";
}

// The policy that was given, or Notation's: it prefers the newer of two names.
std::string policy_file(const VerifyArguments& arguments) {
  if (!arguments.trust_policy.empty()) return arguments.trust_policy;
  const std::string directory = configuration();
  if (directory.empty())
    throw base::Error(base::Code::usage, "cannot find the trust policy: give --cert or --trust-policy");
  for (const char* name : {"/trustpolicy.oci.json", "/trustpolicy.json"})
    if (base::exists(directory + name)) return directory + name;
  throw base::Error(base::Code::usage,
                    fmt::format("cannot find the trust policy: give --cert or --trust-policy, or make {}",
                                directory + "/trustpolicy.json"));
}

std::string store_directory(const VerifyArguments& arguments) {
  if (!arguments.trust_store.empty()) return arguments.trust_store;
  const std::string directory = configuration();
  if (directory.empty())
    throw base::Error(base::Code::usage, "cannot find the trust store: give --trust-store");
  return directory + "/truststore";
}

std::string scope_of(const oci::ImageLocation& image) {
  if (image.transport != oci::Transport::registry) return "";
  const oci::Reference reference = oci::parse_reference(image.path);
  return reference.host + "/" + reference.repository;
}

trust::NotationTrust trust_by_certificates(const VerifyArguments& arguments) {
  trust::NotationTrust trusted;
  for (const std::string& name : arguments.certificates)
    for (std::string& root : trust::parse_roots(read_named(name, "the certificate"), name))
      trusted.roots.push_back(std::move(root));
  // Who names certificates one by one takes them back by not naming them.
  trusted.checks.revocation = trust::Enforcement::log;
  return trusted;
}

trust::NotationTrust trust_by_statement(const trust::TrustStatement& statement, const std::string& stores) {
  trust::NotationTrust trusted;
  for (const std::string& name : statement.stores)
    for (std::string& root : trust::read_trust_store(stores, name)) trusted.roots.push_back(std::move(root));
  trusted.identities = statement.identities;
  trusted.checks = statement.checks;
  return trusted;
}

std::string remark_of(const trust::NotationAccepted& accepted) {
  std::string remark = fmt::format("by '{}', {}", accepted.subject, base::format_time(accepted.signing_time));
  for (const std::string& note : accepted.notes) remark += "; but " + note;
  return remark;
}

}  // namespace

oci::Digest sign_as_notation(const oci::ImageLocation& image, const trust::Signer& signer,
                             const std::string& certificates, store::Cache& cache,
                             const build::Registries& registries) {
  const trust::CertificateChain chain = trust::parse_certificates(
      read_named(certificates, "the certificates"), "the certificates " + certificates);
  const int64_t time = time_of_signing();
  const auto make = [&](const oci::Descriptor& subject) {
    const std::string envelope =
        trust::notation_sign(signer, chain, subject, time, "minibuild/" MINIBUILD_VERSION);
    return trust::notation_artifact(envelope, chain, subject, time);
  };
  return build::sign_image(image, make, cache, registries);
}

int verify_as_notation(const VerifyArguments& arguments) {
  store::Cache cache(cache_directory(arguments.cache_dir));
  const build::Registries registries = make_registries(arguments.registry, {});
  const oci::ImageLocation image = find_image(arguments.image);
  trust::NotationTrust trusted;
  bool skip = false;
  if (!arguments.certificates.empty()) {
    trusted = trust_by_certificates(arguments);
  } else {
    const std::string file = policy_file(arguments);
    const auto policy = trust::parse_trust_policy(base::read_file(file, oci::max_json_size), file);
    const trust::TrustStatement& statement = trust::statement_for(policy, scope_of(image), file);
    skip = statement.level == "skip";
    if (skip)
      say("nothing is verified: the statement '{}' of {} says so\n", base::printable(statement.name), file);
    else
      trusted = trust_by_statement(statement, store_directory(arguments));
  }
  const int64_t now = std::time(nullptr);
  const auto judge = [&](const build::AttachedManifest& attached,
                         const oci::Descriptor& subject) -> std::optional<std::string> {
    const auto layer = trust::notation_layer(attached.manifest_json);
    if (skip || !layer) return std::nullopt;
    return remark_of(trust::notation_verify(attached.blob(*layer, max_envelope), subject, trusted, now));
  };
  const build::Verification verification = build::verify_image(image, judge, cache, registries);
  if (!skip && !build::is_verified(verification))
    throw base::Error(base::Code::refused, build::why_refused(image, verification));
  for (const build::Candidate& candidate : verification.candidates)
    if (!skip && candidate.fault.empty()) say("{}: good, {}\n", candidate.name, candidate.remark);
  cache.save();
  print_result(oci::to_string(verification.image.digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
