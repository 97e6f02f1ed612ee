// DSSE, the envelope of signed documents (secure-systems-lab/dsse, version 1.0.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/json.h"

namespace minibuild::trust {

/// Largest document in an envelope, in bytes; an SBOM of a large image has a few million.
inline constexpr size_t max_payload = size_t{32} << 20;

struct Envelope {
  std::string payload_type;
  std::string payload;                  // as bytes, not base64
  std::vector<std::string> signatures;  // as bytes
  bool operator==(const Envelope&) const = default;
};

/// What is signed of it: the pre-authentication encoding (protocol.md, "Signature Definition").
std::string signed_bytes(std::string_view payload_type, std::string_view payload);
oci::Json json_of(const Envelope& envelope);
/// Refuses unknown fields, and base64 that is not the one way to write its bytes. Key ids are dropped: they
/// are hints. Throws Error naming `what`.
Envelope parse_envelope(const oci::Json& json, const std::string& what);

}  // namespace minibuild::trust
