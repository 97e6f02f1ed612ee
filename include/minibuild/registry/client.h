// The distribution protocol (OCI distribution-spec v1.1): images by name and content, to and from registries.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/registry/credentials.h"
#include "minibuild/registry/network.h"

namespace minibuild::registry {

/// A request that the registry refused.
class Refused : public base::Error {
 public:
  Refused(const std::string& message, int status, std::string reason)
      : Error(base::Code::failed, message), status_(status), reason_(std::move(reason)) {}
  int status() const { return status_; }
  /// An error code of the distribution-spec, such as BLOB_UNKNOWN; empty if the registry gave none.
  const std::string& reason() const { return reason_; }

 private:
  int status_;
  std::string reason_;
};

struct Place;
struct Expected;

/// Talks to any number of registries; its functions may be called from many threads at once. Every exchange
/// is retried after a failure that may be temporary (no connection, cut off, 408, 429, 5xx), with growing
/// pauses and as `Retry-After` says, but not forever: a transfer that is cut off counts as failed unless it
/// got further than before, one that crawls is given up, and lists must end. All functions throw Error with
/// host, repository and cause; text from a registry is printed without control characters, and credentials
/// are never printed.
class Client {
 public:
  Client(Network network, CredentialFiles credentials);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client(Client&&) = delete;
  Client& operator=(Client&&) = delete;

  /// A manifest or index as served.
  struct Document {
    oci::Descriptor descriptor;
    std::string bytes;
    /// When the registry received it, according to its Last-Modified header, in seconds since 1970; most
    /// registries send none.
    std::optional<int64_t> modified{};
  };
  /// Fetches by the reference's digest if it has one, else by its tag (`latest` if none). The bytes match the
  /// digest. The media type is one of OCI's or Docker's: the document's own, else that of the Content-Type,
  /// else the one its structure implies. A Content-Type of another kind of manifest is an error
  /// (CVE-2021-41190); any other is ignored. At most `limit` bytes.
  Document manifest(const oci::Reference& reference, size_t limit = oci::max_json_size);
  /// Returns what a tag or digest refers to in the registry itself, or std::nullopt if it does not exist.
  /// Does not fetch the manifest if HEAD suffices.
  std::optional<oci::Descriptor> find_manifest(const oci::Reference& reference);
  /// The same for an image that must exist: HEAD alone is never taken as proof that it does not. Throws Error
  /// `there is no such image`.
  oci::Descriptor resolve(const oci::Reference& reference);
  /// Like `find_manifest`, for a tag that stands for a digest (`sha256-HEX`, `sha256-HEX.sig`). Some
  /// registries refuse these, or mistake them for the digest; then returns std::nullopt.
  std::optional<oci::Descriptor> find_digest_tag(const oci::Reference& reference, const oci::Digest& digest);
  /// Fetches a blob of at most 4 MiB; it has the descriptor's size and digest.
  std::string small_blob(const oci::Reference& repository, const oci::Descriptor& blob);
  /// Called with each place (a URL, or HOST/REPOSITORY) before it is tried, and whether it is a mirror.
  using Trying = std::function<void(const std::string& place, bool mirror)>;
  /// Fetches a blob into an empty file. A transfer that is cut off resumes where it stopped (Range). On
  /// return the file has the descriptor's size and digest.
  void fetch_blob(const oci::Reference& repository, const oci::Descriptor& blob, int fd,
                  const Trying& trying = {});
  /// What a plain server returned for a URL.
  struct Fetched {
    oci::Digest digest;
    uint64_t size = 0;  // in bytes
  };
  /// Fetches a file from any server into an empty file, first from a mirror that has the URL's prefix. With
  /// `want`, the bytes must have that digest. At most `limit` bytes.
  Fetched fetch_url(const std::string& url, const std::optional<oci::Digest>& want, uint64_t limit, int fd,
                    const Trying& trying = {});
  /// All tags of a repository.
  struct TagList {
    std::vector<std::string> tags;
    std::string doubt;        // why the list may be incomplete, and what to do; else empty
    size_t largest_page = 0;  // a server that returned this many truncates no shorter list
  };
  /// Throws Error if the list cannot be read to its end, or may be partial.
  TagList tags(const oci::Reference& repository);

  /// Whether a blob or manifest need not be sent. These only save work: any failure, including no answer at
  /// all, yields false; only Interrupted is thrown.
  bool has_blob(const oci::Reference& repository, const oci::Digest& digest);
  bool has_manifest(const oci::Reference& reference, const oci::Digest& digest);
  /// Makes a blob of another repository of the same registry available in this one. Also only saves work:
  /// returns false if the registry does not support it, or does not issue a token for both repositories.
  bool mount_blob(const oci::Reference& repository, const oci::Digest& digest, const std::string& from);
  /// Uploads a file: in one piece, or above 64 MiB in chunks that resume where they were cut off.
  void upload_blob(const oci::Reference& repository, const oci::Descriptor& blob, const std::string& path);
  void upload_bytes(const oci::Reference& repository, const oci::Descriptor& blob, const std::string& bytes);
  /// Stores a manifest or index under `name`: a tag or a digest. Everything that it refers to must already
  /// exist. Returns true if the registry says that it recorded the manifest's subject (`OCI-Subject`).
  bool put_manifest(const oci::Reference& repository, const std::string& name, const std::string& media_type,
                    const std::string& bytes);
  /// Returns the manifests whose subject is `subject`: from the referrers API, or if that lists none, from
  /// the tag `sha256-HEX` (distribution-spec, "Listing Referrers").
  std::vector<oci::Descriptor> referrers(const oci::Reference& repository, const oci::Digest& subject);
  /// The same using the API only; std::nullopt if the registry does not have it: it refuses the request, or
  /// its answer is not a list.
  std::optional<std::vector<oci::Descriptor>> referrers_by_api(const oci::Reference& repository,
                                                               const oci::Digest& subject);
  /// Makes sure that a manifest that was stored can be found by its subject: adds it to the list under
  /// `sha256-HEX` unless the API lists it. `said` is what `put_manifest` returned, `entry` its descriptor
  /// with artifactType and annotations. Returns false if the registry does not keep such a list either; then
  /// nobody can find it. The list is read, changed and written back; concurrent writers are not detected.
  bool list_referrer(const oci::Reference& repository, const oci::Digest& subject, const oci::Json& entry,
                     bool said);

  enum class Deletion { done, missing, unsupported };
  /// Deletes a manifest by its digest, with all its tags, or only a tag (distribution-spec, "Deleting tags").
  /// A registry may support neither, or only the former.
  Deletion delete_manifest(const oci::Reference& repository, const std::string& name);

  /// One place that would be tried, in order, and the identity used there.
  struct Route {
    std::string url;         // without a path for registries
    std::string credential;  // `user 'alice' from FILE`; empty: anonymous
    bool mirror = false;
  };
  std::vector<Route> routes(const oci::Reference& repository);
  std::vector<Route> routes(const std::string& url);

  /// How many transfers should run concurrently.
  int parallel() const;

 private:
  class Session;
  std::vector<Route> routes_of(const std::vector<Place>& places);
  // The answer to HEAD; no descriptor if it lacks digest, size or media type.
  struct Head {
    int status = 0;
    std::optional<oci::Descriptor> descriptor;
  };
  Head look_at_manifest(const Place& place, const oci::Reference& reference);
  Document read_manifest(const Place& place, const oci::Reference& reference, size_t limit);
  std::optional<Document> digest_tag(const oci::Reference& repository, const std::string& tag,
                                     const oci::Digest& digest);
  Fetched fetch(const Place& place, const std::string& path, const Expected& expected, int fd);
  void send(const oci::Reference& repository, const oci::Descriptor& blob, int fd, const std::string& bytes);
  std::optional<std::vector<oci::Descriptor>> answered_by_api(const oci::Reference& repository,
                                                              const oci::Digest& subject);
  std::unique_ptr<Session> session_;
  std::mutex mutex_;
  std::set<std::string> fails_at_referrers_;  // HOST/REPOSITORY
};

}  // namespace minibuild::registry
