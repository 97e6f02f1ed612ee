// Reads the few parts of an ELF file that tell what it needs: program headers, interpreter, dynamic section,
// strings.
#include "minibuild/tree/elf.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::tree {

namespace {

constexpr uint64_t max_headers = 512;
constexpr uint64_t max_dynamic = uint64_t{1} << 16;  // bytes of the dynamic section
constexpr uint64_t max_string = 4096;
constexpr uint64_t max_section_headers = uint64_t{4} << 20;  // bytes of the table
constexpr uint64_t max_section_names = uint64_t{1} << 20;    // bytes

constexpr size_t max_versions = 20'000;
constexpr uint64_t dt_versym = 0x6ffffff0;
constexpr uint64_t dt_verdef = 0x6ffffffc;
constexpr uint64_t dt_verneed = 0x6ffffffe;

struct Segment {
  uint32_t type = 0;
  uint64_t offset = 0, address = 0, size = 0;
};

class ElfReader {
 public:
  ElfReader(const Content& content, const std::string& what) : content_(content), what_(what) {}

  std::optional<ElfFile> read() {
    if (!read_header()) return std::nullopt;
    read_segments();
    for (const Segment& segment : segments_) {
      if (segment.type == 3) file_.interpreter = text_at(segment.offset, segment.size);
      if (segment.type == 2) read_dynamic(segment);
    }
    return file_;
  }

  ElfVersions versions() {
    ElfVersions found;
    if (!read_header()) return found;
    read_segments();
    for (const Segment& segment : segments_)
      if (segment.type == 2) read_dynamic(segment);
    if (tags_.contains(dt_verneed)) read_needs(file_offset(tags_[dt_verneed]), found);
    found.defines = tags_.contains(dt_verdef) || !tags_.contains(dt_versym);
    if (tags_.contains(dt_verdef)) read_definitions(file_offset(tags_[dt_verdef]), found);
    return found;
  }

  std::map<std::string, std::string> sections(const std::vector<std::string_view>& names, uint64_t limit) {
    std::map<std::string, std::string> found;
    if (!read_header()) return found;
    const std::vector<Section> sections = read_sections();
    const uint64_t number_of_names = number(header_, file_.is_64 ? 62 : 50, 2);
    if (number_of_names >= sections.size()) return found;
    const Section& table = sections[number_of_names];
    if (table.size > max_section_names) bad("the names of its sections are too long");
    const std::string texts = bytes(table.offset, table.size);
    for (const Section& section : sections) {
      if (section.name >= texts.size()) continue;
      const std::string name = texts.substr(section.name, texts.find('\0', section.name) - section.name);
      const bool wanted = std::find(names.begin(), names.end(), name) != names.end();
      const bool has_bytes =
          section.type != 8 && (section.flags & 0x800U) == 0;  // SHT_NOBITS, SHF_COMPRESSED
      if (wanted && has_bytes && section.size <= limit && !found.contains(name))
        found.emplace(name, bytes(section.offset, section.size));
    }
    return found;
  }

 private:
  struct Section {
    uint32_t name = 0, type = 0;
    uint64_t flags = 0, offset = 0, size = 0;
  };

  bool read_header() {
    if (content_.size < 52 || bytes(0, 4) !=
                                  "\x7f"
                                  "ELF")
      return false;
    const std::string ident = bytes(0, 16);
    file_.is_64 = ident[4] == 2;
    file_.little_endian = ident[5] == 1;
    if ((ident[4] != 1 && ident[4] != 2) || (ident[5] != 1 && ident[5] != 2))
      bad("it has an unknown class or byte order");
    header_ = bytes(0, file_.is_64 ? 64 : 52);
    file_.type = static_cast<uint16_t>(number(header_, 16, 2));
    file_.machine = static_cast<uint16_t>(number(header_, 18, 2));
    return true;
  }

  [[noreturn]] void bad(const std::string& why) const {
    base::fail("cannot read the ELF file {}: {}", what_, why);
  }

  std::string bytes(uint64_t offset, uint64_t size) const {
    if (offset > content_.size || size > content_.size - offset) bad("it is cut off");
    std::string out(size, '\0');
    read_content(content_, offset, out);
    return out;
  }

  uint64_t number(std::string_view from, size_t at, size_t size) const {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t k = file_.little_endian ? at + size - 1 - i : at + i;
      value = value << 8U | static_cast<uint8_t>(from[k]);
    }
    return value;
  }

  // A string of at most `limit` bytes that ends with a zero.
  std::string text_at(uint64_t offset, uint64_t limit) const {
    if (offset >= content_.size) bad("a string lies behind its end");
    const uint64_t size = std::min({limit, max_string, content_.size - offset});
    for (const uint64_t part : {std::min<uint64_t>(size, 128), size}) {  // most are short
      const std::string text = bytes(offset, part);
      if (const size_t end = text.find('\0'); end != std::string::npos) return text.substr(0, end);
    }
    bad("a string does not end");
  }

  void read_segments() {
    const uint64_t offset = file_.is_64 ? number(header_, 32, 8) : number(header_, 28, 4);
    const uint64_t size = number(header_, file_.is_64 ? 54 : 42, 2);
    const uint64_t count = number(header_, file_.is_64 ? 56 : 44, 2);
    const uint64_t least = file_.is_64 ? 56 : 32;
    if (count == 0) return;
    if (count > max_headers || size < least || size > 256) bad("its program headers are malformed");
    const std::string table = bytes(offset, size * count);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view one = std::string_view(table).substr(i * size, size);
      if (file_.is_64)
        segments_.push_back({static_cast<uint32_t>(number(one, 0, 4)), number(one, 8, 8), number(one, 16, 8),
                             number(one, 32, 8)});
      else
        segments_.push_back({static_cast<uint32_t>(number(one, 0, 4)), number(one, 4, 4), number(one, 8, 4),
                             number(one, 16, 4)});
    }
  }

  std::vector<Section> read_sections() const {
    const uint64_t offset = file_.is_64 ? number(header_, 40, 8) : number(header_, 32, 4);
    const uint64_t size = number(header_, file_.is_64 ? 58 : 46, 2);
    const uint64_t count = number(header_, file_.is_64 ? 60 : 48, 2);
    if (offset == 0 || count == 0) return {};
    if (size < (file_.is_64 ? 64 : 40) || size * count > max_section_headers)
      bad("its section headers are malformed");
    const std::string table = bytes(offset, size * count);
    std::vector<Section> sections;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string_view one = std::string_view(table).substr(i * size, size);
      const size_t word = file_.is_64 ? 8 : 4;
      sections.push_back({static_cast<uint32_t>(number(one, 0, 4)), static_cast<uint32_t>(number(one, 4, 4)),
                          number(one, 8, word), number(one, 8 + 2 * word, word),
                          number(one, 8 + 3 * word, word)});
    }
    return sections;
  }

  // Where an address of the running program lies in the file.
  uint64_t file_offset(uint64_t address) const {
    for (const Segment& segment : segments_)
      if (segment.type == 1 && address >= segment.address && address - segment.address < segment.size) {
        const uint64_t offset = segment.offset + (address - segment.address);
        if (offset < segment.offset) bad("an address overflows");
        return offset;
      }
    bad("an address of its dynamic section is in no segment");
  }

  void read_dynamic(const Segment& segment) {
    file_.has_dynamic = true;
    const size_t word = file_.is_64 ? 8 : 4;
    const std::string table = bytes(segment.offset, std::min(segment.size, max_dynamic));
    std::vector<uint64_t> needed;
    std::optional<uint64_t> soname, rpath, runpath, strings;
    uint64_t strings_size = 0;
    tags_.clear();
    for (size_t at = 0; at + 2 * word <= table.size(); at += 2 * word) {
      const uint64_t tag = number(table, at, word);
      const uint64_t value = number(table, at + word, word);
      if (tag == 0) break;
      if (tag == 1) needed.push_back(value);
      if (tag == 5) strings = value;
      if (tag == 10) strings_size = value;
      if (tag == 14) soname = value;
      if (tag == 15) rpath = value;
      if (tag == 29) runpath = value;
      if (tag == 0x6ffffffb) file_.no_default = (value & 0x800U) != 0;
      tags_[tag] = value;
    }
    if (needed.size() > 4096) bad("it needs more than 4096 libraries");
    if (!strings) {
      if (!needed.empty()) bad("it has no string table");
      return;
    }
    const uint64_t start = needed.empty() && !soname && !rpath && !runpath ? 0 : file_offset(*strings);
    const auto string = [&](uint64_t offset) {
      if (offset >= strings_size) bad("a name lies outside its string table");
      return text_at(start + offset, strings_size - offset);
    };
    const auto list = [](const std::string& text) {
      std::vector<std::string> parts = base::split(text, ':');
      std::erase(parts, "");
      return parts;
    };
    for (const uint64_t offset : needed) file_.needed.push_back(string(offset));
    if (soname) file_.soname = string(*soname);
    if (runpath) file_.runpath = list(string(*runpath));
    if (rpath && !runpath) file_.rpath = list(string(*rpath));
  }

  // Where the strings of the dynamic section lie in the file.
  std::string version_name(uint64_t offset) {
    if (offset >= tags_[10]) bad("a name lies outside its string table");
    return text_at(file_offset(tags_[5]) + offset, tags_[10] - offset);
  }

  void count_version() {
    if (++versions_ > max_versions) bad("it has too many symbol versions");
  }

  // Chains of records, each with a chain of its own; `next` of 0 ends one, and it only ever leads on.
  void read_needs(uint64_t at, ElfVersions& found) {
    for (;;) {
      const std::string record = bytes(at, 16);
      const std::string library = version_name(number(record, 4, 4));
      uint64_t one = at + number(record, 8, 4);
      for (uint64_t i = number(record, 2, 2); i > 0; --i) {
        count_version();
        const std::string version = bytes(one, 16);
        found.needs.push_back(
            {library, version_name(number(version, 8, 4)), (number(version, 4, 2) & 2U) != 0});
        if (number(version, 12, 4) == 0) break;
        one += number(version, 12, 4);
      }
      count_version();
      if (number(record, 12, 4) == 0) return;
      at += number(record, 12, 4);
    }
  }

  void read_definitions(uint64_t at, ElfVersions& found) {
    for (;;) {
      const std::string record = bytes(at, 20);
      count_version();
      if (number(record, 6, 2) > 0)
        found.defined.push_back(version_name(number(bytes(at + number(record, 12, 4), 8), 0, 4)));
      if (number(record, 16, 4) == 0) return;
      at += number(record, 16, 4);
    }
  }

  const Content& content_;
  const std::string& what_;
  ElfFile file_;
  std::map<uint64_t, uint64_t> tags_;  // of the dynamic section
  size_t versions_ = 0;
  std::string header_;
  std::vector<Segment> segments_;
};

}  // namespace

std::optional<ElfFile> read_elf(const Content& content, const std::string& what) {
  return ElfReader(content, what).read();
}

ElfVersions read_elf_versions(const Content& content, const std::string& what) {
  return ElfReader(content, what).versions();
}

std::map<std::string, std::string> elf_sections(const Content& content,
                                                const std::vector<std::string_view>& names, uint64_t limit,
                                                const std::string& what) {
  return ElfReader(content, what).sections(names, limit);
}

}  // namespace minibuild::tree
