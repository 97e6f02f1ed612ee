// project::Lock files: what is read can be written, and reads again as the same lock.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/project/lock_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  try {
    const project::Lock lock = project::parse_lock({reinterpret_cast<const char*>(data), size}, "input");
    if (project::parse_lock(project::to_json(lock), "what was written") != lock) std::abort();
  } catch (const base::Error&) {
    return 0;
  }
  return 0;
}
