#include "builder/spec/shipped.h"

#include <algorithm>

#include "minibuild/spec/spec.h"

namespace minibuild::spec {

std::optional<std::string_view> shipped_file(std::string_view name) {
  for (const ShippedFile& file : shipped_files())
    if (file.name == name) return file.text;
  return std::nullopt;
}

std::vector<std::string> shipped_specs() {
  std::vector<std::string> names;
  for (const ShippedFile& file : shipped_files())
    if (file.name.ends_with(".yaml")) names.emplace_back(file.name.substr(0, file.name.size() - 5));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace minibuild::spec
