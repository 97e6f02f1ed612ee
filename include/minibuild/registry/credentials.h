// Credentials as users store them: the files of the containers tools and Docker, and their credential
// helpers.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace minibuild::registry {

/// The identity to use at a registry; all empty: anonymous.
struct Credential {
  std::string user;
  std::string password;
  std::string identity_token;  // for a refresh at the token server, instead of a password
  std::string registry_token;  // a bearer token that is sent unchanged
  std::string source;          // where it was found, for messages; never contains a secret
  bool empty() const { return user.empty() && identity_token.empty() && registry_token.empty(); }
};

/// The files that are searched, in this order. The first that has an entry for the registry decides.
class CredentialFiles {
 public:
  CredentialFiles() = default;
  explicit CredentialFiles(std::vector<std::string> files) : files_(std::move(files)) {}

  /// Looks up `HOST[:PORT]/REPOSITORY`: in each file first `credHelpers`, then `auths` (the longest prefix of
  /// host and repository wins, containers-auth.json(5)), then `credsStore`. Files that do not exist or
  /// contain nothing (no bytes, `null`, `{}`) are skipped, as are empty entries and helper names. Throws
  /// Error naming the file, and the helper with its output. A helper that does not answer within `patience`
  /// seconds is killed; if `cancelled` is set meanwhile, throws Interrupted.
  Credential find(const std::string& host, const std::string& repository,
                  const std::atomic<bool>* cancelled = nullptr, int patience = 60) const;
  const std::vector<std::string>& files() const { return files_; }

 private:
  std::vector<std::string> files_;
};

/// Parses the JSON that a credential helper prints; the result is anonymous if it prints nothing, or neither
/// a user nor a secret. Throws Error naming `what`.
Credential parse_helper_answer(const std::string& text, const std::string& what);

}  // namespace minibuild::registry
