// HTTP exchanges, many at once over shared connections. No redirect is followed here, nothing is retried.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/registry/network.h"

namespace minibuild::registry {

/// The parts of an absolute http or https URL.
struct Url {
  std::string scheme;
  std::string host;  // lower case
  std::string port;  // always filled
  std::string text;  // the whole, without a fragment
  /// True if credentials for one may be sent to the other.
  bool same_origin(const Url& other) const;
};
/// `text`, which may be relative to `base` (RFC 3986, section 5). Throws Error for anything else than http
/// and https, and for a URL with a user or password in it.
Url parse_url(const std::string& text, const Url* base = nullptr);

struct HttpRequest {
  std::string method = "GET";
  Url url;
  std::vector<std::string> headers;  // `Name: value`
  std::string authorization;         // value of that header, or empty
  std::string body;                  // sent if not empty, or with `sends_body`
  bool sends_body = false;
  int body_fd = -1;  // the body is `body_size` bytes at `body_offset` of this file
  uint64_t body_offset = 0;
  uint64_t body_size = 0;
  size_t limit = size_t{4} << 20;  // of a body that is kept in memory
  /// Gets the body of an answer with a status from 200 to 299, instead of `HttpResponse::body`. False ends
  /// the exchange. Called by another thread than the caller's.
  std::function<bool(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                     std::string_view bytes)>
      sink;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  Url from;             // who answered
  int retry_after = 0;  // seconds that the answer asks to wait, given as number or date; 0 if it does not
  /// The first header of that name (lower case), or nothing.
  std::string header(std::string_view name) const;
  /// All headers of that name.
  std::vector<std::string> all_headers(std::string_view name) const;
  /// True for any 2xx: what was asked for is done, whichever of them the specification wants.
  bool is_done() const { return status >= 200 && status < 300; }
};

/// An exchange that did not come to an answer.
class ExchangeError : public base::Error {
 public:
  ExchangeError(const std::string& message, bool retry) : Error(base::Code::failed, message), retry_(retry) {}
  /// True if the same might work a moment later.
  bool worth_a_retry() const { return retry_; }

 private:
  bool retry_;
};

/// A thread that runs all exchanges with libcurl's multi interface. `perform` may be called by many threads.
class Http {
 public:
  explicit Http(const Network& network);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;
  Http(Http&&) = delete;
  Http& operator=(Http&&) = delete;

  /// Runs one exchange to its end. Throws ExchangeError for a failed connection, a time-out, an answer above
  /// its limit; Interrupted when cancelled.
  HttpResponse perform(const HttpRequest& request);

 private:
  struct Exchange;
  void run(const std::stop_token& stop);
  static size_t on_header(const char* data, size_t size, size_t count, void* exchange);
  static size_t on_body(const char* data, size_t size, size_t count, void* exchange);
  static size_t on_read(char* data, size_t size, size_t count, void* exchange);
  void configure(Exchange& exchange);

  const Network& network_;
  void* multi_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::list<Exchange*> waiting_;
  std::jthread thread_;
};

}  // namespace minibuild::registry
