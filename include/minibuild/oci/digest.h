// Digests (image-spec descriptor.md "Digests") as types that cannot be mixed up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "minibuild/base/sha256.h"

namespace minibuild::oci {

/// The SHA-256 of stored bytes: a blob as it lies in a store.
struct Digest {
  base::Hash hash{};
  auto operator<=>(const Digest&) const = default;
};
/// The SHA-256 of a layer's uncompressed tar.
struct DiffId {
  base::Hash hash{};
  auto operator<=>(const DiffId&) const = default;
};

/// `sha256:` and 64 lower-case hexadecimal digits. Throws Error{Code::failed} naming `what` for anything
/// else; other registered algorithms are named as unsupported.
Digest parse_digest(std::string_view text, std::string_view what);
DiffId parse_diff_id(std::string_view text, std::string_view what);
std::string to_string(const Digest& digest);
std::string to_string(const DiffId& diff_id);
/// The hexadecimal part alone.
std::string hex(const Digest& digest);
Digest digest_of(std::string_view bytes);

}  // namespace minibuild::oci
