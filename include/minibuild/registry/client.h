// The distribution protocol (OCI distribution-spec v1.1): images by name and content, from and to registries.
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

/// What a registry said no to.
class Refused : public base::Error {
 public:
  Refused(const std::string& message, int status, std::string reason)
      : Error(base::Code::failed, message), status_(status), reason_(std::move(reason)) {}
  int status() const { return status_; }
  /// Of the distribution-spec, such as BLOB_UNKNOWN; empty if the registry named none.
  const std::string& reason() const { return reason_; }

 private:
  int status_;
  std::string reason_;
};

struct Place;
struct Expected;

/// Speaks with any number of registries; its functions may be called by many threads at once. Every exchange
/// is tried again after a failure that may pass (no connection, cut off, 408, 429, 5xx), with growing pauses
/// and as `Retry-After` says, but not for ever: what is cut off counts as failed unless it got further than
/// before, what crawls is given up, lists have to end. All functions throw Error with host, repository and
/// cause; what a registry says is printed without control characters, and credentials never.
class Client {
 public:
  Client(Network network, CredentialFiles credentials);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client(Client&&) = delete;
  Client& operator=(Client&&) = delete;

  /// A manifest or index as it was served.
  struct Document {
    oci::Descriptor descriptor;
    std::string bytes;
    /// When the registry got it, by its Last-Modified header, in seconds since 1970; most send none.
    std::optional<int64_t> modified{};
  };
  /// By the reference's digest if it has one, else by its tag (`latest` if none). The bytes have the digest.
  /// The media type is one of OCI or Docker: the document's own, else that of the Content-Type, else what its
  /// form says; a Content-Type of another kind of manifest is an error (CVE-2021-41190), any other says
  /// nothing. At most `limit` bytes.
  Document manifest(const oci::Reference& reference, size_t limit = oci::max_json_size);
  /// What a tag or digest names, at the registry itself; nothing if it is not there. Not fetched, where HEAD
  /// tells enough.
  std::optional<oci::Descriptor> find_manifest(const oci::Reference& reference);
  /// The same, of an image that has to be there: no registry's HEAD alone says that it is not. Throws Error
  /// `there is no such image`.
  oci::Descriptor resolve(const oci::Reference& reference);
  /// As `find_manifest`, for a tag that stands for a digest (`sha256-HEX`, `sha256-HEX.sig`): registries
  /// refuse these, or take them for the digest. Nothing then.
  std::optional<oci::Descriptor> find_digest_tag(const oci::Reference& reference, const oci::Digest& digest);
  /// A blob of at most 4 MiB, with the descriptor's size and digest.
  std::string small_blob(const oci::Reference& repository, const oci::Descriptor& blob);
  /// Hears each place before it is asked (a URL, or HOST/REPOSITORY), and whether it is a mirror.
  using Trying = std::function<void(const std::string& place, bool mirror)>;
  /// Fetches a blob into an empty file. A transfer that is cut off goes on where it was (Range). On return
  /// the file has the descriptor's size and digest.
  void fetch_blob(const oci::Reference& repository, const oci::Descriptor& blob, int fd,
                  const Trying& trying = {});
  /// What a server without a protocol of its own gives for a URL.
  struct Fetched {
    oci::Digest digest;
    uint64_t size = 0;  // in bytes
  };
  /// Fetches a file of any server into an empty file, from a mirror first if one has the URL's prefix. With
  /// `want` the bytes have that digest. At most `limit` bytes.
  Fetched fetch_url(const std::string& url, const std::optional<oci::Digest>& want, uint64_t limit, int fd,
                    const Trying& trying = {});
  /// All tags of a repository.
  struct TagList {
    std::vector<std::string> tags;
    std::string doubt;        // why they may not be all, and what to do; empty if they are
    size_t largest_page = 0;  // of the answers: a server that gave so many at once cuts no shorter list
  };
  /// Throws Error where the list cannot be read to its end, or may be a part.
  TagList tags(const oci::Reference& repository);

  /// Whether a blob or manifest need not be sent. These only save work: false whatever the registry answers,
  /// and if it does not answer, but for Interrupted.
  bool has_blob(const oci::Reference& repository, const oci::Digest& digest);
  bool has_manifest(const oci::Reference& reference, const oci::Digest& digest);
  /// Makes a blob of another repository of the same registry one of this repository. Only saves work, too:
  /// false if the registry does not do that, or will not give a token for both repositories.
  bool mount_blob(const oci::Reference& repository, const oci::Digest& digest, const std::string& from);
  /// Uploads a file: in one piece, or above 64 MiB in pieces that are taken up again where they were cut off.
  void upload_blob(const oci::Reference& repository, const oci::Descriptor& blob, const std::string& path);
  void upload_bytes(const oci::Reference& repository, const oci::Descriptor& blob, const std::string& bytes);
  /// Stores a manifest or index under `name`: a tag or a digest. Everything that it names must be there.
  /// True if the registry says that it noted the manifest's subject (`OCI-Subject`).
  bool put_manifest(const oci::Reference& repository, const std::string& name, const std::string& media_type,
                    const std::string& bytes);
  /// The manifests that name `subject`: by the referrers API, and where that names none by the tag
  /// `sha256-HEX` (distribution-spec, "Listing Referrers").
  std::vector<oci::Descriptor> referrers(const oci::Reference& repository, const oci::Digest& subject);
  /// The same by the API alone; nothing if the registry has none: it refuses the question, or its answer is
  /// no list.
  std::optional<std::vector<oci::Descriptor>> referrers_by_api(const oci::Reference& repository,
                                                               const oci::Digest& subject);
  /// Makes sure that a manifest that was put is found by its subject: notes it in the list under `sha256-HEX`
  /// unless the API lists it. `said` is what `put_manifest` gave, `entry` its descriptor with artifactType
  /// and annotations. False if the registry keeps no such list either: then nobody finds it. Lists are read,
  /// changed and written; who writes at the same time is not seen.
  bool list_referrer(const oci::Reference& repository, const oci::Digest& subject, const oci::Json& entry,
                     bool said);

  enum class Deletion { done, missing, unsupported };
  /// Deletes a manifest by its digest, with all its tags, or a tag alone (distribution-spec, "Deleting
  /// tags"). Registries may do neither, or only the first.
  Deletion delete_manifest(const oci::Reference& repository, const std::string& name);

  /// One place that would be asked, in order, and who we would be there.
  struct Route {
    std::string url;         // without a path for registries
    std::string credential;  // `user 'alice' from FILE`; empty: nobody
    bool mirror = false;
  };
  std::vector<Route> routes(const oci::Reference& repository);
  std::vector<Route> routes(const std::string& url);

  /// How many transfers should run at once.
  int parallel() const;

 private:
  class Session;
  std::vector<Route> routes_of(const std::vector<Place>& places);
  // What HEAD tells: nothing about the manifest where it leaves out digest, size or kind.
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
