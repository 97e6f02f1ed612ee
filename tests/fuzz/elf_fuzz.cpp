// ELF files and globs: no input leads anywhere but to a value or an Error.
#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/tree/elf.h"
#include "minibuild/tree/glob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try {
    tree::read_elf(tree::inline_content(bytes), "input");
  } catch (const base::Error&) {
    // A malformed file is an Error.
  }
  const size_t middle = bytes.find('\n');
  if (middle != std::string::npos) {
    tree::glob_error(bytes.substr(0, middle));
    tree::glob_match(bytes.substr(0, middle), bytes.substr(middle + 1));
    tree::ignore_error(bytes.substr(0, middle));
    std::vector<tree::IgnoreProblem> problems;
    tree::IgnoreList::parse(bytes, problems).ignores(bytes.substr(middle + 1));
  }
  return 0;
}
