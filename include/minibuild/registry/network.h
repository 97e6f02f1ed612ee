// How registries are reached: the command line's settings for hosts, certificates and timeouts.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace minibuild::registry {

struct Network {
  std::vector<std::string> plain_http;  // HOST[:PORT] that use HTTP without TLS
  std::string ca_file;                  // PEM, trusted in addition to the system's; or empty
  std::string client_certificate;       // PEM; or empty
  std::string client_key;               // PEM; or empty
  /// Where to look first for anything below a prefix: `HOST[/REPOSITORY…]` and the URL or `HOST[/…]` that
  /// replaces it.
  std::vector<std::pair<std::string, std::string>> mirrors;
  int attempts = 5;       // per exchange
  int patience = 30;      // seconds without progress until a transfer counts as dead; also the longest pause
  int parallel = 8;       // transfers at once
  int floor = 4096;       // minimum bytes per second, averaged over twice `patience`
  double backoff = 0.25;  // seconds before the second attempt; doubled each time
  const std::atomic<bool>* cancelled = nullptr;
};

}  // namespace minibuild::registry
