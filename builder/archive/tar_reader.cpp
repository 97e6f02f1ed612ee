// Reads tar archives that nobody vouches for.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "minibuild/archive/growth.h"
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

constexpr int64_t latest = int64_t{1} << 40U;  // seconds; beyond are no times that anything could show

// What an extended header says beside `path`, `size` and so on: of a file with holes, in the order in which
// it stands there (GNU tar, "Sparse Formats").
struct SparseRecords {
  std::vector<uint64_t> map;  // offset, length, offset, length …: PAX 0.0 and 0.1
  bool has_map = false;
};

// The compressor whose first bytes these are; empty if none.
std::string_view compressor_of(std::string_view bytes) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> known = {{
      {"\x1F\x8B"sv, "gzip"},
      {"\x28\xB5\x2F\xFD"sv, "zstd"},
      {"\xFD\x37\x7A\x58\x5A\x00"sv, "xz"},
      {"BZh"sv, "bzip2"},
  }};
  for (const auto& [magic, name] : known)
    if (bytes.starts_with(magic)) return name;
  return {};
}

}  // namespace

struct TarReader::Impl {
  base::Source& source;
  std::string what;
  TarLimits limits;
  uint64_t position = 0;
  uint64_t content_left = 0;  // of what the archive holds
  uint64_t padding_left = 0;
  uint64_t entries = 0;
  bool ended = false;
  std::optional<int64_t> global_time{};  // of a `g` header
  std::string name{};                    // of the entry that is read
  // Of a file with holes: where in the file the next byte is, and which part comes next.
  std::shared_ptr<const tree::Extents> extents{};
  uint64_t file_size = 0;
  uint64_t file_at = 0;
  size_t extent = 0;
  Growth growth{};  // holes are bytes that nobody had to send

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail("cannot read {}: {}", what, fmt::format(format, std::forward<Args>(args)...));
  }

  // What was to come is not there.
  [[noreturn]] void ends_early() const {
    bad("the archive ends after {} bytes, within '{}'", position, base::printable(name));
  }

  void skip(uint64_t count) {
    const uint64_t done = source.skip(count);
    position += done;
    if (done != count) ends_early();
  }

  // False at the very end of the source.
  bool read_block(Block& block) {
    const size_t n = base::read_full(source, block);
    position += n;
    if (n == 0) return false;
    if (n == block.size()) return true;
    refuse_compressed({block.data(), n});
    if (position == n) bad("it has {} bytes, fewer than any tar archive", n);
    bad("the archive ends after {} bytes, within a header", position);
  }

  void refuse_compressed(std::string_view start) const {
    if (position > tar_block) return;
    if (const std::string_view by = compressor_of(start); !by.empty())
      bad("it is compressed with {}, and a plain tar archive is wanted here", by);
  }

  // A field in octal digits, with a sign before them or not, or in base 256 with the first bit set (GNU): a
  // number in two's complement.
  int64_t signed_number(const Block& block, size_t at, size_t size, std::string_view what_of) const {
    const auto first = static_cast<uint8_t>(block[at]);
    if ((first & 0x80U) != 0) {
      const bool negative = (first & 0x40U) != 0;
      uint64_t value = negative ? ~uint64_t{0} : 0;
      value = value << 7U | (first & 0x7FU);
      for (size_t i = 1; i < size; ++i) {
        const uint64_t above = value >> 55U;
        if (above != (negative ? uint64_t{0x1FF} : 0))
          bad("absurd {} in the header at byte {}", what_of, position - tar_block);
        value = value << 8U | static_cast<uint8_t>(block[at + i]);
      }
      return static_cast<int64_t>(value);
    }
    std::string_view text(block.data() + at, size);
    text.remove_prefix(std::min(text.find_first_not_of(std::string_view(" \0", 2)), text.size()));
    text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    int64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '7') bad("malformed {} in the header at byte {}", what_of, position - tar_block);
      value = value * 8 + (c - '0');
    }
    return negative ? -value : value;
  }

  uint64_t number(const Block& block, size_t at, size_t size, std::string_view what_of) const {
    const int64_t value = signed_number(block, at, size, what_of);
    if (value < 0) bad("negative {} in the header at byte {}", what_of, position - tar_block);
    return static_cast<uint64_t>(value);
  }

  void check_sum(const Block& block) const {
    refuse_compressed({block.data(), block.size()});
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
    if (n != size) bad("the archive ends after {} bytes, within an extended header", position);
    skip(tar_padding(size));
    return bytes;
  }

  // `LENGTH KEY=VALUE\n`, repeated to the end. An empty value takes back what was said before, but for
  // xattrs, which may be empty.
  void parse_pax(std::string_view body, Records& records, SparseRecords& sparse) const {
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
      const std::string value(record.substr(equals + 1));
      body.remove_prefix(*length);
      if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
        if ((sparse.map.size() % 2 == 0) != (key == "GNU.sparse.offset"))
          bad("malformed map of a file with holes in the extended header before byte {}", position);
        sparse.map.push_back(pax_number(value, key));
        sparse.has_map = true;
      } else if (key == "GNU.sparse.map") {
        sparse.map.clear();
        if (!value.empty())
          for (const std::string& one : base::split(value, ',')) sparse.map.push_back(pax_number(one, key));
        sparse.has_map = true;
      } else if (value.empty() && !key.starts_with("SCHILY.xattr.")) {
        records.erase(key);
      } else {
        records[key] = value;
      }
    }
  }

  // What a `g` header says of all entries that follow. Nobody but GNU tar and POSIX heeds it: container
  // engines do not. So what would make another file of one is refused, and the rest does not matter.
  void parse_global(std::string_view body) {
    Records records;
    SparseRecords sparse;
    parse_pax(body, records, sparse);
    for (const auto& [key, value] : records)
      if (key == "path" || key == "linkpath" || key == "size" || key == "uid" || key == "gid" ||
          key.starts_with("SCHILY.xattr.") || key.starts_with("GNU.sparse.") || sparse.has_map)
        bad("a global extended header sets '{}', which some programs heed and others do not", key);
    if (const auto time = records.find("mtime"); time != records.end()) global_time = pax_time(time->second);
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
    const auto whole = base::parse_number(rest.substr(0, dot));
    if (!whole) bad("malformed 'mtime' in an extended header: got '{}'", base::printable(text));
    const bool fraction = rest.substr(dot).find_first_of("123456789") != std::string_view::npos;
    const auto seconds = static_cast<int64_t>(std::min<uint64_t>(*whole, latest));
    return negative ? -seconds - (fraction ? 1 : 0) : seconds;
  }

  std::string clean_path(std::string_view raw, std::string_view role) const {
    if (raw.size() > limits.path) bad("a {} of {} bytes, want at most {}", role, raw.size(), limits.path);
    for (const char c : raw)
      if (limits.any_name ? c == '\0' : static_cast<uint8_t>(c) < 0x20 || c == 0x7F)
        bad("control character in the {} '{}'", role, base::printable(raw));
    int depth = 0;
    for (const std::string& part : base::split(raw, '/')) {
      if (part == "..")
        --depth;
      else if (!part.empty() && part != ".")
        ++depth;
      if (depth < 0) bad("the {} '{}' leads out of the archive", role, base::printable(raw));
    }
    return tree::normalise(raw);
  }

  // The parts of a file with holes, in order and within it; together they are what the archive holds.
  void set_extents(TarEntry& entry, const std::vector<uint64_t>& map, uint64_t size, uint64_t stored) {
    const auto malformed = [&](const char* why) {
      bad("malformed map of the file with holes '{}': {}", base::printable(entry.path), why);
    };
    if (map.size() % 2 != 0) malformed("an offset without a length");
    auto made = std::make_shared<tree::Extents>();
    uint64_t end = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < map.size(); i += 2) {
      const uint64_t offset = map[i];
      const uint64_t length = map[i + 1];
      if (offset < end || offset > size || length > size - offset)
        malformed("its parts overlap, or are outside of it");
      end = offset + length;
      if (length == 0) continue;
      made->push_back({offset, length, position + sum});
      sum += length;
    }
    if (sum != stored) malformed("its parts are not what the archive holds of it");
    growth.add(position + stored, size - stored, what);
    entry.node.content.size = size;
    entry.extents = extents = std::move(made);
  }

  // GNU's old form: 4 parts in the header, 21 in each block that follows.
  std::vector<uint64_t> read_old_map(Block block) {
    std::vector<uint64_t> map;
    size_t at = 386;
    size_t count = 4;
    while (true) {
      for (size_t i = 0; i < count && block[at + 24 * i] != '\0'; ++i) {
        map.push_back(number(block, at + 24 * i, 12, "offset of a part"));
        map.push_back(number(block, at + 24 * i + 12, 12, "size of a part"));
      }
      if (block[at + 24 * count] == '\0') return map;
      if (map.size() * 12 > limits.extended) bad("'{}' has too many holes", base::printable(name));
      if (!read_block(block)) ends_early();
      at = 0;
      count = 21;
    }
  }

  // PAX 1.0: lines of decimal numbers before the data, the first their pairs' count, to the end of a block.
  std::vector<uint64_t> read_map_before_data(uint64_t& stored) {
    std::vector<uint64_t> numbers;
    std::string text;
    uint64_t taken = 0;
    while (numbers.empty() || numbers.size() - 1 < 2 * numbers.front()) {
      Block block;
      if (stored - taken < tar_block || taken > limits.extended ||
          (!numbers.empty() && numbers.front() > limits.extended))
        bad("malformed map of the file with holes '{}'", base::printable(name));
      if (!read_block(block)) ends_early();
      taken += tar_block;
      text.append(block.data(), block.size());
      size_t start = 0;
      for (size_t line = text.find('\n'); line != std::string::npos; line = text.find('\n', start)) {
        if (!numbers.empty() && numbers.size() - 1 == 2 * numbers.front()) break;
        numbers.push_back(pax_number(text.substr(start, line - start), "GNU.sparse.map"));
        start = line + 1;
      }
      text.erase(0, start);
    }
    stored -= taken;
    numbers.erase(numbers.begin());
    return numbers;
  }

  void read_holes(TarEntry& entry, const Block& block, const Records& records, const SparseRecords& sparse);

  bool next(TarEntry& entry);
  void fill(TarEntry& entry, const Block& block, const Records& records, const SparseRecords& sparse);
  size_t read(std::span<char> buffer);
};

namespace {

std::optional<TarEntry::Kind> kind_of(char flag) {
  switch (flag) {
    case '\0':
    case '0':
    case '7':
    case 'S':  // GNU, with holes
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
    case 'D':  // GNU, with a list of what is in it as data
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

// GNU tar's manual, "Storing Sparse Files".
void TarReader::Impl::read_holes(TarEntry& entry, const Block& block, const Records& records,
                                 const SparseRecords& sparse) {
  const auto text = [&records](const char* key) {
    const auto it = records.find(key);
    return it == records.end() ? std::string() : it->second;
  };
  const std::string major = text("GNU.sparse.major");
  const bool is_old = block[156] == 'S';
  if (!is_old && !sparse.has_map && major.empty()) return;
  if (entry.kind != TarEntry::Kind::file || (is_old && (sparse.has_map || !major.empty())))
    bad("'{}' has holes in a way that no file has", base::printable(entry.path));
  uint64_t stored = entry.node.content.size;
  if (is_old) {
    const uint64_t size = number(block, 483, 12, "size of a file with holes");
    const std::vector<uint64_t> map = read_old_map(block);
    return set_extents(entry, map, size, stored);
  }
  const std::string size_text =
      text("GNU.sparse.realsize").empty() ? text("GNU.sparse.size") : text("GNU.sparse.realsize");
  const uint64_t size = pax_number(size_text, "GNU.sparse.realsize");
  if (size > static_cast<uint64_t>(INT64_MAX) - tar_block)
    bad("'{}' has an absurd size", base::printable(entry.path));
  if (major.empty() || major == "0") {
    const std::string count = text("GNU.sparse.numblocks");
    if (!count.empty() && 2 * pax_number(count, "GNU.sparse.numblocks") != sparse.map.size())
      bad("malformed map of the file with holes '{}'", base::printable(entry.path));
    return set_extents(entry, sparse.map, size, stored);
  }
  if (major != "1" || text("GNU.sparse.minor") != "0")
    bad("'{}' has holes in the form {}.{} of GNU tar, want 0.0, 0.1 or 1.0", base::printable(entry.path),
        base::printable(major), base::printable(text("GNU.sparse.minor")));
  const std::vector<uint64_t> map = read_map_before_data(stored);
  set_extents(entry, map, size, stored);
  content_left = stored;
}

void TarReader::Impl::fill(TarEntry& entry, const Block& block, const Records& records,
                           const SparseRecords& sparse) {
  const auto record = [&records](const char* key) -> const std::string* {
    const auto it = records.find(key);
    return it == records.end() ? nullptr : &it->second;
  };
  std::string raw(field(block, 0, 100));
  const bool is_posix = std::string_view(block.data() + 257, 6) == std::string_view("ustar\0", 6);
  // star ends its headers with `tar`, and has times behind a shorter prefix.
  const bool is_star = std::string_view(block.data() + 508, 4) == std::string_view("tar\0", 4);
  const std::string_view prefix = is_posix ? field(block, 345, is_star ? 131 : 155) : std::string_view();
  if (!prefix.empty()) raw = fmt::format("{}/{}", prefix, raw);
  if (const std::string* path = record("path")) raw = *path;
  if (const std::string* path = record("GNU.sparse.name")) raw = *path;
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
  node.mode = static_cast<uint32_t>(signed_number(block, 100, 8, "mode") & 07777);
  const auto id = [&](const char* key, size_t at) {
    const std::string* text = record(key);
    const int64_t value = text == nullptr          ? signed_number(block, at, 8, key)
                          : text->starts_with('-') ? -static_cast<int64_t>(pax_number(text->substr(1), key))
                                                   : static_cast<int64_t>(pax_number(*text, key));
    // Some write the ids of `nobody` as the negative numbers that they are in 32 bits; -1 is nobody's.
    if (value > 4294967294 || value == -1 || value < INT32_MIN)
      bad("'{}' has the {} {}, want 0 to 4294967294", base::printable(entry.path), key, value);
    return static_cast<uint32_t>(value);
  };
  node.uid = id("uid", 108);
  node.gid = id("gid", 116);
  const std::string* time = record("mtime");
  if (time != nullptr)
    node.mtime = pax_time(*time);
  else if (global_time)
    node.mtime = *global_time;
  else
    node.mtime = std::clamp(signed_number(block, 136, 12, "mtime"), -latest, latest);
  const std::string* size_text = record("size");
  const uint64_t size =
      size_text != nullptr ? pax_number(*size_text, "size") : number(block, 124, 12, "size");
  if (size > static_cast<uint64_t>(INT64_MAX) - tar_block)
    bad("'{}' has an absurd size", base::printable(entry.path));
  // Of what is no file it means nothing, and no data follow; but GNU's lists do, and what only a `/` at the
  // end makes a directory.
  const bool has_data =
      entry.kind == TarEntry::Kind::file || flag == 'D' || kind_of(flag) == TarEntry::Kind::file;
  if (entry.kind == TarEntry::Kind::file) node.content.size = size;
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
  name = entry.path;
  entry.extents = extents = nullptr;
  content_left = has_data ? size : 0;
  padding_left = tar_padding(content_left);
  read_holes(entry, block, records, sparse);
  entry.offset = position;
  file_size = node.content.size;
  file_at = 0;
  extent = 0;
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
  SparseRecords sparse;
  bool has_extension = false;
  Block block;
  while (true) {
    if (!read_block(block)) {
      if (has_extension) bad("the archive ends after {} bytes, behind an extended header", position);
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
    if (flag == 'V') {  // GNU: the volume's name
      if (++entries > limits.entries) bad("more than {} entries", limits.entries);
      const uint64_t size = number(block, 124, 12, "size");
      skip(size + tar_padding(size));
      continue;
    }
    if (flag == 'x' || flag == 'X' || flag == 'L' || flag == 'K' || flag == 'g') {
      const std::string body = read_extension(number(block, 124, 12, "size"));
      if (flag == 'x' || flag == 'X') {  // Solaris writes an X
        parse_pax(body, records, sparse);
      } else if (flag == 'g') {
        parse_global(body);
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
    fill(entry, block, records, sparse);
    return true;
  }
}

TarReader::TarReader(base::Source& source, std::string what, TarLimits limits)
    : impl_(new Impl{.source = source, .what = std::move(what), .limits = limits}) {}
TarReader::~TarReader() = default;

bool TarReader::next(TarEntry& entry) { return impl_->next(entry); }

size_t TarReader::Impl::read(std::span<char> buffer) {
  uint64_t want = std::min<uint64_t>(buffer.size(), file_size - file_at);
  if (want == 0) return 0;
  if (extents) {
    while (extent < extents->size() && file_at >= (*extents)[extent].offset + (*extents)[extent].length)
      ++extent;
    const uint64_t data = extent < extents->size() ? (*extents)[extent].offset : file_size;
    if (file_at < data) {
      want = std::min(want, data - file_at);
      std::fill_n(buffer.begin(), want, '\0');
      file_at += want;
      return want;
    }
    want = std::min(want, data + (*extents)[extent].length - file_at);
  }
  const size_t n = source.read(buffer.subspan(0, want));
  if (n == 0) ends_early();
  position += n;
  content_left -= n;
  file_at += n;
  return n;
}

size_t TarReader::read(std::span<char> buffer) { return impl_->read(buffer); }

uint64_t TarReader::position() const { return impl_->position; }

}  // namespace minibuild::archive
