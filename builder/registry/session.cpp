#include "builder/registry/session.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "builder/registry/credential_rule.h"
#include "builder/registry/scopes.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr int max_redirects = 5;
constexpr int enough_to_spare_work = 2;  // attempts

bool is_passing(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

// Whether a request goes to the place that its answer names. Only 307 and 308 say that a body is to be sent
// there as well (RFC 9110, section 15.4).
bool is_redirected(const std::string& method, int status) {
  if (status == 307 || status == 308) return true;
  const bool reads = method == "GET" || method == "HEAD";
  return reads && (status == 301 || status == 302 || status == 303);
}

// The first error of `{"errors": [{"code": …, "message": …}]}` (distribution-spec, "Error codes").
std::string error_text(const HttpResponse& response) {
  try {
    const oci::Json json = oci::parse_json(response.body, "an answer");
    if (json.is_object() && json.contains("errors") && json["errors"].is_array())
      for (const oci::Json& error : json["errors"]) {
        if (!error.is_object()) continue;
        std::string text;
        for (const char* name : {"code", "message"})
          if (error.contains(name) && error[name].is_string())
            text += (text.empty() ? "" : ": ") + error[name].get<std::string>();
        if (!text.empty()) return base::printable(std::string_view(text).substr(0, 300));
      }
  } catch (const base::Error&) {
    return {};  // a page for people
  }
  return {};
}

// The code alone, such as BLOB_UNKNOWN.
std::string error_code(const HttpResponse& response) {
  const std::string text = error_text(response);
  return text.substr(0, text.find(':'));
}

std::string status_text(int status) {
  static const std::map<int, const char*> names = {{200, "OK"},
                                                   {201, "Created"},
                                                   {202, "Accepted"},
                                                   {204, "No Content"},
                                                   {206, "Partial Content"},
                                                   {301, "Moved Permanently"},
                                                   {302, "Found"},
                                                   {303, "See Other"},
                                                   {304, "Not Modified"},
                                                   {307, "Temporary Redirect"},
                                                   {308, "Permanent Redirect"},
                                                   {400, "Bad Request"},
                                                   {401, "Unauthorized"},
                                                   {403, "Forbidden"},
                                                   {404, "Not Found"},
                                                   {405, "Method Not Allowed"},
                                                   {406, "Not Acceptable"},
                                                   {408, "Request Timeout"},
                                                   {409, "Conflict"},
                                                   {411, "Length Required"},
                                                   {413, "Content Too Large"},
                                                   {415, "Unsupported Media Type"},
                                                   {416, "Range Not Satisfiable"},
                                                   {429, "Too Many Requests"},
                                                   {500, "Internal Server Error"},
                                                   {501, "Not Implemented"},
                                                   {502, "Bad Gateway"},
                                                   {503, "Service Unavailable"},
                                                   {504, "Gateway Timeout"}};
  const auto it = names.find(status);
  return it == names.end() ? fmt::format("status {}", status) : fmt::format("{} {}", status, it->second);
}

std::string api_host(const std::string& host) { return host == "docker.io" ? "registry-1.docker.io" : host; }

std::string full_repository(const oci::Reference& reference) {
  const bool short_hub_name =
      reference.host == "docker.io" && reference.repository.find('/') == std::string::npos;
  return short_hub_name ? "library/" + reference.repository : reference.repository;
}

std::string_view without_scheme(std::string_view url) {
  const size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? url : url.substr(scheme + 3);
}

}  // namespace

std::string describe(const Credential& credential) {
  if (credential.empty()) return {};
  return fmt::format(
      "{} from {}", credential.user.empty() ? "the token" : "user '" + base::printable(credential.user) + "'",
      credential.source);
}

Client::Session::Session(Network network, CredentialFiles credentials)
    : network_(std::move(network)), files_(std::move(credentials)), http_(network_) {}

Place Client::Session::origin(const oci::Reference& reference) const {
  const std::string scheme = is_plain(network_, reference.host) ? "http://" : "https://";
  return {reference.host, full_repository(reference), parse_url(scheme + api_host(reference.host) + "/")};
}

std::vector<Client::Session::Substitute> Client::Session::mirrors_of(const std::string& whole) const {
  std::vector<Substitute> found;
  for (const auto& [prefix, url] : network_.mirrors) {
    const std::string bare_prefix(without_scheme(prefix));
    if (whole != bare_prefix && !whole.starts_with(bare_prefix + "/")) continue;
    const bool has_scheme = url.find("://") != std::string::npos;
    const std::string_view bare = without_scheme(url);
    const size_t slash = std::min(bare.find('/'), bare.size());
    Substitute mirror;
    mirror.host = bare.substr(0, slash);
    mirror.path = bare.substr(std::min(slash + 1, bare.size()));
    while (mirror.path.ends_with('/')) mirror.path.pop_back();
    // What is left of the name below the prefix goes below the mirror's own path.
    const std::string rest = whole.substr(std::min(bare_prefix.size() + 1, whole.size()));
    mirror.path += (mirror.path.empty() || rest.empty() ? "" : "/") + rest;
    mirror.scheme = has_scheme                        ? url.substr(0, url.find("://") + 3)
                    : is_plain(network_, mirror.host) ? "http://"
                                                      : "https://";
    found.push_back(std::move(mirror));
  }
  return found;
}

std::vector<Place> Client::Session::places(const oci::Reference& reference) const {
  std::vector<Place> found;
  for (const Substitute& mirror : mirrors_of(reference.host + "/" + full_repository(reference)))
    found.push_back({mirror.host, mirror.path, parse_url(mirror.scheme + mirror.host + "/")});
  found.push_back(origin(reference));
  return found;
}

std::vector<Place> Client::Session::places(const std::string& url) const {
  std::vector<Place> found;
  for (const Substitute& mirror : mirrors_of(std::string(without_scheme(url)))) {
    const Url there = parse_url(mirror.scheme + mirror.host + "/" + mirror.path);
    found.push_back({authority(there), "", there, true});
  }
  const Url there = parse_url(url);
  found.push_back({authority(there), "", there, true});
  return found;
}

void Client::Session::pause(int attempt, int retry_after, const std::string& what) const {
  if (retry_after > network_.patience)
    throw Refused(
        fmt::format("{}; it wants to be asked again after {} s, want at most {} s (--network-timeout)", what,
                    retry_after, network_.patience),
        503, "");
  double seconds = network_.backoff * std::pow(2.0, std::max(0, attempt - 2));
  seconds =
      std::min(std::max(seconds, static_cast<double>(retry_after)), static_cast<double>(network_.patience));
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    if (network_.cancelled != nullptr && *network_.cancelled) throw base::Interrupted();
    ::usleep(20'000);
  }
}

HttpResponse Client::Session::call(const Place& place, const Call& call) {
  const int attempts = call.once     ? 1
                       : call.spares ? std::min(network_.attempts, enough_to_spare_work)
                                     : network_.attempts;
  for (int attempt = 1;; ++attempt) {
    int retry_after = 0;
    std::string what;
    try {
      HttpResponse response = authorized(place, call);
      if (!is_passing(response.status) || call.once) return response;
      // Nobody waits for what only spares work.
      if (call.spares && (attempt >= attempts || response.retry_after > 0)) return response;
      if (attempt >= attempts)
        throw Refused(fmt::format("{}: {}, {} times{}", place.host, status_text(response.status), attempt,
                                  error_text(response).empty() ? "" : " (" + error_text(response) + ")"),
                      response.status, error_code(response));
      retry_after = response.retry_after;
      what = fmt::format("{}: {}", place.host, status_text(response.status));
    } catch (const ExchangeError& error) {
      if (!error.worth_a_retry() || call.once) throw;
      if (attempt >= attempts) throw ExchangeError(fmt::format("{}, {} times", error.what(), attempt), false);
    }
    pause(attempt + 1, retry_after, what);
  }
}

std::string Client::Session::scope_of(const Place& place, const Call& call) const {
  const std::string_view actions = call.access == Access::remove ? "pull,push,delete"
                                   : call.access == Access::push ? "pull,push"
                                                                 : "pull";
  std::string scope = fmt::format("repository:{}:{}", place.repository, actions);
  if (!call.also_pull.empty()) scope += fmt::format(" repository:{}:pull", call.also_pull);
  return scope;
}

HttpResponse Client::Session::authorized(const Place& place, const Call& call) {
  const std::string scope = scope_of(place, call);
  const std::string key = place.base.text + " " + scope;
  Authorization authorization;
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = authorizations_.find(key); it != authorizations_.end()) authorization = it->second;
  }
  HttpResponse response = follow(place, call, authorization);
  if (response.status != 401) return response;
  authorization = authorize(place, scope, response);
  if (authorization.value.empty()) return response;
  {
    const std::lock_guard lock(mutex_);
    authorizations_[key] = authorization;
  }
  return follow(place, call, authorization);
}

HttpResponse Client::Session::follow(const Place& place, const Call& call,
                                     const Authorization& authorization) {
  HttpRequest request;
  request.method = call.method;
  request.headers = call.headers;
  request.body = call.body;
  request.sends_body = call.sends_body;
  request.body_fd = call.body_fd;
  request.body_offset = call.body_offset;
  request.body_size = call.body_size;
  request.limit = call.limit;
  request.sink = call.sink;
  request.url = call.path.find("://") != std::string::npos
                    ? parse_url(call.path)
                    : parse_url("/v2/" + place.repository + call.path, &place.base);
  for (int hop = 0;; ++hop) {
    // Credentials are for the registry itself, whoever an answer points to.
    const bool may = authorization.secret
                         ? why_withheld(place, place.base, request.url, Errand::request, network_).empty()
                         : request.url.same_origin(place.base);
    request.authorization = may ? authorization.value : "";
    HttpResponse response = http_.perform(request);
    response.from = request.url;
    if (!is_redirected(call.method, response.status)) return response;
    const std::string location = response.header("location");
    if (location.empty())
      throw Refused(fmt::format("{}: {} without saying where to (Location)", authority(request.url),
                                status_text(response.status)),
                    response.status, "");
    if (hop == max_redirects) fail("{}: more than {} redirects", place.host, max_redirects);
    const Url next = parse_url(location, &request.url);
    if (request.url.scheme == "https" && next.scheme != "https")
      fail("{}: refused to follow a redirect from https to plain http ({})", place.host,
           base::printable(next.host));
    request.url = next;
  }
}

Credential Client::Session::credential(const Place& place) {
  if (!why_withheld(place, place.base, place.base, Errand::request, network_).empty()) return {};
  const std::string key = place.host + "/" + place.repository;
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = credentials_.find(key); it != credentials_.end()) return it->second;
  }
  const Credential found =
      files_.find(place.host, place.repository, network_.cancelled, 2 * network_.patience);
  const std::lock_guard lock(mutex_);
  credentials_[key] = found;
  return found;
}

Client::Session::Authorization Client::Session::authorize(const Place& place, const std::string& scope,
                                                          const HttpResponse& response) {
  if (!response.from.same_origin(place.base)) return {};
  const Credential who = credential(place);
  std::vector<Challenge> challenges;
  for (const auto& [name, value] : response.headers)
    if (name == "www-authenticate") {
      const std::vector<Challenge> more = parse_challenges(value);
      challenges.insert(challenges.end(), more.begin(), more.end());
    }
  // Each that can be met, until one is; why the first could not be is told.
  std::exception_ptr why;
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme == "basic" && !who.user.empty())
      return {"Basic " + base::base64(who.user + ":" + who.password), true};
    if (challenge.scheme != "bearer") continue;
    if (!who.registry_token.empty()) return {"Bearer " + who.registry_token, true};
    try {
      return {"Bearer " + fetch_token(place, challenge, scope, response, who), !who.empty()};
    } catch (const base::Error& error) {
      if (!why) why = std::current_exception();
    }
  }
  if (why) std::rethrow_exception(why);
  return {};
}

// Asks until the server answers with something that does not pass; within its own origin it may say where to
// ask.
HttpResponse Client::Session::ask_for_token(HttpRequest request) {
  int hops = 0;
  for (int attempt = 1;;) {
    HttpResponse response = http_.perform(request);
    const std::string location = response.header("location");
    if (is_redirected(request.method, response.status) && !location.empty() && hops++ < max_redirects) {
      const Url next = parse_url(location, &request.url);
      if (!next.same_origin(request.url)) return response;
      request.url = next;
      continue;
    }
    if (!is_passing(response.status) || attempt >= network_.attempts) return response;
    pause(++attempt, response.retry_after,
          fmt::format("{}: {}", authority(request.url), status_text(response.status)));
  }
}

// The token server's protocol: docker/distribution, "token authentication" and "oauth2".
std::string Client::Session::fetch_token(const Place& place, const Challenge& challenge,
                                         const std::string& scope, const HttpResponse& asked,
                                         const Credential& who) {
  const auto parameter = [&](const char* name) -> std::string {
    const auto it = challenge.parameters.find(name);
    return it == challenge.parameters.end() ? "" : it->second;
  };
  const std::string realm = parameter("realm");
  if (realm.empty()) fail("{}: its challenge for a token names no realm", place.host);
  const Url url = parse_url(realm, &asked.from);
  if (place.base.scheme == "https" && url.scheme != "https")
    fail("{}: refused to ask for a token over plain http at {}", place.host, base::printable(url.host));
  const std::string withheld = why_withheld(place, asked.from, url, Errand::token, network_);
  if (!withheld.empty() && (place.is_file || !who.empty()))
    fail("{}: refused to ask {} for a token: {}", place.host, base::printable(authority(url)), withheld);
  const std::string wanted = merged_scopes(scope, parameter("scope"));
  const auto fields_of = [](const std::vector<std::pair<const char*, std::string>>& values) {
    std::string fields;
    for (const auto& [name, value] : values)
      if (!value.empty())
        fields += fmt::format("{}{}={}", fields.empty() ? "" : "&", name, percent_encode(value));
    return fields;
  };
  HttpRequest by_get;
  by_get.limit = size_t{1} << 20;
  std::vector<std::pair<const char*, std::string>> values = {{"service", parameter("service")}};
  for (const std::string& one : base::split(wanted, ' ')) values.emplace_back("scope", one);
  by_get.url =
      parse_url(url.text + (url.text.find('?') == std::string::npos ? "?" : "&") + fields_of(values));
  if (!who.user.empty()) by_get.authorization = "Basic " + base::base64(who.user + ":" + who.password);
  HttpRequest by_post;
  by_post.limit = by_get.limit;
  by_post.method = "POST";
  by_post.headers = {"Content-Type: application/x-www-form-urlencoded"};
  by_post.url = url;
  values = {{"service", parameter("service")}, {"scope", wanted}, {"client_id", "minibuild"}};
  const bool refreshes = !who.identity_token.empty();
  values.emplace_back("grant_type", refreshes ? "refresh_token" : "password");
  values.emplace_back("refresh_token", who.identity_token);
  if (!refreshes) {
    values.emplace_back("username", who.user);
    values.emplace_back("password", who.password);
  }
  by_post.body = fields_of(values);
  // Servers have both ways, or one of them.
  HttpResponse response = ask_for_token(refreshes ? by_post : by_get);
  const bool other_way = response.status == 404 || response.status == 405;
  if (other_way && !who.user.empty()) response = ask_for_token(refreshes ? by_get : by_post);
  response.from = place.base;  // the refusal is about the place's credentials
  const std::string where = fmt::format("the token server {} of {}", base::printable(url.host), place.host);
  if (!response.is_done()) refuse(place, response, where);
  const oci::Json json = oci::parse_json(response.body, "the answer of " + where);
  for (const char* name : {"token", "access_token"})
    if (json.is_object() && json.contains(name) && json[name].is_string()) {
      std::string token(base::trim(json[name].get<std::string>()));
      const bool fine = !token.empty() &&
                        std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
      if (fine) return token;
    }
  fail("{} gave no token", where);
}

void Client::Session::refuse(const Place& place, const HttpResponse& response, const std::string& what) {
  std::string message = fmt::format("{}: {}", what, status_text(response.status));
  // An answer that is no refusal says nothing by its number alone.
  if (response.status < 400)
    message = fmt::format("{}: the registry answered with {}, which tells nothing here", what,
                          status_text(response.status));
  if (const std::string text = error_text(response); !text.empty()) message += " (" + text + ")";
  if (response.status == 401 || response.status == 403) {
    const Credential who = credential(place);
    const std::string withheld = why_withheld(place, response.from, place.base, Errand::request, network_);
    if (!withheld.empty() &&
        !files_.find(place.host, place.repository, network_.cancelled, 2 * network_.patience).empty())
      message += "; " + withheld;
    else if (who.empty())
      message += fmt::format("; no credentials for {} were found{}{}", place.host,
                             files_.files().empty() ? "" : " in ", base::join(files_.files(), ", "));
    else
      message += "; tried " + describe(who);
  }
  throw Refused(message, response.status, error_code(response));
}

}  // namespace minibuild::registry
