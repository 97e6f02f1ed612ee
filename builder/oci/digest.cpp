#include "minibuild/oci/digest.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::oci {

namespace {

constexpr std::string_view sha256 = "sha256:";
constexpr std::string_view sha512 = "sha512:";
constexpr size_t half = 64;  // hexadecimal digits of 32 bytes

[[noreturn]] void refuse(std::string_view text, std::string_view what, bool content) {
  const std::string shown = base::printable(text.substr(0, 150));
  if (text.starts_with("blake3:") || (text.starts_with(sha512) && !content))
    base::fail("{} has the digest '{}'; {} supported", what, shown,
               content ? "sha256 and sha512 are" : "only sha256 is");
  base::fail("{} has the malformed digest '{}', want sha256: and 64 lower-case hexadecimal digits", what,
             shown);
}

}  // namespace

Digest parse_digest(std::string_view text, std::string_view what) {
  if (text.starts_with(sha256))
    if (const auto hash = base::hash_from_hex(text.substr(sha256.size()))) return {*hash};
  if (text.starts_with(sha512) && text.size() == sha512.size() + 2 * half) {
    const auto first = base::hash_from_hex(text.substr(sha512.size(), half));
    const auto rest = base::hash_from_hex(text.substr(sha512.size() + half));
    if (first && rest) return {*first, *rest};
  }
  refuse(text, what, true);
}

DiffId parse_diff_id(std::string_view text, std::string_view what) {
  const auto hash = text.starts_with(sha256) ? base::hash_from_hex(text.substr(sha256.size())) : std::nullopt;
  if (!hash) refuse(text, what, false);
  return {*hash};
}

std::string_view algorithm_of(const Digest& digest) { return digest.rest ? "sha512" : "sha256"; }
std::string to_string(const Digest& digest) { return std::string(algorithm_of(digest)) + ":" + hex(digest); }
std::string to_string(const DiffId& diff_id) { return "sha256:" + base::to_hex(diff_id.hash); }
std::string hex(const Digest& digest) {
  return base::to_hex(digest.hash) + (digest.rest ? base::to_hex(*digest.rest) : "");
}
std::string referrers_tag(const Digest& digest) {
  return fmt::format("{}-{}", algorithm_of(digest), hex(digest).substr(0, half));
}
Digest digest_of(std::string_view bytes) { return {base::sha256(bytes)}; }

Digester::Digester(const std::optional<Digest>& like) {
  if (like && like->rest) sha512_.emplace();
}

void Digester::update(std::string_view bytes) {
  if (sha512_)
    sha512_->update(bytes);
  else
    sha256_.update(bytes);
}

Digest Digester::finish() const {
  if (!sha512_) return {sha256_.finish()};
  const std::array<uint8_t, 64> bytes = sha512_->finish();
  Digest digest;
  digest.rest.emplace();
  std::copy_n(bytes.begin(), digest.hash.size(), digest.hash.begin());
  std::copy_n(bytes.begin() + digest.hash.size(), digest.rest->size(), digest.rest->begin());
  return digest;
}

bool has_digest(std::string_view bytes, const Digest& digest) {
  if (!digest.rest) return digest_of(bytes) == digest;
  Digester digester(digest);
  digester.update(bytes);
  return digester.finish() == digest;
}

}  // namespace minibuild::oci
