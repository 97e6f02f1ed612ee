// Files whose names suggest that they contain credentials.
#pragma once

#include <string_view>
#include <vector>

namespace minibuild::trust {

/// What the beginning of such a file must contain for it to be a finding.
enum class SecretLook {
  any,          // anything: it is not empty
  assignments,  // `NAME=value` or `NAME: value` with a secret's name and no placeholder
  values,       // a line that is not a comment, section or placeholder
  hashes,       // `user:$6$…`, in crypt(5) form
  fields,       // `user:secret`, where the secret is not a placeholder
  ssh,          // a private key: a marker, or binary data
  cluster,      // a kubeconfig with a token, a password or a client key
  docker,       // `auth` or `identitytoken` with a value
  key_store,    // PKCS#12 or JKS with a private key
  state,        // Terraform state: values with a secret's name
};

struct SecretFileRule {
  std::string_view id;
  /// Path suffixes of whole components; a leading or trailing `*` matches part of the file name.
  std::vector<std::string_view> names;
  std::string_view description;
  SecretLook look = SecretLook::any;
  bool is_key = false;
};

const std::vector<SecretFileRule>& secret_file_rules();
/// The rule for the file at `path`, or null.
const SecretFileRule* secret_file_rule(std::string_view path);
/// Examines the first 64 KiB of the file.
bool holds_secret(SecretLook look, std::string_view head);

}  // namespace minibuild::trust
