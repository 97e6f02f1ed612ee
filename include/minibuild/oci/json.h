// JSON from outside: read strictly, written in a fixed form.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace minibuild::oci {

using Json = nlohmann::ordered_json;

/// Largest manifest, index or config that is read, in bytes.
inline constexpr size_t max_json_size = size_t{4} << 20;

/// RFC 8259, with duplicate keys, depth above 64, invalid UTF-8, trailing bytes and more than `limit` bytes
/// refused. Throws Error `cannot read WHAT: cause`.
Json parse_json(std::string_view text, std::string_view what, size_t limit = max_json_size);

}  // namespace minibuild::oci
