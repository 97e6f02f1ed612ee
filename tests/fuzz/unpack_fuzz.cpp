// Downloaded archives: what becomes a tar is one that our own reader takes or refuses, never one that leads
// it outside, and never larger than the limit.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace {

class Memory : public minibuild::base::Sink {
 public:
  void write(std::string_view bytes) override {
    text.append(bytes);
    if (text.size() > (size_t{64} << 20)) std::abort();
  }
  std::string text;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  const base::Fd file(::memfd_create("input", MFD_CLOEXEC));
  base::write_all(file.get(), {reinterpret_cast<const char*>(data), size}, "the input");
  Memory plain;
  try {
    archive::unpack("/proc/self/fd/" + std::to_string(file.get()), plain, "input",
                    {.entries = 1000, .size = uint64_t{16} << 20});
    base::MemorySource source(plain.text);
    archive::TarReader reader(source, "what was unpacked");
    archive::TarEntry entry;
    // A part that only ends with dots, as in `a../b`, is a name like any other.
    while (reader.next(entry))
      if (entry.path.starts_with("/") || ("/" + entry.path + "/").find("/../") != std::string::npos)
        std::abort();
  } catch (const base::Error&) {
    return 0;
  }
  return 0;
}
