#include "builder/trust/fields.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

const oci::Json& field(const oci::Json& json, const char* name, const std::string& what) {
  if (!json.is_object()) fail("{} is not an object", what);
  const auto found = json.find(name);
  if (found == json.end()) fail("{} has no '{}'", what, name);
  return *found;
}

}  // namespace

void only_fields(const oci::Json& json, std::initializer_list<std::string_view> names,
                 const std::string& what) {
  if (!json.is_object()) fail("{} is not an object", what);
  for (const auto& [name, value] : json.items())
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail("{} has the unknown field '{}'", what, base::printable(name.substr(0, 100)));
}

const oci::Json& object_field(const oci::Json& json, const char* name, const std::string& what) {
  const oci::Json& value = field(json, name, what);
  if (!value.is_object()) fail("'{}' of {} is not an object", name, what);
  return value;
}

const oci::Json& array_field(const oci::Json& json, const char* name, const std::string& what) {
  const oci::Json& value = field(json, name, what);
  if (!value.is_array()) fail("'{}' of {} is not a list", name, what);
  return value;
}

const std::string& string_field(const oci::Json& json, const char* name, const std::string& what) {
  const oci::Json& value = field(json, name, what);
  if (!value.is_string()) fail("'{}' of {} is not a text", name, what);
  return value.get_ref<const std::string&>();
}

std::string base64_field(const oci::Json& json, const char* name, const std::string& what) {
  return exact_unbase64(string_field(json, name, what), fmt::format("'{}' of {}", name, what));
}

std::string exact_unbase64(std::string_view text, const std::string& what) {
  std::optional<std::string> bytes = base::unbase64(text);
  // Two texts for the same bytes would be two signatures for the same thing.
  if (!bytes || base::base64(*bytes) != text) fail("{} is not base64", what);
  return std::move(*bytes);
}

}  // namespace minibuild::trust
