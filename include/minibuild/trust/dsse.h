// DSSE, the envelope for signed documents (secure-systems-lab/dsse, version 1.0.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/json.h"

namespace minibuild::trust {

/// Largest document in an envelope, in bytes; the SBOM of a large image has a few million.
inline constexpr size_t max_payload = size_t{32} << 20;

struct Envelope {
  std::string payload_type;
  std::string payload;                  // as bytes, not base64
  std::vector<std::string> signatures;  // as bytes
  bool operator==(const Envelope&) const = default;
};

/// The bytes that are signed: the pre-authentication encoding (protocol.md, "Signature Definition").
std::string signed_bytes(std::string_view payload_type, std::string_view payload);
oci::Json json_of(const Envelope& envelope);
/// Refuses unknown fields and non-canonical base64. Key ids are dropped: they are only hints. Throws Error
/// naming `what`.
Envelope parse_envelope(const oci::Json& json, const std::string& what);

}  // namespace minibuild::trust
