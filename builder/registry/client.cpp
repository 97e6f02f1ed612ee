// What can be asked of a registry.
#include "minibuild/registry/client.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "builder/registry/credential_rule.h"
#include "builder/registry/session.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr uint64_t chunk = uint64_t{64} << 20;  // of an upload
constexpr size_t max_pages = 1000;
// Of what goes over the wire this part at least has to bring a transfer on, so that one which is cut off
// again and again costs a multiple of its size, and not its square.
constexpr uint64_t most_in_vain = 16;
constexpr uint64_t enough_progress = uint64_t{256} << 10;
constexpr uint64_t writeback = uint64_t{8} << 20;

const std::vector<std::string> accept_manifests = {
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"};

std::string name_of(const oci::Reference& reference) {
  return reference.digest        ? oci::to_string(*reference.digest)
         : reference.tag.empty() ? "latest"
                                 : reference.tag;
}

std::string shown(const oci::Reference& reference) {
  return fmt::format("{}/{}{}{}", reference.host, reference.repository, reference.digest ? "@" : ":",
                     name_of(reference));
}

std::string media_type_of(const HttpResponse& response) {
  const std::string value = response.header("content-type");
  return std::string(base::trim(std::string_view(value).substr(0, value.find(';'))));
}

// The digest that the registry says the answer has, if it is one that can be checked.
std::optional<oci::Digest> said_digest(const HttpResponse& response, const std::string& what) {
  const std::string value = response.header("docker-content-digest");
  if (!value.starts_with("sha256:")) return std::nullopt;
  return oci::parse_digest(value, what);
}

void check_media_type(const std::string& type, const std::string& what) {
  if (oci::is_manifest(type) || oci::is_index(type)) return;
  if (type.starts_with("application/vnd.docker.distribution.manifest.v1"))
    fail("{} is in Docker's schema 1, which nobody should use any more; push it again with a current tool",
         what);
  fail("{} has the media type '{}', which is not an image", what, base::printable(type));
}

// Where a transfer stands that is cut off and taken up again. Only what goes beyond the best so far is
// progress: a server that always begins anew, and is always cut off, brings none.
class Progress {
 public:
  /// Whether an attempt that moved so many bytes brought the transfer on to `now`.
  bool reached(uint64_t now, uint64_t moved) {
    const uint64_t gained = now > best_ ? now - best_ : 0;
    if (gained < enough_progress || gained < moved / most_in_vain) return false;
    best_ = now;
    return true;
  }

 private:
  uint64_t best_ = 0;
};

// Goes from page to page of a list, to its end: at the same host, no page twice, for a limited time.
class Pages {
 public:
  Pages(const Place& place, std::string what, const Network& network)
      : place_(place),
        what_(std::move(what)),
        patience_(20 * std::chrono::seconds(network.patience)),
        until_(std::chrono::steady_clock::now() + patience_) {}

  /// False after the last page; else `call` asks for the next one.
  bool next(const HttpResponse& response, Call& call) {
    const std::string link = next_link(response.header("link"));
    if (link.empty()) return false;
    const Url url = parse_url(link, &place_.base);
    if (!url.same_origin(place_.base))
      fail("{}: the list goes on at another host, {}", what_, base::printable(authority(url)));
    if (!seen_.insert(url.text).second) fail("{}: the list has no end: a page of it comes twice", what_);
    if (seen_.size() >= max_pages) fail("{}: the list has more than {} pages", what_, max_pages);
    if (std::chrono::steady_clock::now() > until_)
      fail("{}: the list has no end within {} s (--network-timeout waits longer)", what_, patience_.count());
    call.path = url.text;
    return true;
  }

 private:
  const Place& place_;
  std::string what_;
  std::chrono::seconds patience_;
  std::chrono::steady_clock::time_point until_;
  std::set<std::string> seen_;
};

// The file that takes what arrives is at fault, not who sent it: nobody else is asked.
class Unwritable : public base::Error {
 public:
  Unwritable(int fd, const std::string& why)
      : Error(base::Code::failed, fmt::format("cannot write {}: {}", path_of(fd), why)) {}

 private:
  static std::string path_of(int fd) {
    char path[4096];
    const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path, sizeof path);
    return n <= 0 ? "a file of the cache" : base::printable({path, static_cast<size_t>(n)});
  }
};

// Takes what arrives: writes it, hashes it, and notices what does not belong there.
class Arrival {
 public:
  Arrival(const Expected& expected, int fd) : expected_(expected), fd_(fd) {}

  uint64_t size() const { return size_; }
  /// Whether all is there; without a known size an answer that came to its end says so.
  bool complete() const { return expected_.size ? size_ == *expected_.size : ended_; }
  void end() { ended_ = true; }
  oci::Digest digest() const { return {hash_.finish()}; }
  bool right() const { return complete() && (!expected_.digest || digest() == *expected_.digest); }
  void start_again() {
    size_ = 0;
    ended_ = false;
    hash_ = base::Sha256();
  }
  void new_answer() {
    first_ = true;
    received_ = 0;
  }
  /// Bytes of this answer.
  uint64_t received() const { return received_; }
  /// Where to go on; from the start if nothing says later whether the halves belong together.
  uint64_t resume() {
    if (!expected_.digest) start_again();
    return size_;
  }

  bool take(int status, const std::vector<std::pair<std::string, std::string>>& headers,
            std::string_view bytes) {
    if (first_) {
      first_ = false;
      if (status == 206) {
        const auto it = std::find_if(headers.begin(), headers.end(),
                                     [](const auto& header) { return header.first == "content-range"; });
        const auto range = it == headers.end() ? std::nullopt : parse_content_range(it->second);
        if (!range || range->first != size_ ||
            (range->total && expected_.size && *range->total != *expected_.size)) {
          start_again();
          return false;
        }
      } else {
        start_again();  // the whole, whatever was asked for
      }
    }
    if (expected_.size && bytes.size() > *expected_.size - size_)
      fail("{} has more than the {} bytes that its descriptor says", expected_.what, *expected_.size);
    if (!expected_.size && bytes.size() > expected_.limit - size_)
      fail("{} has more than {}", expected_.what, base::human_size(expected_.limit));
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n =
          ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Unwritable(fd_, base::errno_text());
      done += static_cast<size_t>(n);
    }
    hash_.update(bytes);
    received_ += bytes.size();
    const uint64_t before = size_ / writeback;
    size_ += bytes.size();
    // The disk works meanwhile, instead of in the end when all is flushed. Only a hint: failure means
    // nothing.
    if (size_ / writeback != before)
      ::sync_file_range(fd_, static_cast<off_t>(before * writeback), static_cast<off_t>(writeback),
                        SYNC_FILE_RANGE_WRITE);
    return true;
  }

 private:
  const Expected& expected_;
  int fd_;
  uint64_t size_ = 0;
  uint64_t received_ = 0;
  base::Sha256 hash_;
  bool first_ = true;
  bool ended_ = false;
};

// Tries a task at each place, mirrors first; the registry's own failure is told first.
template <typename Task>
auto at_places(const std::vector<Place>& places, Task task) {
  std::string mirrors;
  for (size_t i = 0; i + 1 < places.size(); ++i) {
    try {
      return task(places[i]);
    } catch (const Unwritable&) {
      throw;
    } catch (const base::Error& error) {
      if (error.code() == base::Code::interrupted) throw;
      mirrors += fmt::format("; and of the mirror: {}", error.what());
    }
  }
  try {
    return task(places.back());
  } catch (const Refused& refused) {
    throw Refused(refused.what() + mirrors, refused.status(), refused.reason());
  } catch (const base::Error& error) {
    if (mirrors.empty()) throw;
    throw base::Error(error.code(), error.what() + mirrors);
  }
}

}  // namespace

Client::Client(Network network, CredentialFiles credentials)
    : session_(new Session(std::move(network), std::move(credentials))) {}
Client::~Client() = default;

std::vector<Client::Route> Client::routes_of(const std::vector<Place>& places) {
  std::vector<Route> routes;
  for (const Place& place : places)
    routes.push_back(
        {place.base.text, describe(session_->credential(place)), routes.size() + 1 < places.size()});
  return routes;
}
std::vector<Client::Route> Client::routes(const oci::Reference& repository) {
  return routes_of(session_->places(repository));
}
std::vector<Client::Route> Client::routes(const std::string& url) { return routes_of(session_->places(url)); }

int Client::parallel() const { return std::max(1, session_->network().parallel); }

Client::Document Client::manifest(const oci::Reference& reference, size_t limit) {
  const std::string what = shown(reference);
  return at_places(session_->places(reference), [&](const Place& place) {
    Call call;
    call.path = "/manifests/" + name_of(reference);
    call.headers = accept_manifests;
    call.limit = limit;
    const HttpResponse response = session_->call(place, call);
    if (response.status != 200) session_->refuse(place, response, what);
    Document document;
    document.bytes = response.body;
    document.descriptor.media_type = media_type_of(response);
    document.descriptor.size = document.bytes.size();
    document.descriptor.digest = oci::digest_of(document.bytes);
    // A mirror's date says when the mirror got it.
    if (place.host == session_->origin(reference).host)
      document.modified = parse_http_date(response.header("last-modified"));
    check_media_type(document.descriptor.media_type, what);
    if (reference.digest && document.descriptor.digest != *reference.digest)
      fail("{}: what arrived has the digest {}", what, oci::to_string(document.descriptor.digest));
    const auto said = said_digest(response, what);
    if (said && *said != document.descriptor.digest)
      fail("{}: what arrived has the digest {}, but the registry says {}", what,
           oci::to_string(document.descriptor.digest), oci::to_string(*said));
    // The document's own media type has to agree (CVE-2021-41190).
    const std::string own = oci::is_index(document.descriptor.media_type)
                                ? oci::parse_index(document.bytes, what).media_type
                                : oci::parse_manifest(document.bytes, what).media_type;
    if (own != document.descriptor.media_type)
      fail("{} was served as {}, but says of itself that it is {}", what, document.descriptor.media_type,
           own);
    return document;
  });
}

std::optional<oci::Descriptor> Client::find_manifest(const oci::Reference& reference) {
  const std::string what = shown(reference);
  const Place place = session_->origin(reference);
  Call call;
  call.method = "HEAD";
  call.path = "/manifests/" + name_of(reference);
  call.headers = accept_manifests;
  const HttpResponse response = session_->call(place, call);
  if (response.status == 404) return std::nullopt;
  if (response.status != 200) session_->refuse(place, response, what);
  const auto digest = said_digest(response, what);
  if (!digest) return manifest(reference).descriptor;  // an old registry: only the bytes tell
  if (reference.digest && *digest != *reference.digest)
    fail("{}: the registry says that it has the digest {}", what, oci::to_string(*digest));
  return oci::Descriptor{media_type_of(response),
                         *digest,
                         base::parse_number(response.header("content-length")).value_or(0),
                         {},
                         {}};
}

std::string Client::small_blob(const oci::Reference& repository, const oci::Descriptor& blob) {
  const std::string what =
      fmt::format("{}/{}@{}", repository.host, repository.repository, oci::to_string(blob.digest));
  if (blob.size > oci::max_json_size)
    fail("{} has {} bytes, want at most {}", what, blob.size, oci::max_json_size);
  return at_places(session_->places(repository), [&](const Place& place) {
    Call call;
    call.path = "/blobs/" + oci::to_string(blob.digest);
    call.limit = blob.size;
    HttpResponse response = session_->call(place, call);
    if (response.status != 200) session_->refuse(place, response, what);
    if (response.body.size() != blob.size || oci::digest_of(response.body) != blob.digest)
      fail("{}: what arrived are not the bytes that its digest says", what);
    return std::move(response.body);
  });
}

// Fetches until all is there and right, going on where a transfer was cut off.
Client::Fetched Client::fetch(const Place& place, const std::string& path, const Expected& expected, int fd) {
  Arrival arrival(expected, fd);
  Progress progress;
  int failures = 0;
  bool was_wrong = false;
  while (!(arrival.complete() && arrival.right())) {
    int retry_after = 0;
    std::string why;
    const uint64_t before = arrival.resume();
    try {
      Call call;
      call.once = true;
      call.path = path;
      if (before > 0) call.headers.push_back(fmt::format("Range: bytes={}-", before));
      arrival.new_answer();
      call.sink = [&](int status, const auto& headers, std::string_view bytes) {
        return arrival.take(status, headers, bytes);
      };
      const HttpResponse response = session_->call(place, call);
      retry_after = response.retry_after;
      if (response.status == 416) {
        arrival.start_again();
        why = "it does not go on where it was cut off";
      } else if (response.status >= 500 || response.status == 429 || response.status == 408) {
        why = fmt::format("status {}", response.status);
      } else if (response.status != 200 && response.status != 206) {
        session_->refuse(place, response, expected.what);
      } else if (arrival.end(); !arrival.complete()) {
        why = fmt::format("it ended after {} of {} bytes", arrival.size(), *expected.size);
      } else if (!arrival.right()) {
        // Once more from the start: it may have been damaged on the way, or two halves do not belong
        // together.
        if (was_wrong)
          fail("{}: what arrived are not the bytes that its digest says: got {}, want {}", expected.what,
               oci::to_string(arrival.digest()), oci::to_string(*expected.digest));
        was_wrong = true;
        arrival.start_again();
        continue;
      }
    } catch (const ExchangeError& error) {
      if (!error.worth_a_retry()) throw;
      why = error.what();
    }
    if (why.empty()) continue;
    if (progress.reached(arrival.size(), arrival.received())) failures = 0;
    if (++failures >= session_->network().attempts)
      fail("{}: {}; tried {} times without getting further", expected.what, why, failures);
    session_->pause(failures + 1, retry_after);
  }
  if (::ftruncate(fd, static_cast<off_t>(arrival.size())) != 0) throw Unwritable(fd, base::errno_text());
  return {arrival.digest(), arrival.size()};
}

void Client::fetch_blob(const oci::Reference& repository, const oci::Descriptor& blob, int fd,
                        const Trying& trying) {
  const std::string path = "/blobs/" + oci::to_string(blob.digest);
  const Expected expected{
      fmt::format("{}/{}@{}", repository.host, repository.repository, oci::to_string(blob.digest)), blob.size,
      blob.digest, 0};
  const std::vector<Place> places = session_->places(repository);
  at_places(places, [&](const Place& place) {
    if (trying) trying(place.host + "/" + place.repository, &place != &places.back());
    return fetch(place, path, expected, fd);
  });
}

Client::Fetched Client::fetch_url(const std::string& url, const std::optional<oci::Digest>& want,
                                  uint64_t limit, int fd, const Trying& trying) {
  const Expected expected{url, std::nullopt, want, limit};
  const std::vector<Place> places = session_->places(url);
  return at_places(places, [&](const Place& place) {
    if (trying) trying(place.base.text, &place != &places.back());
    return fetch(place, place.base.text, expected, fd);
  });
}

std::vector<std::string> Client::tags(const oci::Reference& repository) {
  const std::string what = repository.host + "/" + repository.repository;
  const Place place = session_->origin(repository);
  std::vector<std::string> tags;
  Call call;
  call.path = "/tags/list";
  Pages pages(place, "the tags of " + what, session_->network());
  for (;;) {
    const HttpResponse response = session_->call(place, call);
    if (response.status != 200) session_->refuse(place, response, what);
    const oci::Json json = oci::parse_json(response.body, "the tags of " + what);
    if (!json.is_object()) fail("cannot read the tags of {}: not a JSON object", what);
    if (const auto list = json.find("tags"); list != json.end() && list->is_array())
      for (const oci::Json& tag : *list)
        if (tag.is_string() && oci::is_tag(tag.get<std::string>())) tags.push_back(tag.get<std::string>());
    if (!pages.next(response, call)) return tags;
  }
}

bool Client::has_blob(const oci::Reference& repository, const oci::Digest& digest) {
  const Place place = session_->origin(repository);
  Call call;
  call.method = "HEAD";
  call.path = "/blobs/" + oci::to_string(digest);
  call.access = Access::push;  // asked before a push: one token for both
  const HttpResponse response = session_->call(place, call);
  if (response.status == 200) return true;
  if (response.status == 404) return false;
  session_->refuse(place, response, fmt::format("{}/{}", repository.host, repository.repository));
}

bool Client::mount_blob(const oci::Reference& repository, const oci::Digest& digest,
                        const std::string& from) {
  const Place place = session_->origin(repository);
  Call call;
  call.method = "POST";
  call.sends_body = true;
  call.access = Access::push;
  call.also_pull = from;
  call.path = fmt::format("/blobs/uploads/?mount={}&from={}", percent_encode(oci::to_string(digest)),
                          percent_encode(from));
  const HttpResponse response = session_->call(place, call);
  if (response.status == 202) {  // it would rather have an upload; that one is given up
    Call cancel;
    cancel.method = "DELETE";
    cancel.access = Access::push;
    cancel.also_pull = from;
    cancel.once = true;
    try {
      const Url url = parse_url(response.header("location"), &place.base);
      cancel.path = url.text;
      if (url.same_origin(place.base)) session_->call(place, cancel);
    } catch (const base::Error& error) {
      if (error.code() == base::Code::interrupted) throw;
    }
  }
  return response.status == 201;
}

namespace {

// One upload, from start to end.
class Upload {
 public:
  Upload(const Place& place, const oci::Reference& repository, const oci::Descriptor& blob)
      : place_(place),
        blob_(blob),
        what_(fmt::format("{}/{}@{}", repository.host, repository.repository, oci::to_string(blob.digest))) {}

  const std::string& what() const { return what_; }

  Call start() const {
    Call call = push("POST", "/blobs/uploads/");
    call.sends_body = true;
    return call;
  }
  Call whole(const std::string& location, int fd, const std::string& bytes) const {
    Call call = push("PUT", closing(location));
    call.headers = {"Content-Type: application/octet-stream"};
    call.sends_body = true;
    call.body = bytes;
    call.body_fd = fd;
    call.body_size = blob_.size;
    call.once = true;
    return call;
  }
  Call piece(const std::string& location, int fd, uint64_t offset) const {
    const uint64_t size = std::min(chunk, blob_.size - offset);
    Call call = push("PATCH", location);
    call.headers = {"Content-Type: application/octet-stream",
                    fmt::format("Content-Range: {}-{}", offset, offset + size - 1)};
    call.body_fd = fd;
    call.body_offset = offset;
    call.body_size = size;
    call.once = true;
    return call;
  }
  Call end(const std::string& location) const {
    Call call = push("PUT", closing(location));
    call.sends_body = true;
    return call;
  }
  Call ask(const std::string& location) const {
    Call call = push("GET", location);
    call.once = true;
    return call;
  }
  std::string location(const HttpResponse& response) const {
    const std::string text = response.header("location");
    if (text.empty()) fail("{}: the registry names no place for the upload", what_);
    const Url url = parse_url(text, &place_.base);
    if (place_.base.scheme == "https" && url.scheme != "https")
      fail("{}: refused to upload over plain http to {}", what_, base::printable(url.host));
    return url.text;
  }

 private:
  static Call push(const std::string& method, const std::string& path) {
    Call call;
    call.method = method;
    call.path = path;
    call.access = Access::push;
    return call;
  }
  std::string closing(const std::string& location) const {
    return location + (location.find('?') == std::string::npos ? "?" : "&") +
           "digest=" + percent_encode(oci::to_string(blob_.digest));
  }

  const Place& place_;
  const oci::Descriptor& blob_;
  std::string what_;
};

// `0-N` of a Range header: how many bytes have arrived; nothing if it says none.
std::optional<uint64_t> arrived(const HttpResponse& response) {
  std::string range = response.header("range");
  if (range.starts_with("bytes=")) range.erase(0, 6);
  const size_t dash = range.find('-');
  if (dash == std::string::npos || range.substr(0, dash) != "0") return std::nullopt;
  const auto last = base::parse_number(std::string_view(range).substr(dash + 1));
  // docker-registry says 0-0 for nothing and for one byte; one byte is sent again.
  return last ? std::optional(*last == 0 ? 0 : *last + 1) : std::nullopt;
}

}  // namespace

void Client::upload_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                         const std::string& path) {
  const base::Fd file = base::open_file(path);
  send(repository, blob, file.get(), {});
}

void Client::upload_bytes(const oci::Reference& repository, const oci::Descriptor& blob,
                          const std::string& bytes) {
  send(repository, blob, -1, bytes);
}

void Client::send(const oci::Reference& repository, const oci::Descriptor& blob, int fd,
                  const std::string& bytes) {
  const Place place = session_->origin(repository);
  const Upload upload(place, repository, blob);
  for (int attempt = 1;; ++attempt) {
    std::string why;
    int retry_after = 0;
    try {
      // Perhaps only the last answer was lost.
      if (attempt > 1 && has_blob(repository, blob.digest)) return;
      HttpResponse response = session_->call(place, upload.start());
      if (response.status != 202) session_->refuse(place, response, upload.what());
      std::string location = upload.location(response);
      if (fd < 0 || blob.size <= chunk) {
        response = session_->call(place, upload.whole(location, fd, bytes));
      } else {
        uint64_t done = 0;
        int failures = 0;
        Progress progress;
        while (done < blob.size) {
          const uint64_t sent = std::min(blob.size - done, chunk);
          try {
            response = session_->call(place, upload.piece(location, fd, done));
            if (response.status == 202) {
              done = arrived(response).value_or(done + sent);
              location = upload.location(response);
              if (done == blob.size) continue;
              if (progress.reached(done, sent)) {
                failures = 0;
                continue;
              }
            } else if (response.status < 500 && response.status != 416 && response.status != 429)
              session_->refuse(place, response, upload.what());
          } catch (const ExchangeError& error) {
            if (!error.worth_a_retry()) throw;
          }
          if (++failures >= session_->network().attempts)
            fail("{}: the upload stopped at {} of {} bytes", upload.what(), done, blob.size);
          session_->pause(failures + 1, response.retry_after);
          response = session_->call(place, upload.ask(location));
          if (response.status != 204 && response.status != 202) break;
          done = arrived(response).value_or(0);
          if (!response.header("location").empty()) location = upload.location(response);
        }
        if (done == blob.size) response = session_->call(place, upload.end(location));
      }
      if (response.status == 201) return;
      const bool again = response.status >= 500 || response.status == 404 || response.status == 429 ||
                         response.status == 408;
      if (!again) session_->refuse(place, response, upload.what());
      why = fmt::format("status {}", response.status);
      retry_after = response.retry_after;
    } catch (const ExchangeError& error) {
      if (!error.worth_a_retry()) throw;
      why = error.what();
    }
    if (attempt >= session_->network().attempts)
      fail("cannot upload {}: {}; tried {} times", upload.what(), why, attempt);
    session_->pause(attempt + 1, retry_after);
  }
}

bool Client::put_manifest(const oci::Reference& repository, const std::string& name,
                          const std::string& media_type, const std::string& bytes) {
  const Place place = session_->origin(repository);
  const std::string what = fmt::format("{}/{}{}{}", repository.host, repository.repository,
                                       name.starts_with("sha256:") ? "@" : ":", name);
  Call call;
  call.method = "PUT";
  call.path = "/manifests/" + name;
  call.headers = {"Content-Type: " + media_type};
  call.body = bytes;
  call.access = Access::push;
  const HttpResponse response = session_->call(place, call);
  if (response.status != 201) session_->refuse(place, response, what);
  const auto said = said_digest(response, what);
  if (said && *said != oci::digest_of(bytes))
    fail("{}: the registry stored it as {}, want {}", what, oci::to_string(*said),
         oci::to_string(oci::digest_of(bytes)));
  return !response.header("oci-subject").empty();
}

std::optional<std::vector<oci::Descriptor>> Client::referrers_by_api(const oci::Reference& repository,
                                                                     const oci::Digest& subject) {
  const std::string what = fmt::format("the referrers of {}/{}@{}", repository.host, repository.repository,
                                       oci::to_string(subject));
  const Place place = session_->origin(repository);
  std::vector<oci::Descriptor> found;
  Call call;
  call.path = "/referrers/" + oci::to_string(subject);
  Pages pages(place, what, session_->network());
  for (bool first = true;; first = false) {
    const HttpResponse response = session_->call(place, call);
    if (response.status != 200) {
      // Half a list would be taken for the whole.
      if (!first) session_->refuse(place, response, what);
      return std::nullopt;
    }
    for (oci::Descriptor& entry : oci::parse_index(response.body, what).manifests)
      found.push_back(std::move(entry));
    if (!pages.next(response, call)) return found;
  }
}

std::vector<oci::Descriptor> Client::referrers(const oci::Reference& repository, const oci::Digest& subject) {
  if (std::optional<std::vector<oci::Descriptor>> found = referrers_by_api(repository, subject))
    return std::move(*found);
  // A registry without that API: its clients keep a list under a tag.
  oci::Reference list = repository;
  list.digest.reset();
  list.tag = "sha256-" + oci::hex(subject);
  if (!find_manifest(list)) return {};
  return oci::parse_index(manifest(list).bytes, "the list " + oci::to_string(list)).manifests;
}

Client::Deletion Client::delete_manifest(const oci::Reference& repository, const std::string& name) {
  const bool by_digest = name.starts_with("sha256:");
  const std::string what = fmt::format("cannot delete {}/{}{}{}", repository.host, repository.repository,
                                       by_digest ? "@" : ":", name);
  const Place place = session_->origin(repository);
  Call call;
  call.method = "DELETE";
  call.path = "/manifests/" + name;
  call.access = Access::remove;
  const HttpResponse response = session_->call(place, call);
  if (response.status == 202 || response.status == 200 || response.status == 204) return Deletion::done;
  if (response.status == 404) return Deletion::missing;
  if (response.status == 405 || response.status == 501 || (response.status == 400 && !by_digest))
    return Deletion::unsupported;
  session_->refuse(place, response, what);
}

}  // namespace minibuild::registry
