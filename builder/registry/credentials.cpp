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
#include <utility>

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
  return {base::lower_case(host)};
}

// HOST or HOST/REPOSITORY…, the host in lower case. A URL means its host, as Docker reads it
// (`https://host/v1/`), and so do `host/v1` and `host/v2`; other paths without a scheme are repositories.
std::string plain_key(std::string key) {
  const size_t scheme = key.find("://");
  if (scheme != std::string::npos) key.erase(0, scheme + 3);
  const size_t slash = std::min(key.find('/'), key.size());
  std::string path = scheme == std::string::npos ? key.substr(slash) : "";
  while (path.ends_with('/')) path.pop_back();
  for (const std::string_view version : {"/v1", "/v2"})
    if (path.ends_with(version)) path.erase(path.size() - version.size());
  return base::lower_case(key.substr(0, slash)) + path;
}

// An entry that says nothing, as Docker leaves it beside `credsStore`, is none.
bool says_something(const oci::Json& entry) {
  if (!entry.is_object()) return false;
  for (const char* name : {"auth", "username", "identitytoken", "registrytoken"})
    if (!text_in(entry, name).empty()) return true;
  return false;
}

Credential entry_of(const oci::Json& entry, const std::string& what) {
  Credential found;
  found.source = what;
  found.user = text_in(entry, "username");
  found.password = text_in(entry, "password");
  found.identity_token = text_in(entry, "identitytoken");
  found.registry_token = text_in(entry, "registrytoken");
  if (std::string auth = text_in(entry, "auth"); !auth.empty()) {
    // base64(1) breaks its lines, and some write the alphabet of URLs.
    std::erase_if(auth, [](char c) { return c == '\n' || c == '\r'; });
    std::replace(auth.begin(), auth.end(), '-', '+');
    std::replace(auth.begin(), auth.end(), '_', '/');
    auto plain = base::unbase64(auth);
    // Docker pads with zero bytes; who makes it by `echo` has the end of a line in it.
    while (plain && !plain->empty() &&
           std::string_view("\0\r\n", 3).find(plain->back()) != std::string_view::npos)
      plain->pop_back();
    if (plain && plain->empty()) return found;
    const size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      fail("cannot read {}: an 'auth' is not the base64 form of USER:PASSWORD; log in again, or take it out",
           what);
    found.user = plain->substr(0, colon);
    found.password = plain->substr(colon + 1);
  }
  // Docker's way to say that the password is for the token server alone.
  if (found.user == "<token>") {
    found.user.clear();
    found.identity_token = std::exchange(found.password, {});
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

// Runs a helper; its answer, or nothing if it has no credentials for the server. `file` is who names it.
std::optional<std::string> ask_helper(const std::string& name, const std::string& server,
                                      const std::string& file, const Waiting& waiting) {
  const bool fine = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return base::is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  });
  if (!fine) fail("{} names '{}', which is not the name of a credential helper", file, base::printable(name));
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
  if (error != 0)
    fail(
        "cannot run the credential helper {}: {}; {} names it for {}: install it so that it is found by "
        "PATH, or take it "
        "out of that file",
        program, base::errno_text(error), file, server);
  out_write = base::Fd();
  if (::write(in_write.get(), server.data(), server.size()) < 0) errno = 0;  // it may know without reading
  in_write = base::Fd();
  std::string answer;
  const bool ended = read_answer(out_read.get(), waiting, answer);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended && waiting.cancelled != nullptr && *waiting.cancelled) throw base::Interrupted();
  if (!ended)
    fail("the credential helper {}, which {} names for {}, gave no answer within {} s", program, file, server,
         waiting.patience);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return answer;
  if (answer.find("credentials not found") != std::string::npos) return std::nullopt;
  const std::string said = base::printable(base::trim(std::string_view(answer).substr(0, 300)));
  const std::string ended_how = WIFEXITED(status) ? fmt::format("exit status {}", WEXITSTATUS(status))
                                                  : fmt::format("signal {}", WTERMSIG(status));
  fail(
      "the credential helper {} failed for {}: {} ({}); {} names it: log in again, or take it out of that "
      "file",
      program, server, said.empty() ? "it says nothing" : said, ended_how, file);
}

Credential from_helper(const std::string& name, const std::string& host, const std::string& file,
                       const Waiting& waiting) {
  // Helpers keep Docker Hub under the address of its first API.
  const std::string server = host == "docker.io" ? "https://index.docker.io/v1/" : host;
  const auto answer = ask_helper(name, server, file, waiting);
  if (!answer) return {};
  return parse_helper_answer(*answer,
                             fmt::format("the credential helper docker-credential-{} ({})", name, file));
}

// The name of a helper; empty if there is none.
std::string helper_in(const oci::Json& value) {
  return value.is_string() ? std::string(base::trim(value.get<std::string>())) : "";
}

Credential find_in(const oci::Json& config, const std::string& file, const std::string& host,
                   const std::string& repository, const Waiting& waiting) {
  const std::vector<std::string> names = names_of(host);
  if (const auto helpers = config.find("credHelpers"); helpers != config.end() && helpers->is_object())
    for (const auto& [key, value] : helpers->items())
      if (!helper_in(value).empty() && std::find(names.begin(), names.end(), plain_key(key)) != names.end()) {
        if (Credential found = from_helper(helper_in(value), host, file, waiting); !found.empty())
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
        if (fits && says_something(value) && prefix.size() >= best_size) {
          best = &value;
          best_size = prefix.size();
        }
      }
    }
  if (best != nullptr)
    if (Credential found = entry_of(*best, file); !found.empty()) return found;
  if (const auto store = config.find("credsStore"); store != config.end() && !helper_in(*store).empty())
    return from_helper(helper_in(*store), host, file, waiting);
  return {};
}

}  // namespace

Credential parse_helper_answer(const std::string& text, const std::string& what) {
  Credential found;
  found.source = what;
  if (base::trim(text).empty()) return found;
  const oci::Json json = oci::parse_json(text, "the answer of " + what);
  const std::string user = json.is_object() ? text_in(json, "Username") : "";
  const std::string secret = json.is_object() ? text_in(json, "Secret") : "";
  // Without both it has none for the server, as it may also say by `credentials not found`.
  if (json.is_object() && user.empty() && secret.empty()) return found;
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
    const std::string text = base::read_file(file, size_t{4} << 20);
    if (base::trim(text).empty()) continue;
    const oci::Json config = [&] {
      try {
        return oci::parse_json(text, file);
      } catch (const base::Error& error) {
        fail("{}; it is looked at for credentials: mend or remove it", error.what());
      }
    }();
    if (config.is_null()) continue;
    if (!config.is_object())
      fail("cannot read {}: it is not a JSON object; it is looked at for credentials: mend or remove it",
           file);
    if (Credential found = find_in(config, file, host, repository, {cancelled, patience}); !found.empty())
      return found;
  }
  return {};
}

}  // namespace minibuild::registry
