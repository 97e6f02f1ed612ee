#include "builder/registry/credential_rule.h"

#include <algorithm>

#include "builder/registry/headers.h"
#include "minibuild/base/text.h"

namespace minibuild::registry {

namespace {

std::string without_usual_port(std::string host) {
  if (host.ends_with(":80")) host.resize(host.size() - 3);
  return base::lower_case(host);
}

}  // namespace

bool is_plain(const Network& network, const std::string& host) {
  return std::any_of(network.plain_http.begin(), network.plain_http.end(), [&](const std::string& named) {
    return without_usual_port(named) == without_usual_port(host);
  });
}

std::string authority(const Url& url) {
  const bool usual = url.port == (url.scheme == "https" ? "443" : "80");
  return usual ? url.host : url.host + ":" + url.port;
}

std::string why_withheld(const Place& place, const Url& asked_by, const Url& to, Errand errand,
                         const Network& network) {
  if (!asked_by.same_origin(place.base))
    return fmt::format("credentials for {} are not for {}, which it points to", place.host,
                       base::printable(authority(asked_by)));
  const bool only_itself = errand == Errand::request || place.is_file;
  if (only_itself && !to.same_origin(place.base))
    return fmt::format("credentials for {} are not for {}", place.host, base::printable(authority(to)));
  if (to.scheme == "https") return {};
  const std::string host = base::printable(authority(to));
  if (place.base.scheme == "https")
    return fmt::format("credentials for {} are not sent over plain HTTP to {}", place.host, host);
  // docker.io and its like are named by their own name, and reached by another.
  if (is_plain(network, authority(to)) || (to.same_origin(place.base) && is_plain(network, place.host)))
    return {};
  return fmt::format(
      "credentials for {} are not sent over plain HTTP to {}; if its network can be trusted: --plain-http {}",
      place.host, host, host);
}

}  // namespace minibuild::registry
