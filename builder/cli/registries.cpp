#include "builder/cli/registries.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::cli {

using base::Code;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As skopeo and docker look for them: a file that is named is the only one.
std::vector<std::string> credential_files(const std::string& flag) {
  for (const std::string& named : {flag, variable("REGISTRY_AUTH_FILE")})
    if (!named.empty()) {
      if (!base::exists(named))
        throw base::Error(Code::usage, fmt::format("there is no credentials file {}", named));
      return {named};
    }
  std::vector<std::string> files;
  const std::string home = variable("HOME");
  if (const std::string runtime = variable("XDG_RUNTIME_DIR"); !runtime.empty())
    files.push_back(runtime + "/containers/auth.json");
  else
    files.push_back(fmt::format("/run/containers/{}/auth.json", ::getuid()));
  if (const std::string config = variable("XDG_CONFIG_HOME"); !config.empty())
    files.push_back(config + "/containers/auth.json");
  else if (!home.empty())
    files.push_back(home + "/.config/containers/auth.json");
  if (const std::string docker = variable("DOCKER_CONFIG"); !docker.empty())
    files.push_back(docker + "/config.json");
  else if (!home.empty())
    files.push_back(home + "/.docker/config.json");
  return files;
}

std::vector<std::pair<std::string, std::string>> read_mirrors(std::vector<std::string> entries) {
  for (const std::string& entry : base::split(variable("MINIBUILD_MIRRORS"), ' '))
    if (!entry.empty()) entries.push_back(entry);
  std::vector<std::pair<std::string, std::string>> mirrors;
  for (const std::string& entry : entries) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == entry.size())
      throw base::Error(
          Code::usage,
          fmt::format(
              "got --mirror {}, want --mirror PREFIX=URL such as docker.io=https://mirror.example.com",
              entry));
    mirrors.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return mirrors;
}

}  // namespace

void note_on_stderr(const std::string& subject, const std::string& text) { say("{}: {}\n", subject, text); }

build::Registries make_registries(const RegistryArguments& arguments,
                                  std::function<void(const std::string&, const std::string&)> note) {
  registry::Network network;
  network.plain_http = arguments.plain_http;
  network.ca_file = arguments.ca_file;
  network.client_certificate = arguments.certificate;
  network.client_key = arguments.key;
  build::Registries registries;
  for (auto& [prefix, url] : read_mirrors(arguments.mirrors)) {
    if (url.starts_with("file://"))
      registries.directories.emplace_back(
          prefix.substr(prefix.find("://") == std::string::npos ? 0 : prefix.find("://") + 3), url.substr(7));
    else
      network.mirrors.emplace_back(prefix, url);
  }
  network.patience = arguments.timeout;
  network.cancelled = &interrupted;
  struct Lazy {
    std::mutex mutex;
    std::unique_ptr<registry::Client> client;
  };
  registries.offline = arguments.offline;
  registries.note = std::move(note);
  registries.client = [lazy = std::make_shared<Lazy>(), network = std::move(network),
                       flag = arguments.authfile]() -> registry::Client& {
    const std::lock_guard lock(lazy->mutex);
    if (!lazy->client)
      lazy->client =
          std::make_unique<registry::Client>(network, registry::CredentialFiles(credential_files(flag)));
    return *lazy->client;
  };
  return registries;
}

}  // namespace minibuild::cli
