#include "minibuild/trust/dsse.h"

#include <fmt/format.h>

#include "builder/trust/fields.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

std::string signed_bytes(std::string_view payload_type, std::string_view payload) {
  std::string bytes = fmt::format("DSSEv1 {} {} {} ", payload_type.size(), payload_type, payload.size());
  bytes += payload;
  return bytes;
}

oci::Json json_of(const Envelope& envelope) {
  oci::Json signatures = oci::Json::array();
  for (const std::string& signature : envelope.signatures)
    signatures.push_back({{"sig", base::base64(signature)}});
  return {{"payload", base::base64(envelope.payload)},
          {"payloadType", envelope.payload_type},
          {"signatures", std::move(signatures)}};
}

Envelope parse_envelope(const oci::Json& json, const std::string& what) {
  only_fields(json, {"payload", "payloadType", "signatures"}, what);
  Envelope envelope;
  envelope.payload = base64_field(json, "payload", what);
  envelope.payload_type = string_field(json, "payloadType", what);
  for (const oci::Json& signature : array_field(json, "signatures", what)) {
    only_fields(signature, {"sig", "keyid"}, "a signature of " + what);
    if (signature.contains("keyid")) string_field(signature, "keyid", "a signature of " + what);
    envelope.signatures.push_back(base64_field(signature, "sig", "a signature of " + what));
  }
  return envelope;
}

}  // namespace minibuild::trust
