// Lock files: what is read can be written, and reads again as the same lock.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/build/lock.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  try {
    const build::Lock lock = build::parse_lock({reinterpret_cast<const char*>(data), size}, "input");
    if (build::parse_lock(build::to_json(lock), "what was written") != lock) std::abort();
  } catch (const base::Error&) {
    return 0;
  }
  return 0;
}
