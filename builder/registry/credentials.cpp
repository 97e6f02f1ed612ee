#include "minibuild/registry/credentials.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>

#include "builder/registry/headers.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

extern char** environ;

namespace minibuild::registry {

using base::fail;

namespace {

constexpr size_t max_answer = size_t{1} << 20;

std::string text_in(const oci::Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// docker.io is known by the address of its first API.
std::vector<std::string> names_of(const std::string& host) {
  if (host == "docker.io") return {"docker.io", "index.docker.io", "registry-1.docker.io"};
  return {host};
}

// `https://host/v1/` and `host/v2` mean the host; other paths are repositories.
std::string plain_key(std::string key) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (key.starts_with(scheme)) key.erase(0, scheme.size());
  while (key.ends_with('/')) key.pop_back();
  for (const std::string_view version : {"/v1", "/v2"})
    if (key.ends_with(version)) key.erase(key.size() - version.size());
  return key;
}

Credential entry_of(const oci::Json& entry, const std::string& what) {
  Credential found;
  found.source = what;
  found.user = text_in(entry, "username");
  found.password = text_in(entry, "password");
  found.identity_token = text_in(entry, "identitytoken");
  found.registry_token = text_in(entry, "registrytoken");
  if (const std::string auth = text_in(entry, "auth"); !auth.empty()) {
    const auto plain = base::unbase64(auth);
    const size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      fail("cannot read {}: an 'auth' is not the base64 form of USER:PASSWORD", what);
    found.user = plain->substr(0, colon);
    found.password = plain->substr(colon + 1);
    while (!found.password.empty() && found.password.back() == '\0') found.password.pop_back();
  }
  return found;
}

// How long a helper may take, which may ask its user.
struct Waiting {
  const std::atomic<bool>* cancelled = nullptr;
  int patience = 60;  // seconds
};

// What comes until the end, or until too much has come; false if it takes too long or is cancelled.
bool read_answer(int fd, const Waiting& waiting, std::string& answer) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(waiting.patience);
  char buffer[4096];
  while (answer.size() < max_answer) {
    if (waiting.cancelled != nullptr && *waiting.cancelled) return false;
    if (std::chrono::steady_clock::now() >= until) return false;
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, 100) <= 0) continue;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    answer.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

// Runs a helper; its answer, or nothing if it has no credentials for the server.
std::optional<std::string> ask_helper(const std::string& name, const std::string& server,
                                      const Waiting& waiting) {
  const bool fine = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!fine) fail("'{}' is not the name of a credential helper", base::printable(name));
  const std::string program = "docker-credential-" + name;
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) fail("cannot run {}: {}", program, base::errno_text());
  const base::Fd in_read(in[0]);
  base::Fd in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) fail("cannot run {}: {}", program, base::errno_text());
  const base::Fd out_read(out[0]);
  base::Fd out_write(out[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in_read.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  std::string get = "get";
  std::string first = program;
  char* argv[] = {first.data(), get.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("cannot run the credential helper {}: {}", program, base::errno_text(error));
  out_write = base::Fd();
  if (::write(in_write.get(), server.data(), server.size()) < 0) errno = 0;  // it may know without reading
  in_write = base::Fd();
  std::string answer;
  const bool ended = read_answer(out_read.get(), waiting, answer);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended && waiting.cancelled != nullptr && *waiting.cancelled)
    throw base::Error(base::Code::interrupted, "interrupted");
  if (!ended) fail("the credential helper {} gave no answer within {} s", program, waiting.patience);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return answer;
  if (answer.find("credentials not found") != std::string::npos) return std::nullopt;
  fail("the credential helper {} failed for {}: {}", program, server,
       base::printable(base::trim(std::string_view(answer).substr(0, 300))));
}

Credential from_helper(const std::string& name, const std::string& host, const Waiting& waiting) {
  // Helpers keep Docker Hub under the address of its first API.
  const std::string server = host == "docker.io" ? "https://index.docker.io/v1/" : host;
  const auto answer = ask_helper(name, server, waiting);
  if (!answer) return {};
  return parse_helper_answer(*answer, "the credential helper docker-credential-" + name);
}

Credential find_in(const oci::Json& config, const std::string& file, const std::string& host,
                   const std::string& repository, const Waiting& waiting) {
  const std::vector<std::string> names = names_of(host);
  if (const auto helpers = config.find("credHelpers"); helpers != config.end() && helpers->is_object())
    for (const auto& [key, value] : helpers->items())
      if (value.is_string() && std::find(names.begin(), names.end(), plain_key(key)) != names.end()) {
        if (Credential found = from_helper(value.get<std::string>(), host, waiting); !found.empty())
          return found;
      }
  const oci::Json* best = nullptr;
  size_t best_size = 0;
  if (const auto auths = config.find("auths"); auths != config.end() && auths->is_object())
    for (const auto& [key, value] : auths->items()) {
      const std::string prefix = plain_key(key);
      for (const std::string& name : names) {
        const std::string whole = name + "/" + repository;
        const bool fits = prefix == name || prefix == whole || whole.starts_with(prefix + "/");
        if (fits && value.is_object() && prefix.size() >= best_size) {
          best = &value;
          best_size = prefix.size();
        }
      }
    }
  if (best != nullptr)
    if (Credential found = entry_of(*best, file); !found.empty()) return found;
  if (const std::string store = text_in(config, "credsStore"); !store.empty())
    return from_helper(store, host, waiting);
  return {};
}

}  // namespace

Credential parse_helper_answer(const std::string& text, const std::string& what) {
  const oci::Json json = oci::parse_json(text, "the answer of " + what);
  Credential found;
  found.source = what;
  const std::string user = json.is_object() ? text_in(json, "Username") : "";
  const std::string secret = json.is_object() ? text_in(json, "Secret") : "";
  if (secret.empty()) fail("cannot use the answer of {}: it has no Secret", what);
  if (user == "<token>") {
    found.identity_token = secret;
  } else {
    found.user = user;
    found.password = secret;
  }
  return found;
}

Credential CredentialFiles::find(const std::string& host, const std::string& repository,
                                 const std::atomic<bool>* cancelled, int patience) const {
  for (const std::string& file : files_) {
    if (!base::exists(file)) continue;
    const oci::Json config = oci::parse_json(base::read_file(file, size_t{4} << 20), file);
    if (!config.is_object()) fail("cannot read {}: it is not a JSON object", file);
    if (Credential found = find_in(config, file, host, repository, {cancelled, patience}); !found.empty())
      return found;
  }
  return {};
}

}  // namespace minibuild::registry
