// What the reader of tar archives says of files, for e2e/tars.sh: each line of stdin is a path, of which a
// line for each node comes out: kind, mode, owner, time, path, target or SHA-256, and for files with several
// names the first of them. Names are hexadecimal.
#include <algorithm>
#include <array>
#include <iostream>
#include <map>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace {

using namespace minibuild;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

// Contents as they come one after the other, by path; what is read by place has to be the same.
std::map<std::string, std::string> contents_of(const std::string& path) {
  const base::Fd fd = base::open_file(path);
  base::FdSource source(fd.get(), path);
  archive::TarReader reader(source, path, archive::foreign_limits);
  archive::TarEntry entry;
  std::map<std::string, std::string> contents;
  std::array<char, 777> buffer{};
  while (reader.next(entry)) {
    if (entry.kind != archive::TarEntry::Kind::file) continue;
    std::string& content = contents[entry.path];
    content.clear();
    while (const size_t n = reader.read(buffer)) content.append(buffer.data(), n);
  }
  return contents;
}

void answer(const std::string& path) {
  const auto archive = std::make_shared<const tree::Archive>(tree::Archive{path, {}});
  const tree::FileTree tree = archive::read_tar(archive, path, archive::foreign_limits);
  const auto contents = contents_of(path);
  std::map<uint64_t, std::string> first_names;
  for (const auto& [name, node] : tree.nodes()) {
    std::string last = hex(node.target);
    if (node.type == tree::NodeType::file) {
      const std::string content = tree::read_content(node.content, uint64_t{1} << 26U);
      last = base::to_hex(base::sha256(content));
      if (const auto streamed = contents.find(name);
          streamed != contents.end() && streamed->second != content)
        last = "differs when it is read as a stream";
      if (node.link_group != 0)
        last += " " + first_names.try_emplace(node.link_group, hex(name)).first->second;
    }
    if (node.type == tree::NodeType::character_device || node.type == tree::NodeType::block_device)
      last = fmt::format("{},{}", node.device_major, node.device_minor);
    constexpr std::string_view kinds = "d-lcbp";
    std::cout << fmt::format("{} {:o} {} {} {} {} {}\n", kinds.at(static_cast<size_t>(node.type)), node.mode,
                             node.uid, node.gid, node.mtime, hex(name), last);
  }
}

}  // namespace

int main() {
  std::string path;
  while (std::getline(std::cin, path)) {
    try {
      answer(path);
    } catch (const base::Error& error) {
      std::cout << "error: " << error.what() << '\n';
    }
    std::cout << ".\n";
  }
}
