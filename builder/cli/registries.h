// The registry options that many commands share, and credentials from the environment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "minibuild/build/images.h"

namespace minibuild::cli {

struct RegistryArguments {
  std::string authfile;
  std::string ca_file;
  std::string certificate;
  std::string key;
  std::vector<std::string> plain_http;
  std::vector<std::string> mirrors;
  int timeout = 30;
  bool offline = false;
};

/// How to reach registries and where credentials are, from the arguments and the environment. The client is
/// created on first use, and lives as long as the result. `note` may be empty.
build::Registries make_registries(const RegistryArguments& arguments,
                                  std::function<void(const std::string&, const std::string&)> note);

/// Prints a note as a line on stderr, for commands without progress: `SUBJECT: TEXT`.
void note_on_stderr(const std::string& subject, const std::string& text);

}  // namespace minibuild::cli
