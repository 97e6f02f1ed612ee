// What can be asked of a registry.
#include "minibuild/registry/client.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "builder/registry/credential_rule.h"
#include "builder/registry/pages.h"
#include "builder/registry/progress.h"
#include "builder/registry/session.h"
#include "builder/registry/tag_list.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {

using base::fail;

namespace {

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

std::string served_type(const HttpResponse& response) {
  const std::string value = response.header("content-type");
  return base::lower_case(base::trim(std::string_view(value).substr(0, value.find(';'))));
}

// The digest that the registry says the answer has, if it is one that can be checked.
std::optional<oci::Digest> said_digest(const HttpResponse& response) {
  try {
    return oci::parse_digest(response.header("docker-content-digest"), "a header");
  } catch (const base::Error&) {
    return std::nullopt;  // none, or of an algorithm that is not known here: the bytes tell
  }
}

// A name of a manifest is a tag, which has no colon, or a digest.
bool is_digest(std::string_view name) { return name.find(':') != std::string_view::npos; }

constexpr std::string_view schema1 = "application/vnd.docker.distribution.manifest.v1";

bool is_document(std::string_view type) { return oci::is_manifest(type) || oci::is_index(type); }

void check_media_type(const std::string& type, const std::string& what) {
  if (is_document(type)) return;
  if (type.starts_with(schema1))
    fail("{} is in Docker's schema 1, which nobody should use any more; push it again with a current tool",
         what);
  fail("{} has the media type '{}', which is not an image", what, base::printable(type));
}

// What a document is: it says so itself, or else its Content-Type, or else its form. A Content-Type of files
// and texts says nothing; one of another kind of manifest says that two readers would see two things
// (CVE-2021-41190).
std::string type_of_document(const std::string& bytes, const std::string& served, const std::string& what) {
  oci::Json json;
  try {
    json = oci::parse_json(bytes, what);
  } catch (const base::Error&) {
    if (is_document(served)) throw;
    if (served.starts_with("application/vnd.")) check_media_type(served, what);
    fail("{} is not an image: what arrived is no JSON (it was served as '{}')", what,
         base::printable(served));
  }
  if (served.starts_with(schema1)) check_media_type(served, what);
  const bool is_object = json.is_object();
  const std::string own = is_object && json.contains("mediaType") && json["mediaType"].is_string()
                              ? json["mediaType"].get<std::string>()
                              : "";
  if (!own.empty()) {
    // Which of the two forms a document has, it says itself; an index served as a manifest is ambiguous.
    if (is_document(served) && oci::is_index(own) != oci::is_index(served))
      fail("{} was served as {}, but says of itself that it is {}", what, served,
           base::printable(std::string_view(own).substr(0, 100)));
    check_media_type(own, what);
    return own;
  }
  if (served.starts_with("application/vnd.")) {
    check_media_type(served, what);
    return served;
  }
  if (is_object && json.contains("schemaVersion") && json["schemaVersion"] == 1)
    check_media_type(std::string(schema1), what);
  if (is_object && json.contains("manifests")) return std::string(oci::media_type::index);
  if (is_object && json.contains("layers")) return std::string(oci::media_type::manifest);
  fail(
      "{} is not an image: it holds neither 'layers' nor 'manifests' and has no mediaType (it was served as "
      "'{}')",
      what, base::printable(served));
}

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
  Arrival(const Expected& expected, int fd) : expected_(expected), fd_(fd), hash_(expected.digest) {}

  uint64_t size() const { return size_; }
  /// Whether all is there; without a known size an answer that came to its end says so.
  bool complete() const { return expected_.size ? size_ == *expected_.size : ended_; }
  void end() { ended_ = true; }
  oci::Digest digest() const { return hash_.finish(); }
  bool right() const { return complete() && (!expected_.digest || digest() == *expected_.digest); }
  void start_again() {
    size_ = 0;
    ended_ = false;
    hash_ = oci::Digester(expected_.digest);
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
      fail("{} has more than {}, the most that is taken of it here", expected_.what,
           base::human_size(expected_.limit));
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
  oci::Digester hash_;
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

Client::Document Client::read_manifest(const Place& place, const oci::Reference& reference, size_t limit) {
  const std::string what = shown(reference);
  Call call;
  call.path = "/manifests/" + name_of(reference);
  call.headers = accept_manifests;
  call.limit = limit;
  const HttpResponse response = session_->call(place, call);
  if (response.status != 200) session_->refuse(place, response, what);
  Document document;
  document.bytes = response.body;
  document.descriptor.size = document.bytes.size();
  oci::Digester digester(reference.digest);
  digester.update(document.bytes);
  document.descriptor.digest = digester.finish();
  // A mirror's date says when the mirror got it.
  if (place.host == session_->origin(reference).host)
    document.modified = parse_http_date(response.header("last-modified"));
  if (reference.digest && document.descriptor.digest != *reference.digest)
    fail("{}: what arrived has the digest {}", what, oci::to_string(document.descriptor.digest));
  const auto said = said_digest(response);
  if (said && !oci::has_digest(document.bytes, *said))
    fail("{}: what arrived has the digest {}, but the registry says {}", what,
         oci::to_string(document.descriptor.digest), oci::to_string(*said));
  document.descriptor.media_type = type_of_document(document.bytes, served_type(response), what);
  // It has to be what it is called, and nothing else besides.
  if (oci::is_index(document.descriptor.media_type))
    oci::parse_index(document.bytes, what);
  else
    oci::parse_manifest(document.bytes, what);
  return document;
}

Client::Document Client::manifest(const oci::Reference& reference, size_t limit) {
  return at_places(session_->places(reference),
                   [&](const Place& place) { return read_manifest(place, reference, limit); });
}

Client::Head Client::look_at_manifest(const Place& place, const oci::Reference& reference) {
  Call call;
  call.method = "HEAD";
  call.path = "/manifests/" + name_of(reference);
  call.headers = accept_manifests;
  call.spares = true;
  const HttpResponse response = session_->call(place, call);
  const std::string type = served_type(response);
  const auto digest = said_digest(response);
  const auto size = base::parse_number(response.header("content-length"));
  if (response.status != 200 || !digest || !size || !type.starts_with("application/vnd."))
    return {response.status, std::nullopt};
  return {response.status, oci::Descriptor{type, *digest, *size, {}, {}}};
}

std::optional<oci::Descriptor> Client::find_manifest(const oci::Reference& reference) {
  const Place place = session_->origin(reference);
  Head head;
  try {
    head = look_at_manifest(place, reference);
  } catch (const ExchangeError&) {
    head.status = 0;  // some hang up at HEAD
  }
  if (head.status == 404) return std::nullopt;
  if (head.descriptor) {
    if (reference.digest && head.descriptor->digest != *reference.digest)
      fail("{}: the registry says that it has the digest {}", shown(reference),
           oci::to_string(head.descriptor->digest));
    return head.descriptor;
  }
  // HEAD is not known there, or tells too little: the manifest itself does.
  try {
    return read_manifest(place, reference, oci::max_json_size).descriptor;
  } catch (const Refused& refused) {
    if (refused.status() == 404) return std::nullopt;
    throw;
  }
}

oci::Descriptor Client::resolve(const oci::Reference& reference) {
  if (auto found = find_manifest(reference)) return std::move(*found);
  try {
    return read_manifest(session_->origin(reference), reference, oci::max_json_size).descriptor;
  } catch (const Refused& refused) {
    if (refused.status() == 404) fail("there is no such image");
    throw;
  }
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
    if (response.body.size() != blob.size || !oci::has_digest(response.body, blob.digest))
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
    session_->pause(failures + 1, retry_after, fmt::format("{}: {}", expected.what, why));
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

Client::TagList Client::tags(const oci::Reference& repository) {
  const std::string name = repository.host + "/" + repository.repository;
  const std::string what = "the tags of " + name;
  const Place place = session_->origin(repository);
  TagServer server;
  server.pages = [&] {
    std::vector<TagPage> pages;
    Call call;
    call.path = "/tags/list";
    Pages list(place, what, session_->network());
    do {
      const HttpResponse response = session_->call(place, call);
      if (response.status != 200) session_->refuse(place, response, name);
      pages.push_back({parse_tags(response.body, what), list.next(response, call)});
    } while (pages.back().goes_on);
    return pages;
  };
  server.part = [&](const std::string& last, size_t count) -> std::optional<TagPage> {
    const std::string after = last.empty() ? "" : "last=" + percent_encode(last);
    std::vector<std::string> queries = {fmt::format("n={}{}{}", count, after.empty() ? "" : "&", after)};
    if (!after.empty()) queries.push_back(after);  // one that wants a smaller number
    for (const std::string& query : queries) {
      Call call;
      call.path = "/tags/list?" + query;
      const HttpResponse response = session_->call(place, call);
      if (response.status == 200)
        return TagPage{parse_tags(response.body, what), !next_link(response.all_headers("link")).empty()};
    }
    return std::nullopt;
  };
  return whole_tag_list(server, name);
}

bool Client::put_manifest(const oci::Reference& repository, const std::string& name,
                          const std::string& media_type, const std::string& bytes) {
  const Place place = session_->origin(repository);
  const std::string what =
      fmt::format("{}/{}{}{}", repository.host, repository.repository, is_digest(name) ? "@" : ":", name);
  Call call;
  call.method = "PUT";
  call.path = "/manifests/" + name;
  call.headers = {"Content-Type: " + media_type};
  call.body = bytes;
  call.access = Access::push;
  const HttpResponse response = session_->call(place, call);
  if (!response.is_done()) session_->refuse(place, response, what);
  const auto said = said_digest(response);
  if (said && !oci::has_digest(bytes, *said))
    fail("{}: the registry stored it as {}, want {}", what, oci::to_string(*said),
         oci::to_string(oci::digest_of(bytes)));
  return !response.header("oci-subject").empty();
}

Client::Deletion Client::delete_manifest(const oci::Reference& repository, const std::string& name) {
  const bool by_digest = is_digest(name);
  const std::string what = fmt::format("cannot delete {}/{}{}{}", repository.host, repository.repository,
                                       by_digest ? "@" : ":", name);
  const Place place = session_->origin(repository);
  Call call;
  call.method = "DELETE";
  call.path = "/manifests/" + name;
  call.access = Access::remove;
  const HttpResponse response = session_->call(place, call);
  if (response.is_done()) return Deletion::done;
  if (response.status == 404) return Deletion::missing;
  if (response.status == 405 || response.status == 501 || (response.status == 400 && !by_digest))
    return Deletion::unsupported;
  session_->refuse(place, response, what);
}

}  // namespace minibuild::registry
