// How blobs get into a registry (distribution-spec, "Pushing Blobs").
#include <algorithm>

#include "builder/registry/credential_rule.h"
#include "builder/registry/progress.h"
#include "builder/registry/session.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/registry/client.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr uint64_t usual_piece = uint64_t{64} << 20;
constexpr uint64_t least_piece = uint64_t{256} << 10;  // of those that are made smaller for a registry
constexpr int enough_lags = 2;                         // answers that pieces are taken, and did not arrive

// Runs what only spares work: whatever goes wrong, the work is done instead.
template <typename Task>
bool spared(Task task) {
  try {
    return task();
  } catch (const base::Error&) {
    return false;
  }
}

// One upload, from start to end.
class Upload {
 public:
  Upload(const Place& place, const oci::Reference& repository, const oci::Descriptor& blob)
      : place_(place),
        blob_(blob),
        what_(fmt::format("{}/{}@{}", repository.host, repository.repository, oci::to_string(blob.digest))) {}

  const std::string& what() const { return what_; }
  uint64_t piece_size(uint64_t offset) const { return std::min(piece_, blob_.size - offset); }

  Call start() const {
    Call call = push("POST", "/blobs/uploads/");
    // Who hashes while it arrives has to know how (distribution-spec, end-4c).
    const std::string_view algorithm = oci::algorithm_of(blob_.digest);
    if (algorithm != "sha256") call.path += fmt::format("?digest-algorithm={}", algorithm);
    call.sends_body = true;
    return call;
  }
  Call whole(int fd, const std::string& bytes) const {
    Call call = push("PUT", closing());
    call.headers = {"Content-Type: application/octet-stream"};
    call.sends_body = true;
    call.body = bytes;
    call.body_fd = fd;
    call.body_size = blob_.size;
    call.once = true;
    return call;
  }
  Call piece(int fd, const std::string& bytes, uint64_t offset) const {
    const uint64_t size = piece_size(offset);
    Call call = push("PATCH", location_);
    call.headers = {"Content-Type: application/octet-stream",
                    fmt::format("Content-Range: {}-{}", offset, offset + size - 1)};
    call.body_fd = fd;
    call.body_offset = offset;
    call.body_size = size;
    if (fd < 0) call.body = bytes.substr(offset, size);
    call.once = true;
    return call;
  }
  Call end() const {
    Call call = push("PUT", closing());
    call.sends_body = true;
    return call;
  }
  Call ask() const {
    Call call = push("GET", location_);
    call.once = true;
    return call;
  }

  void started(const HttpResponse& response) {
    location_.clear();
    moved(response);
    if (location_.empty()) fail("{}: the registry names no place for the upload", what_);
    least_ = base::parse_number(response.header("oci-chunk-min-length")).value_or(0);
    piece_ = std::max(most_, least_);
  }
  // After a refusal of what was too much at once: false if it cannot be less.
  bool shrink() {
    const uint64_t refused = std::min(piece_, blob_.size);
    most_ = std::max(refused / 4, least_piece);
    return most_ < refused && most_ >= least_;
  }
  // It goes on where the answer says; if it says nothing, where it was.
  void moved(const HttpResponse& response) {
    const std::string text = response.header("location");
    if (text.empty()) return;
    const Url url = parse_url(text, &response.from);
    if (place_.base.scheme == "https" && url.scheme != "https")
      fail("{}: refused to upload over plain http to {}", what_, base::printable(url.host));
    location_ = url.text;
  }

 private:
  static Call push(const std::string& method, const std::string& path) {
    Call call;
    call.method = method;
    call.path = path;
    call.access = Access::push;
    return call;
  }
  std::string closing() const {
    return location_ + (location_.find('?') == std::string::npos ? "?" : "&") +
           "digest=" + percent_encode(oci::to_string(blob_.digest));
  }

  const Place& place_;
  const oci::Descriptor& blob_;
  std::string what_;
  std::string location_;
  uint64_t most_ = usual_piece;
  uint64_t least_ = 0;
  uint64_t piece_ = usual_piece;
};

// `0-N` of a Range header: how many bytes have arrived; nothing if it says none, or more than were `sent`.
std::optional<uint64_t> arrived(const HttpResponse& response, uint64_t sent) {
  std::string range = response.header("range");
  if (range.starts_with("bytes=") || range.starts_with("bytes ")) range.erase(0, 6);
  const size_t dash = range.find('-');
  if (dash == std::string::npos || range.substr(0, dash) != "0") return std::nullopt;
  const auto last = base::parse_number(std::string_view(range).substr(dash + 1));
  if (!last || *last >= sent) return std::nullopt;
  // docker-registry says 0-0 for nothing and for one byte; one byte is sent again.
  return *last == 0 ? 0 : *last + 1;
}

// Whether a refusal is about how it was sent, and not about who sent it or how much.
bool is_about_pieces(int status) {
  if (status == 501) return true;
  return status >= 400 && status < 500 && status != 401 && status != 403 && status != 413 && status != 429;
}

}  // namespace

bool Client::has_blob(const oci::Reference& repository, const oci::Digest& digest) {
  Call call;
  call.method = "HEAD";
  call.path = "/blobs/" + oci::to_string(digest);
  call.access = Access::push;  // asked before a push: one token for both
  call.spares = true;
  return spared([&] { return session_->call(session_->origin(repository), call).status == 200; });
}

bool Client::has_manifest(const oci::Reference& reference, const oci::Digest& digest) {
  return spared([&] {
    const Place place = session_->origin(reference);
    const Head head = look_at_manifest(place, reference);
    if (head.status != 200) return false;
    // An old registry: only the bytes tell.
    if (!head.descriptor)
      return read_manifest(place, reference, oci::max_json_size).descriptor.digest == digest;
    return head.descriptor->digest == digest;
  });
}

bool Client::mount_blob(const oci::Reference& repository, const oci::Digest& digest,
                        const std::string& from) {
  const Place place = session_->origin(repository);
  Call call;
  call.method = "POST";
  call.sends_body = true;
  call.access = Access::push;
  call.also_pull = from;
  call.spares = true;
  call.path = fmt::format("/blobs/uploads/?mount={}&from={}", percent_encode(oci::to_string(digest)),
                          percent_encode(from));
  HttpResponse response;
  if (!spared([&] {
        response = session_->call(place, call);
        return response.is_done();
      }))
    return false;
  if (response.status == 201) return true;
  // It would rather have an upload; that one is given up.
  spared([&] {
    const std::string location = response.header("location");
    if (location.empty()) return false;
    const Url url = parse_url(location, &response.from);
    if (!url.same_origin(place.base)) return false;
    Call cancel;
    cancel.method = "DELETE";
    cancel.access = Access::push;
    cancel.also_pull = from;
    cancel.once = true;
    cancel.path = url.text;
    session_->call(place, cancel);
    return true;
  });
  return false;
}

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
  Upload upload(place, repository, blob);
  bool in_pieces = fd >= 0 && blob.size > usual_piece;
  for (int attempt = 1;; ++attempt) {
    std::string why;
    int retry_after = 0;
    try {
      // Perhaps only the last answer was lost.
      if (attempt > 1 && has_blob(repository, blob.digest)) return;
      HttpResponse response = session_->call(place, upload.start());
      if (!response.is_done()) session_->refuse(place, response, upload.what());
      upload.started(response);
      if (!in_pieces) {
        response = session_->call(place, upload.whole(fd, bytes));
      } else {
        uint64_t done = 0;
        int failures = 0;
        bool lags = false;
        Progress progress;
        while (done < blob.size) {
          const uint64_t sent = upload.piece_size(done);
          lags = false;
          try {
            response = session_->call(place, upload.piece(fd, bytes, done));
            if (response.is_done()) {
              lags = true;
              done = arrived(response, done + sent).value_or(done + sent);
              upload.moved(response);
              if (done == blob.size) continue;
              if (progress.reached(done, sent)) {
                failures = 0;
                continue;
              }
            } else if ((response.status < 500 || response.status == 501) && response.status != 416 &&
                       response.status != 429) {
              break;
            }
          } catch (const ExchangeError& error) {
            if (!error.worth_a_retry()) throw;
          }
          if (++failures >= (lags ? enough_lags : session_->network().attempts)) {
            if (lags) break;
            fail("{}: the upload stopped at {} of {} bytes", upload.what(), done, blob.size);
          }
          session_->pause(failures + 1, response.retry_after, upload.what());
          response = session_->call(place, upload.ask());
          if (!response.is_done()) break;
          done = arrived(response, blob.size).value_or(0);
          upload.moved(response);
        }
        if (done == blob.size)
          response = session_->call(place, upload.end());
        else if (lags)
          response.status = 416;  // it takes pieces, and says again and again that they are not there
      }
      if (response.is_done()) return;
      // Some know no pieces, or take the last one for the end: they have it, or get it in one. Others forgot
      // the upload: those get it in pieces once more.
      const bool forgot = response.status == 404 && attempt == 1;
      if (in_pieces && !forgot && is_about_pieces(response.status)) {
        if (has_blob(repository, blob.digest)) return;
        in_pieces = false;
        continue;
      }
      // What is before a registry often takes a megabyte at once.
      if (response.status == 413 && upload.shrink()) {
        in_pieces = true;
        continue;
      }
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
    session_->pause(attempt + 1, retry_after, fmt::format("cannot upload {}: {}", upload.what(), why));
  }
}

}  // namespace minibuild::registry
