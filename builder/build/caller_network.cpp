#include "builder/build/caller_network.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::build {

namespace {

constexpr size_t most_bytes = size_t{16} << 20;  // of certificates

bool is_proxy(const std::string& name) { return base::lower_case(name).ends_with("_proxy"); }

// The port of a proxy that listens on this machine's loopback: http://user:word@localhost:3128/.
uint16_t loopback_port(const std::string& proxy) {
  const size_t scheme = proxy.find("://");
  std::string place = scheme == std::string::npos ? proxy : proxy.substr(scheme + 3);
  place = place.substr(0, place.find_first_of("/?#"));
  if (const size_t at = place.rfind('@'); at != std::string::npos) place.erase(0, at + 1);
  std::string host = place;
  std::string port;
  if (const size_t colon = place.rfind(':'); colon != std::string::npos && !place.ends_with(']')) {
    host = place.substr(0, colon);
    port = place.substr(colon + 1);
  }
  host = base::lower_case(host);
  if (host != "localhost" && host != "[::1]" && !host.starts_with("127.")) return 0;
  // What curl takes where none is written.
  const uint64_t otherwise = base::lower_case(proxy).starts_with("https://") ? 443 : 1080;
  return static_cast<uint16_t>(port.empty() ? otherwise : base::parse_number(port, 65535).value_or(0));
}

// Certificates alone: keys that lie beside them are nobody's business.
void add_certificates(const std::string& text, std::set<std::string>& seen, std::string& out) {
  constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view end = "-----END CERTIFICATE-----";
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    const size_t stop = text.find(end, at);
    if (stop == std::string::npos) return;
    std::string one = text.substr(at, stop + end.size() - at) + "\n";
    at = stop;
    if (out.size() + one.size() <= most_bytes && seen.insert(one).second) out += one;
  }
}

std::string text_of(const std::string& path) {
  try {
    return base::read_file(path, most_bytes);
  } catch (const base::Error&) {
    return {};  // named by a variable, and not there: the tools of this machine do without it too
  }
}

std::vector<std::string> files_of(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    if (entry.is_regular_file(error)) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string certificates_of(const spec::Environment& variables, const std::string& root_bundle) {
  std::set<std::string> seen;
  std::string out;
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"})
    add_certificates(text_of(path), seen, out);
  for (const auto& [name, path] : variables) {
    if (is_proxy(name)) continue;
    if (!base::is_directory(path)) {
      add_certificates(text_of(path), seen, out);
    } else if (base::real_path(path) != "/etc/ssl/certs") {
      for (const std::string& file : files_of(path)) add_certificates(text_of(file), seen, out);
    }
  }
  add_certificates(root_bundle, seen, out);
  return out;
}

}  // namespace

CallerNetwork caller_network(const spec::Environment& variables, const spec::Environment& taken,
                             const std::string& root_bundle) {
  std::set<std::string> names;
  for (const auto& [name, value] : taken) names.insert(base::lower_case(name));
  CallerNetwork network;
  for (const auto& [name, value] : variables) {
    if (!is_proxy(name) || names.contains(base::lower_case(name))) continue;
    network.env.emplace_back(name, value);
    const uint16_t port = base::lower_case(name) == "no_proxy" ? uint16_t{0} : loopback_port(value);
    if (port != 0 && std::find(network.ports.begin(), network.ports.end(), port) == network.ports.end())
      network.ports.push_back(port);
  }
  network.certificates = certificates_of(variables, root_bundle);
  if (network.certificates.empty()) return network;
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT",
                           "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE"})
    if (!names.contains(base::lower_case(name))) network.env.emplace_back(name, sandbox::certificates_file);
  return network;
}

}  // namespace minibuild::build
