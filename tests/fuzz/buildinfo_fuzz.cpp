// What toolchains and packagers write into images: no input leads anywhere but to a value.
#include <cstdint>
#include <string>

#include "builder/trust/build_info.h"
#include "builder/trust/licenses.h"
#include "minibuild/base/error.h"
#include "minibuild/tree/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  trust::parse_go_build(bytes);
  trust::parse_rust_build(bytes);
  for (const bool little_endian : {true, false}) {
    trust::parse_build_id(bytes, little_endian);
    trust::parse_package_note(bytes, little_endian);
  }
  // Every reference has its name.
  for (const auto& licenses : {trust::copyright_licenses(bytes), trust::expression_licenses(bytes)})
    for (const trust::License& license : licenses)
      if (license.expression.empty() ||
          (license.expression.find("LicenseRef-") != std::string::npos) != !license.names.empty())
        __builtin_trap();
  try {
    tree::elf_sections(tree::inline_content(bytes), {".go.buildinfo", ".dep-v0", ".note.package"},
                       trust::max_build_section, "input");
  } catch (const base::Error&) {
    // A malformed file is an Error.
  }
  return 0;
}
