// Trust policies and trust stores of the Notary Project (trust-store-trust-policy.md), version 1.0.
#include <dirent.h>

#include <algorithm>
#include <memory>
#include <set>

#include "builder/trust/certificates.h"
#include "builder/trust/fields.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/notation.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr size_t max_statements = 1000;
constexpr size_t max_files = 1000;
constexpr size_t max_certificate = size_t{1} << 20;

std::vector<std::string> texts_of(const oci::Json& json, const char* name, const std::string& what) {
  std::vector<std::string> texts;
  if (!json.contains(name)) return texts;
  for (const oci::Json& text : array_field(json, name, what)) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      fail("'{}' of {} is not a list of texts", name, what);
    texts.push_back(text.get<std::string>());
  }
  if (std::set<std::string>(texts.begin(), texts.end()).size() != texts.size())
    fail("'{}' of {} has something twice", name, what);
  return texts;
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
             std::string_view::npos;
}

NotationChecks checks_of(const std::string& level, const std::string& what) {
  using enum Enforcement;
  if (level == "strict") return {enforce, enforce, enforce, enforce};
  if (level == "permissive") return {enforce, log, log, log};
  if (level == "audit") return {log, log, log, log};
  if (level == "skip") return {skip, skip, skip, skip};
  fail("{} has the level '{}', want strict, permissive, audit or skip", what, base::printable(level));
}

void override_checks(const oci::Json& json, NotationChecks& checks, const std::string& what) {
  for (const auto& [name, value] : json.items()) {
    const std::string action = value.is_string() ? value.get<std::string>() : "";
    Enforcement enforcement = Enforcement::skip;
    if (action == "enforce")
      enforcement = Enforcement::enforce;
    else if (action == "log")
      enforcement = Enforcement::log;
    else if (action != "skip" || name != "revocation")
      fail("'override' of {} sets {} to '{}', want enforce, log or, for revocation, skip", what,
           base::printable(name), base::printable(action));
    if (name == "authenticity")
      checks.authenticity = enforcement;
    else if (name == "authenticTimestamp")
      checks.timestamp = enforcement;
    else if (name == "expiry")
      checks.expiry = enforcement;
    else if (name == "revocation")
      checks.revocation = enforcement;
    else
      fail("'override' of {} sets '{}', want authenticity, authenticTimestamp, expiry or revocation", what,
           base::printable(name));
  }
}

void check_scopes(const std::vector<std::string>& scopes, const std::string& what) {
  if (scopes.empty()) fail("{} has no 'registryScopes'", what);
  for (const std::string& scope : scopes) {
    if (scope == "*") {
      if (scopes.size() > 1) fail("{} has the scope '*' and others", what);
      continue;
    }
    const size_t slash = scope.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == scope.size() ||
        scope.find_first_of("*@ \t") != std::string::npos || scope.find("://") != std::string::npos)
      fail("{} has the scope '{}', want '*' or one such as registry.example.com/team/app", what,
           base::printable(scope));
  }
}

void check_identities(const std::vector<std::string>& identities, const std::string& what) {
  for (const std::string& identity : identities) {
    if (identity == "*") {
      if (identities.size() > 1) fail("{} has the identity '*' and others", what);
      continue;
    }
    const std::string name = fmt::format("the identity '{}' of {}", base::printable(identity), what);
    if (!identity.starts_with(subject_prefix)) fail("{} does not begin with '{}'", name, subject_prefix);
    const DistinguishedName subject = parse_name(identity.substr(subject_prefix.size()), name);
    for (const char* type : {"C", "ST", "O"})
      if (std::none_of(subject.begin(), subject.end(), [&](const auto& one) { return one.first == type; }))
        fail("{} has no {}; C, ST and O have to be there", name, type);
  }
}

// The names of the stores for CAs. What else a policy may name is for signatures of other kinds.
std::vector<std::string> stores_of(const std::vector<std::string>& texts, bool& timestamps,
                                   const std::string& what) {
  std::vector<std::string> stores;
  for (const std::string& text : texts) {
    const size_t colon = text.find(':');
    const std::string kind = text.substr(0, colon);
    if (colon == std::string::npos || (kind != "ca" && kind != "signingAuthority" && kind != "tsa") ||
        !is_file_name(std::string_view(text).substr(colon + 1)))
      fail("{} has the trust store '{}', want one such as ca:NAME", what, base::printable(text));
    if (kind == "ca") stores.push_back(text.substr(colon + 1));
    timestamps = timestamps || kind == "tsa";
  }
  return stores;
}

TrustStatement read_statement(const oci::Json& json, const std::string& position) {
  only_fields(json, {"name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities"},
              position);
  TrustStatement statement;
  statement.name = string_field(json, "name", position);
  if (statement.name.empty()) fail("{} has no name", position);
  const std::string what = fmt::format("the statement '{}'", base::printable(statement.name));
  statement.scopes = texts_of(json, "registryScopes", what);
  check_scopes(statement.scopes, what);
  const oci::Json& verification = object_field(json, "signatureVerification", what);
  only_fields(verification, {"level", "override", "verifyTimestamp"}, "'signatureVerification' of " + what);
  statement.level = string_field(verification, "level", what);
  statement.checks = checks_of(statement.level, what);
  const std::vector<std::string> stores = texts_of(json, "trustStores", what);
  statement.identities = texts_of(json, "trustedIdentities", what);
  if (statement.level == "skip") {
    if (verification.contains("override") || !stores.empty() || !statement.identities.empty())
      fail("{} has the level skip and says more, which means nothing", what);
    return statement;
  }
  if (verification.contains("override"))
    override_checks(object_field(verification, "override", what), statement.checks, what);
  if (stores.empty() || statement.identities.empty())
    fail("{} has no 'trustStores' or no 'trustedIdentities'", what);
  bool timestamps = false;
  statement.stores = stores_of(stores, timestamps, what);
  check_identities(statement.identities, what);
  std::string when = "always";
  if (verification.contains("verifyTimestamp")) when = string_field(verification, "verifyTimestamp", what);
  if (when != "always" && when != "afterCertExpiry")
    fail("{} has verifyTimestamp '{}', want always or afterCertExpiry", what, base::printable(when));
  if (timestamps && when == "always" && statement.checks.timestamp == Enforcement::enforce)
    fail(
        "{} asks for time stamps of an authority, which cannot be checked; set verifyTimestamp to "
        "afterCertExpiry",
        what);
  return statement;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::vector<std::string> certificate_files(const std::string& directory) {
  const std::unique_ptr<DIR, CloseDirectory> opened(::opendir(directory.c_str()));
  if (!opened) fail("cannot read the trust store {}: {}", directory, base::errno_text());
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(opened.get())) {
    const std::string name = entry->d_name;
    if (!name.ends_with(".pem") && !name.ends_with(".crt") && !name.ends_with(".cer")) continue;
    names.push_back(name);
    if (names.size() > max_files) fail("cannot read the trust store {}: it has too many files", directory);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<TrustStatement> parse_trust_policy(std::string_view text, const std::string& what) {
  std::vector<TrustStatement> policy;
  const oci::Json json = oci::parse_json(text, what);
  try {
    only_fields(json, {"version", "trustPolicies"}, "it");
    const std::string& version = string_field(json, "version", "it");
    if (version != "1.0") fail("its version is '{}', want '1.0'", base::printable(version));
    const oci::Json& statements = array_field(json, "trustPolicies", "it");
    if (statements.empty() || statements.size() > max_statements)
      fail("it has {} statements, want 1 to {}", statements.size(), max_statements);
    std::set<std::string> names;
    std::set<std::string> scopes;
    for (const oci::Json& one : statements) {
      policy.push_back(read_statement(one, fmt::format("statement {}", policy.size() + 1)));
      if (!names.insert(policy.back().name).second)
        fail("two statements are called '{}'", base::printable(policy.back().name));
      for (const std::string& scope : policy.back().scopes)
        if (!scopes.insert(scope).second) fail("the scope '{}' is in two statements", base::printable(scope));
    }
  } catch (const base::Error& error) {
    fail("cannot read {}: {}", what, error.what());
  }
  return policy;
}

const TrustStatement& statement_for(const std::vector<TrustStatement>& policy, const std::string& scope,
                                    const std::string& what) {
  for (const std::string& wanted : {scope, std::string("*")})
    for (const TrustStatement& statement : policy)
      if (std::find(statement.scopes.begin(), statement.scopes.end(), wanted) != statement.scopes.end())
        return statement;
  if (scope.empty())
    throw base::Error(base::Code::refused,
                      fmt::format("cannot use {}: the image is in no registry, and no statement has the "
                                  "scope '*'",
                                  what));
  throw base::Error(base::Code::refused,
                    fmt::format("cannot use {}: no statement has the scope '{}'", what, scope));
}

CertificateChain read_trust_store(const std::string& directory, const std::string& name) {
  const std::string path = fmt::format("{}/x509/ca/{}", directory, name);
  CertificateChain roots;
  for (const std::string& file : certificate_files(path)) {
    const std::string full = path + "/" + file;
    for (std::string& root : parse_roots(base::read_file(full, max_certificate), full))
      roots.push_back(std::move(root));
  }
  if (roots.empty()) fail("cannot use the trust store {}: it has no *.pem, *.crt or *.cer", path);
  return roots;
}

}  // namespace minibuild::trust
