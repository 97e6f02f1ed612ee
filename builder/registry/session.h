// Exchanges with one kind of patience: authentication, redirects, retries and mirrors around plain HTTP.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "builder/registry/headers.h"
#include "builder/registry/http.h"
#include "minibuild/oci/reference.h"
#include "minibuild/registry/client.h"

namespace minibuild::registry {

/// Where a repository is reached: at its registry, or at a mirror of it.
struct Place {
  std::string host;        // whose credentials are used
  std::string repository;  // there
  Url base;                // `https://HOST`
  bool is_file = false;    // `base` is the whole URL of a file, not a registry
};

/// What is known about bytes before they arrive.
struct Expected {
  std::string what;  // for messages
  std::optional<uint64_t> size;
  std::optional<oci::Digest> digest;
  uint64_t limit = 0;  // in bytes, if the size is not known
};

/// What an exchange may do, for the token server.
enum class Access { pull, push, remove };

/// A request to a registry, before authentication.
struct Call {
  std::string method = "GET";
  std::string path;  // after `/v2/REPOSITORY`, or an absolute URL of a Location
  std::vector<std::string> headers;
  std::string body;
  bool sends_body = false;
  int body_fd = -1;
  uint64_t body_offset = 0;
  uint64_t body_size = 0;
  size_t limit = size_t{4} << 20;
  Access access = Access::pull;
  std::string also_pull;  // another repository that is read, for mounts
  bool once = false;      // the caller tries again by itself
  bool spares = false;    // its answer only spares work: it is not insisted on
  decltype(HttpRequest::sink) sink;
};

/// `user 'NAME' from FILE`, `a token from FILE`; empty for nobody.
std::string describe(const Credential& credential);

class Client::Session {
 public:
  Session(Network network, CredentialFiles credentials);

  /// Mirrors first, the registry itself last.
  std::vector<Place> places(const oci::Reference& reference) const;
  /// The same for a file of any server; `base` of each is the file's whole URL there.
  std::vector<Place> places(const std::string& url) const;
  Place origin(const oci::Reference& reference) const;
  /// Runs a call; gives the answer whatever its status is, but for those that were tried again in vain: those
  /// throw, unless the call says otherwise.
  HttpResponse call(const Place& place, const Call& call);
  /// Throws Error with what the registry says, and which credentials were used.
  [[noreturn]] void refuse(const Place& place, const HttpResponse& response, const std::string& what);
  /// Pauses before attempt `attempt` (2, 3 …); throws Interrupted when cancelled meanwhile, and
  /// Refused, which begins with `what`, where the server wants a longer pause than the network's patience.
  void pause(int attempt, int retry_after, const std::string& what) const;
  /// Who to be there; looked up once. Nobody where no credential may be sent.
  Credential credential(const Place& place);
  const Network& network() const { return network_; }

 private:
  struct Authorization {
    std::string value;    // of the header; empty if the registry asks for none
    bool secret = false;  // a credential or what one was given for, not an anonymous token
  };
  // What takes the place of a host and the path below it.
  struct Substitute {
    std::string scheme;  // `https://`
    std::string host;
    std::string path;  // without `/` at both ends
  };
  std::vector<Substitute> mirrors_of(const std::string& whole) const;
  std::string scope_of(const Place& place, const Call& call) const;
  HttpResponse authorized(const Place& place, const Call& call);
  HttpResponse follow(const Place& place, const Call& call, const Authorization& authorization);
  Authorization authorize(const Place& place, const std::string& scope, const HttpResponse& response);
  std::string fetch_token(const Place& place, const Challenge& challenge, const std::string& scope,
                          const HttpResponse& response, const Credential& credential);
  HttpResponse ask_for_token(HttpRequest request);

  Network network_;
  CredentialFiles files_;
  Http http_;
  std::mutex mutex_;
  std::map<std::string, Authorization> authorizations_;  // by origin and scope
  std::map<std::string, Credential> credentials_;        // by host and repository
};

}  // namespace minibuild::registry
