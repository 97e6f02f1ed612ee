// References: what is read is written back as it was, and reading it again gives the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/oci/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto first = minibuild::oci::parse_reference(text);
    const std::string written = minibuild::oci::to_string(first);
    if (written != text || !(minibuild::oci::parse_reference(written) == first)) std::abort();
  } catch (const minibuild::base::Error&) {
    return 0;
  }
  return 0;
}
