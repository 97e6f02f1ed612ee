#include "builder/registry/http.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>

#include "builder/registry/curl.h"
#include "builder/registry/headers.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr size_t max_headers = size_t{256} << 10;
constexpr size_t max_url = 16384;
constexpr int max_interim =
    20;  // answers such as 100 Continue and 103 Early Hints before the one that counts

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string out = text;
  curl().free(text);
  return out;
}

// libcurl adds its --cacert to nothing: a private CA comes on top of the system's, as with curl's own peers.
std::string bundle_with(const std::string& ca_file) {
  std::string all = base::read_file(ca_file, size_t{16} << 20);
  if (all.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
    fail("cannot use {}: it holds no certificate in PEM form", ca_file);
  for (const char* system :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
    if (base::exists(system)) {
      all += "\n" + base::read_file(system, size_t{16} << 20);
      break;
    }
  return all;
}

}  // namespace

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

Url parse_url(const std::string& text, const Url* base) {
  const Curl& api = curl();
  const std::unique_ptr<CURLU, void (*)(CURLU*)> url(api.url(), api.url_cleanup);
  if (text.size() >= max_url)
    fail("'{}…' is no URL that is followed: it has {} bytes, want fewer than {}",
         base::printable(std::string_view(text).substr(0, 100)), text.size(), max_url);
  const bool fits =
      text.find_first_of(std::string_view("\0\r\n ", 4)) == std::string::npos &&
      (base == nullptr || api.url_set(url.get(), CURLUPART_URL, base->text.c_str(), 0) == CURLUE_OK) &&
      api.url_set(url.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
  if (!fits) fail("'{}' is not a URL", base::printable(std::string_view(text).substr(0, 300)));
  Url out;
  out.scheme = base::lower_case(part_of(url.get(), CURLUPART_SCHEME));
  if (out.scheme != "http" && out.scheme != "https")
    fail("'{}' is not a URL with http or https", base::printable(std::string_view(text).substr(0, 300)));
  if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_PASSWORD).empty())
    fail("the URL for {} has a user or a password in it; that is refused",
         base::printable(part_of(url.get(), CURLUPART_HOST)));
  out.host = base::lower_case(part_of(url.get(), CURLUPART_HOST));
  out.port = part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  api.url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  out.text = part_of(url.get(), CURLUPART_URL);
  return out;
}

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::vector<std::string> HttpResponse::all_headers(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : headers)
    if (key == name) values.push_back(value);
  return values;
}

struct Http::Exchange {
  const HttpRequest* request = nullptr;
  HttpResponse response;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  uint64_t sent = 0;
  size_t header_bytes = 0;
  bool too_large = false;
  int answers = 0;  // interim ones, and the one that counts
  bool too_slow = false;
  std::chrono::steady_clock::time_point since{};  // when the present stretch began; zero: not yet
  uint64_t moved_before = 0;                      // bytes until then
  bool refused = false;                           // by the sink
  bool done = false;
  std::exception_ptr thrown;
  CURLcode result = CURLE_OK;
  char text[CURL_ERROR_SIZE] = {};

  // True if nothing is left to hope for: in a whole stretch less came or went than the floor wants.
  bool crawls(std::chrono::steady_clock::time_point now, const Network& network) {
    curl_off_t started = 0;
    curl().easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &started);
    if (started == 0) return false;  // it waits for a connection, whose time is limited by itself
    const std::chrono::seconds stretch = 2 * std::chrono::seconds(network.patience);
    if (since != std::chrono::steady_clock::time_point{} && now - since < stretch) return false;
    curl_off_t down = 0;
    curl_off_t up = 0;
    curl().easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl().easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    const auto moved = static_cast<uint64_t>(down) + static_cast<uint64_t>(up);
    const auto least = static_cast<uint64_t>(network.floor) * static_cast<uint64_t>(stretch.count());
    too_slow = since != std::chrono::steady_clock::time_point{} && moved - moved_before < least;
    since = now;
    moved_before = moved;
    return too_slow;
  }

  ~Exchange() {
    if (easy != nullptr) curl().easy_cleanup(easy);
    if (headers != nullptr) curl().slist_free_all(headers);
  }
};

Http::Http(const Network& network) : network_(network), multi_(curl().multi_init()) {
  curl().multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(std::max(1, network.parallel)));
  curl().multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Http::~Http() {
  thread_.request_stop();
  curl().multi_wakeup(multi_);
  thread_.join();
  curl().multi_cleanup(multi_);
}

size_t Http::on_header(const char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<Exchange*>(exchange);
  const std::string_view line = base::trim({data, size * count});
  self.header_bytes += size * count;
  if (self.header_bytes > max_headers) {
    self.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    if (++self.answers > max_interim) return 0;
    self.response.headers.clear();  // what came before belongs to an interim answer
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    self.response.headers.emplace_back(base::lower_case(line.substr(0, colon)),
                                       base::trim(line.substr(colon + 1)));
  }
  return size * count;
}

size_t Http::on_body(const char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<Exchange*>(exchange);
  const std::string_view bytes(data, size * count);
  long status = 0;
  curl().easy_getinfo(self.easy, CURLINFO_RESPONSE_CODE, &status);
  if (self.request->sink && status >= 200 && status < 300) {
    try {
      if (self.request->sink(static_cast<int>(status), self.response.headers, bytes)) return bytes.size();
      self.refused = true;
    } catch (...) {
      self.thrown = std::current_exception();
    }
    return 0;
  }
  if (self.response.body.size() + bytes.size() > self.request->limit) {
    self.too_large = true;
    return 0;
  }
  self.response.body += bytes;
  return bytes.size();
}

size_t Http::on_read(char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<Exchange*>(exchange);
  const HttpRequest& request = *self.request;
  const uint64_t total = request.body_fd >= 0 ? request.body_size : request.body.size();
  const auto n = static_cast<size_t>(std::min<uint64_t>(size * count, total - self.sent));
  if (request.body_fd >= 0) {
    try {
      base::read_at(request.body_fd, {data, n}, request.body_offset + self.sent, "a blob");
    } catch (...) {
      self.thrown = std::current_exception();
      return CURL_READFUNC_ABORT;
    }
  } else {
    std::copy_n(request.body.data() + self.sent, n, data);
  }
  self.sent += n;
  return n;
}

void Http::configure(Exchange& exchange) {
  const Curl& api = curl();
  const HttpRequest& request = *exchange.request;
  CURL* easy = exchange.easy = api.easy_init();
  if (easy == nullptr) fail("cannot start a transfer");
  const auto set = [&](CURLoption option, auto value) { api.easy_setopt(easy, option, value); };
  set(CURLOPT_PRIVATE, &exchange);
  set(CURLOPT_ERRORBUFFER, exchange.text);
  set(CURLOPT_URL, request.url.text.c_str());
  set(CURLOPT_PROTOCOLS_STR, request.url.scheme.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(std::min(network_.patience, 20)));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(network_.patience));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  set(CURLOPT_QUICK_EXIT, 1L);  // a name server that does not answer is not waited for when all is given up
#endif
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  set(CURLOPT_HEADERFUNCTION, &Http::on_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &Http::on_body);
  set(CURLOPT_WRITEDATA, &exchange);
  if (!network_.client_certificate.empty()) set(CURLOPT_SSLCERT, network_.client_certificate.c_str());
  if (!network_.client_key.empty()) set(CURLOPT_SSLKEY, network_.client_key.c_str());
  if (!network_.ca_file.empty()) {
    const std::string bundle = bundle_with(network_.ca_file);
    curl_blob blob{const_cast<char*>(bundle.data()), bundle.size(), CURL_BLOB_COPY};
    set(CURLOPT_CAINFO_BLOB, &blob);
  }
  const auto header = [&](const std::string& line) {
    exchange.headers = api.slist_append(exchange.headers, line.c_str());
  };
  for (const std::string& line : request.headers) header(line);
  if (!request.authorization.empty()) header("Authorization: " + request.authorization);
  header("Expect:");
  const bool sends = request.sends_body || request.body_fd >= 0 || !request.body.empty();
  if (sends) {
    const uint64_t size = request.body_fd >= 0 ? request.body_size : request.body.size();
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &Http::on_read);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  }
  if (request.method == "HEAD")
    set(CURLOPT_NOBODY, 1L);
  else
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_USERAGENT, "minibuild");
  set(CURLOPT_HTTPHEADER, exchange.headers);
}

HttpResponse Http::perform(const HttpRequest& request) {
  Exchange exchange;
  exchange.request = &request;
  configure(exchange);
  {
    std::unique_lock lock(mutex_);
    waiting_.push_back(&exchange);
    curl().multi_wakeup(multi_);
    done_.wait(lock, [&] { return exchange.done; });
  }
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  if (network_.cancelled != nullptr && *network_.cancelled) throw base::Interrupted();
  const std::string place = request.url.host + ":" + request.url.port;
  if (exchange.answers > max_interim)
    throw ExchangeError(fmt::format("{} sent {} interim answers, such as 100 Continue, and none that counts",
                                    place, max_interim),
                        false);
  if (exchange.header_bytes > max_headers || exchange.result == CURLE_OUT_OF_MEMORY)
    throw ExchangeError(
        fmt::format("{} answered with more headers than are read (256 KiB, 100 KiB in a line)", place),
        false);
  if (exchange.too_large)
    throw ExchangeError(fmt::format("{} answered with more than {}", place, base::human_size(request.limit)),
                        false);
  if (exchange.too_slow)
    throw ExchangeError(
        fmt::format("{} is too slow: fewer than {} bytes a second came for {} s (--network-timeout {} waits "
                    "longer)",
                    place, network_.floor, 2 * network_.patience, 4 * network_.patience),
        false);
  if (exchange.refused)
    throw ExchangeError(fmt::format("the answer of {} was not what was asked for", place), true);
  if (exchange.result != CURLE_OK) {
    const std::string why = exchange.text[0] != '\0' ? exchange.text : curl().easy_strerror(exchange.result);
    const int status = exchange.response.status;
    switch (exchange.result) {
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
        throw ExchangeError(fmt::format("{}: {}", place, why), false);
      case CURLE_SSL_CONNECT_ERROR:
        throw ExchangeError(
            fmt::format("{}: {}; if it speaks plain HTTP, add --plain-http {}", place, why, place), false);
      case CURLE_OPERATION_TIMEDOUT:
        if (status / 100 == 1)
          throw ExchangeError(fmt::format("{} sent nothing but an interim answer ({}) for {} s", place,
                                          status, network_.patience),
                              false);
        throw ExchangeError(fmt::format("{}: no byte came for {} s", place, network_.patience), true);
      default:
        throw ExchangeError(fmt::format("{}: {}", place, why), true);
    }
  }
  return std::move(exchange.response);
}

void Http::run(const std::stop_token& stop) {
  const Curl& api = curl();
  std::list<Exchange*> running;
  const auto finish = [&](Exchange* exchange, CURLcode result) {
    api.multi_remove_handle(multi_, exchange->easy);
    running.remove(exchange);
    long status = 0;
    api.easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t wait = 0;
    api.easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &wait);
    const std::lock_guard lock(mutex_);
    exchange->response.retry_after = static_cast<int>(std::clamp<curl_off_t>(wait, 0, 86400));
    exchange->response.status = static_cast<int>(status);
    exchange->result = result;
    exchange->done = true;
    done_.notify_all();
  };
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(mutex_);
      for (Exchange* exchange : waiting_) {
        api.multi_add_handle(multi_, exchange->easy);
        running.push_back(exchange);
      }
      waiting_.clear();
    }
    if (network_.cancelled != nullptr && *network_.cancelled)
      while (!running.empty()) finish(running.front(), CURLE_ABORTED_BY_CALLBACK);
    int active = 0;
    api.multi_perform(multi_, &active);
    int left = 0;
    while (const CURLMsg* message = api.multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Exchange* exchange = nullptr;
      api.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
      finish(exchange, message->data.result);
    }
    const auto now = std::chrono::steady_clock::now();
    std::vector<Exchange*> crawling;
    for (Exchange* exchange : running)
      if (exchange->crawls(now, network_)) crawling.push_back(exchange);
    for (Exchange* exchange : crawling) finish(exchange, CURLE_ABORTED_BY_CALLBACK);
    api.multi_poll(multi_, nullptr, 0, 100, nullptr);
  }
}

}  // namespace minibuild::registry
