#include "minibuild/oci/digest.h"

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::oci {

namespace {

base::Hash parse(std::string_view text, std::string_view what) {
  constexpr std::string_view prefix = "sha256:";
  const std::string shown = base::printable(text.substr(0, 100));
  if (text.starts_with("sha512:") || text.starts_with("blake3:"))
    base::fail("{} has the digest '{}'; only sha256 is supported", what, shown);
  const auto hash = text.starts_with(prefix) ? base::hash_from_hex(text.substr(prefix.size())) : std::nullopt;
  if (!hash)
    base::fail("{} has the malformed digest '{}', want sha256: and 64 lower-case hexadecimal digits", what,
               shown);
  return *hash;
}

}  // namespace

Digest parse_digest(std::string_view text, std::string_view what) { return {parse(text, what)}; }
DiffId parse_diff_id(std::string_view text, std::string_view what) { return {parse(text, what)}; }
std::string to_string(const Digest& digest) { return "sha256:" + base::to_hex(digest.hash); }
std::string to_string(const DiffId& diff_id) { return "sha256:" + base::to_hex(diff_id.hash); }
std::string hex(const Digest& digest) { return base::to_hex(digest.hash); }
Digest digest_of(std::string_view bytes) { return {base::sha256(bytes)}; }

}  // namespace minibuild::oci
