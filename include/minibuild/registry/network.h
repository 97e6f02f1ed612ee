// How registries are reached: what the command line says about hosts, certificates and patience.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace minibuild::registry {

struct Network {
  std::vector<std::string> plain_http;  // HOST[:PORT] that speak HTTP without TLS
  std::string ca_file;                  // certificates to trust besides the system's, PEM; or empty
  std::string client_certificate;       // PEM; or empty
  std::string client_key;               // PEM; or empty
  /// Where to look first for what is below a prefix: `HOST[/REPOSITORY…]` and the URL or `HOST[/…]` that
  /// takes its place.
  std::vector<std::pair<std::string, std::string>> mirrors;
  int attempts = 5;       // of each exchange
  int patience = 30;      // seconds without progress until a transfer counts as dead; no pause is longer
  int parallel = 8;       // transfers at once
  int floor = 4096;       // bytes a second that a transfer has to bring, on average over twice `patience`
  double backoff = 0.25;  // seconds before the second attempt; doubled each time
  const std::atomic<bool>* cancelled = nullptr;
};

}  // namespace minibuild::registry
