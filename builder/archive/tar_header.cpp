// Tar headers as they are written: ustar, with a pax header before it where ustar is too small.
#include <array>
#include <cstring>
#include <map>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"

namespace minibuild::archive {

namespace {

using tree::Node;
using tree::NodeType;

// POSIX.1-2008 pax, "ustar Interchange Format".
struct Ustar {
  std::array<char, 100> name;
  std::array<char, 8> mode, uid, gid;
  std::array<char, 12> size, mtime;
  std::array<char, 8> checksum;
  char type;
  std::array<char, 100> link;
  std::array<char, 6> magic;
  std::array<char, 2> version;
  std::array<char, 32> user, group;
  std::array<char, 8> major, minor;
  std::array<char, 155> prefix;
  std::array<char, 12> unused;
};
static_assert(sizeof(Ustar) == tar_block);

template <size_t N>
constexpr uint64_t largest_octal() {
  return (uint64_t{1} << (3 * (N - 1))) - 1;
}

template <size_t N>
void put_octal(std::array<char, N>& field, uint64_t value) {
  for (size_t i = N - 1; i-- > 0; value >>= 3U) field[i] = static_cast<char>('0' + (value & 7U));
  field[N - 1] = '\0';
}

template <size_t N>
void put_text(std::array<char, N>& field, std::string_view text) {
  std::memcpy(field.data(), text.data(), std::min(N, text.size()));
}

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  return true;
}

// Splits a long path at a `/` so that both parts fit; false if there is no such place.
bool put_path(Ustar& header, std::string_view path) {
  if (!is_ascii(path)) return false;
  if (path.size() <= header.name.size()) {
    put_text(header.name, path);
    return true;
  }
  const size_t from = path.size() - header.name.size() - 1;
  for (size_t slash = path.find('/', from); slash != std::string_view::npos && slash <= header.prefix.size();
       slash = path.find('/', slash + 1)) {
    if (slash == 0 || slash + 1 == path.size()) continue;
    put_text(header.prefix, path.substr(0, slash));
    put_text(header.name, path.substr(slash + 1));
    return true;
  }
  return false;
}

// `LENGTH KEY=VALUE\n`, where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) length = rest + std::to_string(length).size();
  return fmt::format("{} {}={}\n", length, key, value);
}

char type_flag(NodeType type, bool hard_link) {
  if (hard_link) return '1';
  switch (type) {
    case NodeType::directory:
      return '5';
    case NodeType::file:
      return '0';
    case NodeType::symlink:
      return '2';
    case NodeType::character_device:
      return '3';
    case NodeType::block_device:
      return '4';
    case NodeType::fifo:
      return '6';
  }
  return '0';
}

void append(std::string& out, Ustar& header) {
  header.checksum.fill(' ');
  uint64_t sum = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  for (size_t i = 0; i < sizeof header; ++i) sum += bytes[i];
  for (size_t i = 6; i-- > 0; sum >>= 3U) header.checksum[i] = static_cast<char>('0' + (sum & 7U));
  header.checksum[6] = '\0';
  header.checksum[7] = ' ';
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
}

Ustar empty_header() {
  Ustar header{};
  put_text(header.magic, {"ustar\0", 6});
  put_text(header.version, "00");
  put_octal(header.major, 0);
  put_octal(header.minor, 0);
  return header;
}

void append_pax(std::string& out, std::string_view path, const std::map<std::string, std::string>& records) {
  std::string body;
  for (const auto& [key, value] : records) body += pax_record(key, value);
  Ustar header = empty_header();
  std::string_view last = path;
  while (last.ends_with('/')) last.remove_suffix(1);
  std::string name = "PaxHeaders/";
  for (const char c : tree::name_of(last).substr(0, 80))
    name.push_back(static_cast<uint8_t>(c) < 0x80 ? c : '_');
  put_text(header.name, name);
  put_octal(header.mode, 0644);
  put_octal(header.uid, 0);
  put_octal(header.gid, 0);
  put_octal(header.size, body.size());
  put_octal(header.mtime, 0);
  header.type = 'x';
  append(out, header);
  out += body;
  out.append(tar_padding(body.size()), '\0');
}

}  // namespace

std::string tar_header(std::string_view path, const Node& node, std::string_view hard_link) {
  const bool is_link = !hard_link.empty();
  const bool is_directory = node.type == NodeType::directory && !is_link;
  const std::string name = is_directory ? fmt::format("{}/", path) : std::string(path);
  const std::string_view target = is_link ? hard_link : std::string_view(node.target);
  const uint64_t size = node.type == NodeType::file && !is_link ? node.content.size : 0;

  Ustar header = empty_header();
  std::map<std::string, std::string> pax;
  if (!put_path(header, name)) {
    pax["path"] = name;
    put_text(header.name, is_ascii(name) ? std::string_view(name).substr(0, 100) : std::string_view("pax"));
  }
  if (target.size() > header.link.size() || !is_ascii(target))
    pax["linkpath"] = std::string(target);
  else
    put_text(header.link, target);

  const auto put_number = [&pax](auto& field, uint64_t value, const char* key) {
    const bool fits = value <= largest_octal<std::tuple_size_v<std::remove_reference_t<decltype(field)>>>();
    if (!fits) pax[key] = std::to_string(value);
    put_octal(field, fits ? value : 0);
  };
  put_octal(header.mode, node.mode & 07777U);
  put_number(header.uid, node.uid, "uid");
  put_number(header.gid, node.gid, "gid");
  put_number(header.size, size, "size");
  if (node.mtime < 0 || static_cast<uint64_t>(node.mtime) > largest_octal<12>()) {
    pax["mtime"] = std::to_string(node.mtime);
    put_octal(header.mtime, 0);
  } else {
    put_octal(header.mtime, static_cast<uint64_t>(node.mtime));
  }
  if (node.type == NodeType::character_device || node.type == NodeType::block_device) {
    put_octal(header.major, node.device_major);
    put_octal(header.minor, node.device_minor);
  }
  if (!is_link)
    for (const auto& [key, value] : node.xattrs) pax["SCHILY.xattr." + key] = value;
  header.type = type_flag(node.type, is_link);

  std::string out;
  out.reserve(tar_block);
  if (!pax.empty()) append_pax(out, name, pax);
  append(out, header);
  return out;
}

void write_tar(const tree::FileTree& tree, base::Sink& sink) {
  std::map<uint64_t, std::string> groups;
  std::string buffer;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type == NodeType::file && node.link_group != 0) {
      const auto [first, is_first] = groups.try_emplace(node.link_group, path);
      if (!is_first) {
        sink.write(tar_header(path, node, first->second));
        continue;
      }
    }
    sink.write(tar_header(path, node));
    if (node.type != NodeType::file) continue;
    for (uint64_t offset = 0; offset < node.content.size; offset += buffer.size()) {
      buffer.resize(std::min<uint64_t>(node.content.size - offset, uint64_t{1} << 20U));
      tree::read_content(node.content, offset, buffer);
      sink.write(buffer);
    }
    sink.write(std::string(tar_padding(node.content.size), '\0'));
  }
  sink.write(std::string(tar_end_size, '\0'));
}

}  // namespace minibuild::archive
