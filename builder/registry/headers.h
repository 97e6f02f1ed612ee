// Headers of answers as values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::registry {

/// One challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1).
struct Challenge {
  std::string scheme;                             // lower case
  std::map<std::string, std::string> parameters;  // names in lower case
};
/// All challenges, in order; what is malformed is left out.
std::vector<Challenge> parse_challenges(std::string_view text);

/// Where a list goes on, by the values of its Link headers (RFC 8288): the target of the first link with
/// `rel=next`, else of the first one without any `rel`, since registries leave that out; empty if neither is
/// there.
std::string next_link(const std::vector<std::string>& values);

/// `bytes FIRST-LAST/TOTAL` (RFC 9110, section 14.4); total is absent for `*`.
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  std::optional<uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7) in seconds since 1970; nothing for other forms.
std::optional<int64_t> parse_http_date(std::string_view text);

/// ASCII letters as small ones: names of headers, schemes, hosts, media types.

/// Everything but unreserved characters (RFC 3986, section 2.3) as %XX.
std::string percent_encode(std::string_view text);

}  // namespace minibuild::registry
