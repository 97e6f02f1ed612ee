// Files whose name says that they hold credentials.
#pragma once

#include <string_view>
#include <vector>

namespace minibuild::trust {

/// What of its beginning makes such a file a finding.
enum class SecretLook {
  any,          // it is not empty
  assignments,  // `NAME=value` or `NAME: value`, where the name is one of a secret and the value no
                // placeholder
  values,       // a line that is neither comment nor section nor placeholder
  hashes,       // `user:$6$…`, as crypt(5) writes them
  fields,       // `user:secret`, the secret no placeholder
  ssh,          // a private key: a marker, or bytes that are no text
  cluster,      // a kubeconfig with a token, a password or a client's key
  docker,       // `auth` or `identitytoken` with a value
  key_store,    // PKCS#12 or JKS with a private key
  state,        // of terraform: values that are named secrets
};

struct SecretFileRule {
  std::string_view id;
  /// Ends of paths, whole components; `*` at the beginning or the end stands for a part of the file's name.
  std::vector<std::string_view> names;
  std::string_view description;
  SecretLook look = SecretLook::any;
  bool is_key = false;
};

const std::vector<SecretFileRule>& secret_file_rules();
/// The rule for the file at `path`, or null.
const SecretFileRule* secret_file_rule(std::string_view path);
/// Judges the first 64 KiB of the file.
bool holds_secret(SecretLook look, std::string_view head);

}  // namespace minibuild::trust
