#include "builder/registry/session.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "builder/registry/credential_rule.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::registry {

using base::fail;

namespace {

constexpr int max_redirects = 5;

bool is_passing(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
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
  switch (status) {
    case 400:
      return "400 Bad Request";
    case 401:
      return "401 Unauthorized";
    case 403:
      return "403 Forbidden";
    case 404:
      return "404 Not Found";
    case 413:
      return "413 Content Too Large";
    case 416:
      return "416 Range Not Satisfiable";
    case 429:
      return "429 Too Many Requests";
    case 500:
      return "500 Internal Server Error";
    case 502:
      return "502 Bad Gateway";
    case 503:
      return "503 Service Unavailable";
    case 504:
      return "504 Gateway Timeout";
    default:
      return std::to_string(status);
  }
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

void Client::Session::pause(int attempt, int retry_after) const {
  double seconds = network_.backoff * std::pow(2.0, std::max(0, attempt - 2));
  seconds =
      std::min(std::max(seconds, static_cast<double>(retry_after)), static_cast<double>(network_.patience));
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    if (network_.cancelled != nullptr && *network_.cancelled)
      throw base::Error(base::Code::interrupted, "interrupted");
    ::usleep(20'000);
  }
}

HttpResponse Client::Session::call(const Place& place, const Call& call) {
  for (int attempt = 1;; ++attempt) {
    int retry_after = 0;
    try {
      HttpResponse response = authorized(place, call);
      if (!is_passing(response.status) || call.once) return response;
      if (attempt >= network_.attempts)
        fail("{}: {}, {} times{}", place.host, status_text(response.status), attempt,
             error_text(response).empty() ? "" : " (" + error_text(response) + ")");
      retry_after = response.retry_after;
    } catch (const ExchangeError& error) {
      if (!error.worth_a_retry() || call.once) throw;
      if (attempt >= network_.attempts)
        throw ExchangeError(fmt::format("{}, {} times", error.what(), attempt), false);
    }
    pause(attempt + 1, retry_after);
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
    const bool reads = call.method == "GET" || call.method == "HEAD";
    if (!is_redirect(response.status) || !reads) return response;
    if (hop == max_redirects) fail("{}: more than {} redirects", place.host, max_redirects);
    const Url next = parse_url(response.header("location"), &request.url);
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
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme == "bearer") {
      if (!who.registry_token.empty()) return {"Bearer " + who.registry_token, true};
      return {"Bearer " + fetch_token(place, challenge, scope, response, who), !who.empty()};
    }
    if (challenge.scheme == "basic" && !who.user.empty())
      return {"Basic " + base::base64(who.user + ":" + who.password), true};
  }
  return {};
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
  const Url url = parse_url(realm);
  if (place.base.scheme == "https" && url.scheme != "https")
    fail("{}: refused to ask for a token over plain http at {}", place.host, base::printable(url.host));
  const std::string withheld = why_withheld(place, asked.from, url, Errand::token, network_);
  if (!withheld.empty() && (place.is_file || !who.empty()))
    fail("{}: refused to ask {} for a token: {}", place.host, base::printable(authority(url)), withheld);
  std::string fields;
  const auto add = [&fields](const std::string& name, const std::string& value) {
    if (!value.empty()) fields += (fields.empty() ? "" : "&") + name + "=" + percent_encode(value);
  };
  HttpRequest request;
  request.limit = size_t{1} << 20;
  add("service", parameter("service"));
  if (!who.identity_token.empty()) {
    add("scope", scope);
    add("grant_type", "refresh_token");
    add("refresh_token", who.identity_token);
    add("client_id", "minibuild");
    request.method = "POST";
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    request.body = fields;
    request.url = url;
  } else {
    for (const std::string& one : base::split(scope, ' ')) add("scope", one);
    request.url = parse_url(url.text + (url.text.find('?') == std::string::npos ? "?" : "&") + fields);
    if (!who.user.empty()) request.authorization = "Basic " + base::base64(who.user + ":" + who.password);
  }
  HttpResponse response;
  for (int attempt = 1;; ++attempt) {
    response = http_.perform(request);
    if (!is_passing(response.status) || attempt >= network_.attempts) break;
    pause(attempt + 1, response.retry_after);
  }
  response.from = place.base;  // the refusal is about the place's credentials
  const std::string where = fmt::format("the token server {} of {}", base::printable(url.host), place.host);
  if (response.status != 200) refuse(place, response, where);
  const oci::Json json = oci::parse_json(response.body, "the answer of " + where);
  for (const char* name : {"token", "access_token"})
    if (json.is_object() && json.contains(name) && json[name].is_string()) {
      std::string token = json[name].get<std::string>();
      const bool fine = !token.empty() &&
                        std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
      if (fine) return token;
    }
  fail("{} gave no token", where);
}

void Client::Session::refuse(const Place& place, const HttpResponse& response, const std::string& what) {
  std::string message = fmt::format("{}: {}", what, status_text(response.status));
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
