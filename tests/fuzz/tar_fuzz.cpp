// Archives: what is read as a tree can be written, and reads again as the same tree; layers over it never
// lead outside.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/archive/compress.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"

namespace {

using namespace minibuild;

// The names and nodes of an archive in memory, with hard links resolved as text.
std::string listing(std::string_view bytes, uint64_t* entries) {
  base::MemorySource source(bytes);
  const std::unique_ptr<base::Source> plain = archive::decompress(source, "input");
  archive::TarReader reader(*plain, "input", {.entries = 10'000});
  archive::TarEntry entry;
  std::string out;
  while (reader.next(entry)) {
    ++*entries;
    if (entry.path.starts_with("/") || entry.path.find("../") != std::string::npos) std::abort();
    tree::Node node = entry.node;
    std::string content(static_cast<size_t>(std::min<uint64_t>(node.content.size, 1U << 20U)), '\0');
    content.resize(reader.read(content));
    node.content = tree::inline_content(content);
    // What was read is written with a header that reads as the same.
    if (entry.path.empty()) continue;
    const bool link = entry.kind == archive::TarEntry::Kind::hard_link;
    const std::string header = archive::tar_header(entry.path, node, link ? entry.target : std::string());
    const std::string again =
        header + (link ? "" : content + std::string(archive::tar_padding(content.size()), '\0'));
    base::MemorySource second(again);
    archive::TarReader check(second, "what was written");
    archive::TarEntry same;
    if (!check.next(same)) std::abort();
    if (same.path != entry.path || same.target != entry.target || same.node.mode != node.mode ||
        same.node.uid != node.uid || same.node.gid != node.gid ||
        same.node.xattrs != (link ? tree::Xattrs() : node.xattrs))
      std::abort();
    out += entry.path;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t entries = 0;
  try {
    listing({reinterpret_cast<const char*>(data), size}, &entries);
  } catch (const base::Error&) {
    return 0;
  }
  return 0;
}
