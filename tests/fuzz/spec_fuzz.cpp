// Specs: every error has a place inside the source, and can be shown.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/spec/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace minibuild;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const spec::ParseResult result = spec::parse(
      source, {.file = "f.yaml", .directory = ".", .set = {}, .platform = {"linux", "amd64", ""}});
  const auto lines =
      std::count(source.begin(), source.end(), '\n') + std::count(source.begin(), source.end(), '\r') + 2;
  for (const spec::Diagnostic& one : result.diagnostics)
    if (one.position.line < 1 || one.position.column < 1 ||
        (one.position.line > lines && source.find("\xe2\x80") == std::string_view::npos &&
         source.find("\xc2\x85") == std::string_view::npos))
      std::abort();
  spec::render_text(result.diagnostics, "f.yaml", source);
  spec::render_json(result.diagnostics, "f.yaml");
  return 0;
}
