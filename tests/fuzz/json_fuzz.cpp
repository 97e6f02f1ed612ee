// Image documents: whatever is read can be written and read again as the same value.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/oci/image.h"

namespace {

template <typename Parse>
void round_trip(std::string_view text, Parse parse) {
  try {
    const auto first = parse(text, "input");
    const std::string written = minibuild::oci::to_json(first);
    const auto second = parse(written, "what was written");
    if (minibuild::oci::to_json(second) != written) std::abort();
  } catch (const minibuild::base::Error&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  round_trip(text, minibuild::oci::parse_manifest);
  round_trip(text, minibuild::oci::parse_index);
  round_trip(text, minibuild::oci::parse_config);
  return 0;
}
