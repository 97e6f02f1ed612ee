// Digests (image-spec descriptor.md "Digests") as types that cannot be confused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "minibuild/base/sha256.h"
#include "minibuild/base/sha512.h"

namespace minibuild::oci {

/// The digest of stored bytes: a blob exactly as a store holds it. minibuild itself creates SHA-256 digests;
/// content made by others may have SHA-512.
struct Digest {
  base::Hash hash{};                 // the SHA-256, or the first half of the SHA-512
  std::optional<base::Hash> rest{};  // the second half of a SHA-512
  auto operator<=>(const Digest&) const = default;
};
/// The SHA-256 of a layer's uncompressed tar.
struct DiffId {
  base::Hash hash{};
  auto operator<=>(const DiffId&) const = default;
};

/// `sha256:` and 64 lower-case hexadecimal digits; a content digest may also be `sha512:` and 128. Throws
/// Error{Code::failed} naming `what` for anything else; the message calls other registered algorithms
/// unsupported.
Digest parse_digest(std::string_view text, std::string_view what);
DiffId parse_diff_id(std::string_view text, std::string_view what);
std::string to_string(const Digest& digest);
std::string to_string(const DiffId& diff_id);
/// The digest as the start of a tag (distribution-spec, "Referrers Tag Schema"): `sha256-HEX`; for SHA-512,
/// only the first 64 digits.
std::string referrers_tag(const Digest& digest);
/// The hexadecimal part alone.
std::string hex(const Digest& digest);
/// `sha256` or `sha512`.
std::string_view algorithm_of(const Digest& digest);
/// The SHA-256 digest.
Digest digest_of(std::string_view bytes);
/// Returns whether `bytes` have this digest, using the digest's own algorithm.
bool has_digest(std::string_view bytes, const Digest& digest);

/// A running digest that uses the algorithm of `like`, or SHA-256 without one.
class Digester {
 public:
  explicit Digester(const std::optional<Digest>& like = {});
  void update(std::string_view bytes);
  Digest finish() const;

 private:
  base::Sha256 sha256_;
  std::optional<base::Sha512> sha512_;
};

}  // namespace minibuild::oci
