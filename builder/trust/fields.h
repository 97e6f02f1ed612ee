// Reads documents field by field: missing, mistyped or unknown fields are refused.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "minibuild/oci/json.h"

namespace minibuild::trust {

/// Throws Error naming `what` unless `json` is an object with only these fields.
void only_fields(const oci::Json& json, std::initializer_list<std::string_view> names,
                 const std::string& what);
/// The field of an object. Throws Error naming `what` if it is missing or of another type.
const oci::Json& object_field(const oci::Json& json, const char* name, const std::string& what);
const oci::Json& array_field(const oci::Json& json, const char* name, const std::string& what);
const std::string& string_field(const oci::Json& json, const char* name, const std::string& what);
/// The bytes of a base64 field (RFC 4648, section 4), which must be in canonical form.
std::string base64_field(const oci::Json& json, const char* name, const std::string& what);
std::string exact_unbase64(std::string_view text, const std::string& what);

}  // namespace minibuild::trust
