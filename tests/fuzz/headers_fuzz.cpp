// Headers of registries: no input crashes, base64 goes there and back, a range is what it says.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "builder/registry/headers.h"
#include "minibuild/base/text.h"

using namespace minibuild::registry;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Challenge& challenge : parse_challenges(text))
    if (challenge.scheme.empty()) std::abort();
  next_link({std::string(text)});
  if (const auto range = parse_content_range(text))
    if (range->last < range->first || (range->total && *range->total <= range->last)) std::abort();
  if (minibuild::base::unbase64(minibuild::base::base64(text)) != text) std::abort();
  minibuild::base::unbase64(text);
  percent_encode(text);
  return 0;
}
