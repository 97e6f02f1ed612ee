// Credentials as users have them: the files of containers, Docker and their credential helpers.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace minibuild::registry {

/// Who to be at a registry; all empty: nobody.
struct Credential {
  std::string user;
  std::string password;
  std::string identity_token;  // for a refresh at the token server, instead of a password
  std::string registry_token;  // a bearer token that is sent as it is
  std::string source;          // where it was found, for messages: never with a secret in it
  bool empty() const { return user.empty() && identity_token.empty() && registry_token.empty(); }
};

/// The files that are looked at, in this order. The first that knows the registry decides.
class CredentialFiles {
 public:
  CredentialFiles() = default;
  explicit CredentialFiles(std::vector<std::string> files) : files_(std::move(files)) {}

  /// Looks for `HOST[:PORT]/REPOSITORY`: in each file first `credHelpers`, then `auths` (the longest prefix
  /// of host and repository wins, containers-auth.json(5)), then `credsStore`. Files that are not there or
  /// hold nothing (no bytes, `null`, `{}`) are passed over, and so are empty entries and names of helpers.
  /// Throws Error naming the file, and the helper with what it printed. A helper that does not answer within
  /// `patience` seconds is ended; when `cancelled` is set meanwhile the error is Interrupted.
  Credential find(const std::string& host, const std::string& repository,
                  const std::atomic<bool>* cancelled = nullptr, int patience = 60) const;
  const std::vector<std::string>& files() const { return files_; }

 private:
  std::vector<std::string> files_;
};

/// The value of the JSON that a credential helper prints; nobody if it prints nothing, or neither a user nor
/// a secret. Throws Error naming `what`.
Credential parse_helper_answer(const std::string& text, const std::string& what);

}  // namespace minibuild::registry
