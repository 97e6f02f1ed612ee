// JSON from outside: parsed strictly, written in a fixed form.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace minibuild::oci {

using Json = nlohmann::ordered_json;

/// The largest manifest, index or config that minibuild reads, in bytes.
inline constexpr size_t max_json_size = size_t{4} << 20;

/// Parses RFC 8259 JSON. Rejects duplicate keys, nesting deeper than 64, invalid UTF-8, trailing bytes and
/// more than `limit` bytes. Throws Error `cannot read WHAT: cause`.
Json parse_json(std::string_view text, std::string_view what, size_t limit = max_json_size);

}  // namespace minibuild::oci
