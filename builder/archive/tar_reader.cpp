// Reads tar archives that nobody vouches for.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "minibuild/archive/tar.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::archive {

using base::fail;

namespace {

using Block = std::array<char, tar_block>;
using Records = std::map<std::string, std::string>;

std::string_view field(const Block& block, size_t at, size_t size) {
  const std::string_view all(block.data() + at, size);
  return all.substr(0, std::min(all.find('\0'), all.size()));
}

}  // namespace

struct TarReader::Impl {
  base::Source& source;
  std::string what;
  TarLimits limits;
  uint64_t position = 0;
  uint64_t content_left = 0;
  uint64_t padding_left = 0;
  uint64_t entries = 0;
  bool ended = false;

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail("cannot read {}: {}", what, fmt::format(format, std::forward<Args>(args)...));
  }

  void skip(uint64_t count) {
    const uint64_t done = source.skip(count);
    position += done;
    if (done != count) bad("the archive is cut off at byte {}", position);
  }

  // False at the very end of the source.
  bool read_block(Block& block) {
    const size_t n = base::read_full(source, block);
    position += n;
    if (n == 0) return false;
    if (n != block.size()) bad("the archive is cut off at byte {}", position);
    return true;
  }

  uint64_t number(const Block& block, size_t at, size_t size, std::string_view name) const {
    const auto first = static_cast<uint8_t>(block[at]);
    if ((first & 0x80U) != 0) {  // base-256, GNU
      if ((first & 0x40U) != 0) bad("negative {} in the header at byte {}", name, position - tar_block);
      uint64_t value = first & 0x3FU;
      for (size_t i = 1; i < size; ++i) {
        if (value >> 55U != 0) bad("absurd {} in the header at byte {}", name, position - tar_block);
        value = value << 8U | static_cast<uint8_t>(block[at + i]);
      }
      return value;
    }
    uint64_t value = 0;
    std::string_view text = field(block, at, size);
    text = base::trim(text);
    for (const char c : text) {
      if (c < '0' || c > '7') bad("malformed {} in the header at byte {}", name, position - tar_block);
      value = value * 8 + static_cast<uint64_t>(c - '0');
    }
    return value;
  }

  void check_sum(const Block& block) const {
    const uint64_t want = number(block, 148, 8, "checksum");
    uint64_t sum = 0;
    int64_t signed_sum = 0;
    for (size_t i = 0; i < block.size(); ++i) {
      const char c = i >= 148 && i < 156 ? ' ' : block[i];
      sum += static_cast<uint8_t>(c);
      signed_sum += static_cast<signed char>(c);
    }
    if (sum != want && signed_sum != static_cast<int64_t>(want))
      bad("wrong header checksum at byte {}: this is not a tar archive, or it is damaged",
          position - tar_block);
  }

  std::string read_extension(uint64_t size) {
    if (size > limits.extended) bad("an extended header of {} bytes, want at most {}", size, limits.extended);
    std::string bytes(size, '\0');
    const size_t n = base::read_full(source, bytes);
    position += n;
    if (n != size) bad("the archive is cut off at byte {}", position);
    skip(tar_padding(size));
    return bytes;
  }

  // `LENGTH KEY=VALUE\n`, repeated to the end.
  void parse_pax(std::string_view body, Records& records) const {
    while (!body.empty()) {
      const size_t space = body.find(' ');
      const auto length = base::parse_number(body.substr(0, std::min(space, body.size())), body.size());
      if (space == std::string_view::npos || !length || *length < space + 3 || body[*length - 1] != '\n')
        bad("malformed extended header at byte {}", position);
      const std::string_view record = body.substr(space + 1, *length - space - 2);
      const size_t equals = record.find('=');
      if (equals == std::string_view::npos || equals == 0)
        bad("malformed extended header at byte {}", position);
      const std::string key(record.substr(0, equals));
      if (key.starts_with("GNU.sparse")) bad("sparse files are not part of the layer format");
      records[key] = std::string(record.substr(equals + 1));
      body.remove_prefix(*length);
    }
  }

  uint64_t pax_number(const std::string& text, std::string_view key) const {
    const auto value = base::parse_number(text, INT64_MAX);
    if (!value)
      bad("malformed '{}' in an extended header: got '{}', want a number", key, base::printable(text));
    return *value;
  }

  // Seconds, the fraction dropped towards minus infinity.
  int64_t pax_time(const std::string& text) const {
    const bool negative = text.starts_with('-');
    const std::string_view rest = std::string_view(text).substr(negative ? 1 : 0);
    const size_t dot = std::min(rest.find('.'), rest.size());
    const auto whole = base::parse_number(rest.substr(0, dot), uint64_t{1} << 40U);
    if (!whole) bad("malformed 'mtime' in an extended header: got '{}'", base::printable(text));
    const bool fraction = rest.substr(dot).find_first_of("123456789") != std::string_view::npos;
    const auto seconds = static_cast<int64_t>(*whole);
    return negative ? -seconds - (fraction ? 1 : 0) : seconds;
  }

  std::string clean_path(std::string_view raw, std::string_view role) const {
    if (raw.size() > limits.path) bad("a {} of {} bytes, want at most {}", role, raw.size(), limits.path);
    for (const char c : raw)
      if (limits.any_name ? c == '\0' : static_cast<uint8_t>(c) < 0x20 || c == 0x7F)
        bad("control character in the {} '{}'", role, base::printable(raw));
    for (const std::string& part : base::split(raw, '/'))
      if (part == "..") bad("the {} '{}' leads out of the archive", role, base::printable(raw));
    return tree::normalise(raw);
  }

  bool next(TarEntry& entry);
  void fill(TarEntry& entry, const Block& block, const Records& records);
};

namespace {

std::optional<TarEntry::Kind> kind_of(char flag) {
  switch (flag) {
    case '\0':
    case '0':
    case '7':
      return TarEntry::Kind::file;
    case '1':
      return TarEntry::Kind::hard_link;
    case '2':
      return TarEntry::Kind::symlink;
    case '3':
      return TarEntry::Kind::character_device;
    case '4':
      return TarEntry::Kind::block_device;
    case '5':
      return TarEntry::Kind::directory;
    case '6':
      return TarEntry::Kind::fifo;
    default:
      return std::nullopt;
  }
}

tree::NodeType node_type(TarEntry::Kind kind) {
  switch (kind) {
    case TarEntry::Kind::directory:
      return tree::NodeType::directory;
    case TarEntry::Kind::symlink:
      return tree::NodeType::symlink;
    case TarEntry::Kind::character_device:
      return tree::NodeType::character_device;
    case TarEntry::Kind::block_device:
      return tree::NodeType::block_device;
    case TarEntry::Kind::fifo:
      return tree::NodeType::fifo;
    default:
      return tree::NodeType::file;
  }
}

}  // namespace

void TarReader::Impl::fill(TarEntry& entry, const Block& block, const Records& records) {
  const auto record = [&records](const char* key) -> const std::string* {
    const auto it = records.find(key);
    return it == records.end() ? nullptr : &it->second;
  };
  std::string raw(field(block, 0, 100));
  const bool is_posix = std::string_view(block.data() + 257, 6) == std::string_view("ustar\0", 6);
  if (is_posix && !field(block, 345, 155).empty()) raw = fmt::format("{}/{}", field(block, 345, 155), raw);
  if (const std::string* path = record("path")) raw = *path;
  const char flag = block[156];
  auto kind = kind_of(flag);
  if (!kind) bad("unknown entry type '{}' at byte {}", base::printable({&flag, 1}), position - tar_block);
  // V7 archives mark directories by a trailing slash alone.
  if (*kind == TarEntry::Kind::file && raw.ends_with('/')) kind = TarEntry::Kind::directory;
  entry.kind = *kind;
  if (raw.empty()) bad("an entry without a name at byte {}", position - tar_block);
  entry.path = clean_path(raw, "name");
  if (entry.path.empty() && entry.kind != TarEntry::Kind::directory)
    bad("the root '{}' must be a directory", base::printable(raw));

  tree::Node& node = entry.node;
  node = tree::Node{};
  node.type = node_type(entry.kind);
  node.mode = static_cast<uint32_t>(number(block, 100, 8, "mode") & 07777U);
  const auto id = [&](const char* key, size_t at) {
    const std::string* text = record(key);
    const uint64_t value = text != nullptr ? pax_number(*text, key) : number(block, at, 8, key);
    if (value > 4294967294U)
      bad("'{}' has the {} {}, want at most 4294967294", base::printable(entry.path), key, value);
    return static_cast<uint32_t>(value);
  };
  node.uid = id("uid", 108);
  node.gid = id("gid", 116);
  const std::string* time = record("mtime");
  if (time != nullptr)
    node.mtime = pax_time(*time);
  else if ((static_cast<uint8_t>(block[136]) & 0xC0U) == 0xC0U)  // before 1970, GNU base-256
    node.mtime = -1;
  else
    node.mtime =
        static_cast<int64_t>(std::min<uint64_t>(number(block, 136, 12, "mtime"), uint64_t{1} << 40U));
  const std::string* size_text = record("size");
  const uint64_t size =
      size_text != nullptr ? pax_number(*size_text, "size") : number(block, 124, 12, "size");
  if (size > static_cast<uint64_t>(INT64_MAX) - tar_block)
    bad("'{}' has an absurd size", base::printable(entry.path));
  if (size != 0 && entry.kind != TarEntry::Kind::file)
    bad("'{}' is not a file but carries {} bytes of data", base::printable(entry.path), size);
  node.content.size = size;
  if (entry.kind == TarEntry::Kind::character_device || entry.kind == TarEntry::Kind::block_device) {
    node.device_major = static_cast<uint32_t>(number(block, 329, 8, "device number"));
    node.device_minor = static_cast<uint32_t>(number(block, 337, 8, "device number"));
  }

  std::string target(field(block, 157, 100));
  if (const std::string* path = record("linkpath")) target = *path;
  entry.target.clear();
  if (entry.kind == TarEntry::Kind::hard_link) {
    entry.target = clean_path(target, "hard link target");
    if (entry.target.empty()) bad("the hard link '{}' has no target", base::printable(entry.path));
  } else if (entry.kind == TarEntry::Kind::symlink) {
    if (target.empty() || target.size() > limits.path || target.find('\0') != std::string::npos)
      bad("the symbolic link '{}' has a target of {} bytes", base::printable(entry.path), target.size());
    entry.target = target;
    node.target = target;
  }
  const std::string* sha1 = record("APK-TOOLS.checksum.SHA1");
  entry.sha1 = sha1 != nullptr ? *sha1 : std::string();
  for (const auto& [key, value] : records)
    if (key.starts_with("SCHILY.xattr.")) node.xattrs.emplace_back(key.substr(13), value);
  if (node.xattrs.size() > limits.xattrs)
    bad("'{}' has {} extended attributes, want at most {}", base::printable(entry.path), node.xattrs.size(),
        limits.xattrs);
  content_left = size;
  padding_left = tar_padding(size);
  entry.offset = position;
}

bool TarReader::Impl::next(TarEntry& entry) {
  if (ended) return false;
  if (content_left > 0) skip(content_left);
  const uint64_t padding = source.skip(padding_left);
  position += padding;
  if (padding < padding_left) {  // what some builders leave away at the very end, as Go's reader allows
    ended = true;
    return false;
  }
  content_left = padding_left = 0;
  Records records;
  bool has_extension = false;
  Block block;
  while (true) {
    if (!read_block(block)) {
      if (has_extension) bad("the archive is cut off at byte {}", position);
      ended = true;
      return false;
    }
    if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) {
      if (has_extension) bad("an extended header at byte {} belongs to no entry", position);
      ended = true;
      return false;
    }
    check_sum(block);
    const char flag = block[156];
    if (flag == 'x' || flag == 'L' || flag == 'K' || flag == 'g') {
      const std::string body = read_extension(number(block, 124, 12, "size"));
      if (flag == 'x') {
        parse_pax(body, records);
      } else if (flag == 'g') {
        Records global;
        parse_pax(body, global);
        for (const auto& [key, value] : global)
          if (key != "comment") bad("a global extended header sets '{}': refused", base::printable(key));
        if (++entries > limits.entries) bad("more than {} entries", limits.entries);
        continue;
      } else {
        records.try_emplace(flag == 'L' ? "path" : "linkpath", body.substr(0, body.find('\0')));
      }
      if (has_extension && ++entries > limits.entries) bad("more than {} entries", limits.entries);
      has_extension = true;
      continue;
    }
    if (++entries > limits.entries) bad("more than {} entries", limits.entries);
    fill(entry, block, records);
    return true;
  }
}

TarReader::TarReader(base::Source& source, std::string what, TarLimits limits)
    : impl_(new Impl{.source = source, .what = std::move(what), .limits = limits}) {}
TarReader::~TarReader() = default;

bool TarReader::next(TarEntry& entry) { return impl_->next(entry); }

size_t TarReader::read(std::span<char> buffer) {
  const auto want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), impl_->content_left));
  if (want == 0) return 0;
  const size_t n = impl_->source.read(buffer.subspan(0, want));
  if (n == 0) impl_->bad("the archive is cut off at byte {}", impl_->position);
  impl_->position += n;
  impl_->content_left -= n;
  return n;
}

uint64_t TarReader::position() const { return impl_->position; }

}  // namespace minibuild::archive
