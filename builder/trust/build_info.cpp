// Go's build information, cargo-auditable's list, and ELF notes.
#include "builder/trust/build_info.h"

#include <fmt/format.h>

#include <algorithm>

#include "minibuild/archive/compress.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

namespace {

constexpr size_t max_modules = 20000;
constexpr size_t max_text = 1000;               // bytes of a name or version
constexpr size_t max_crates = size_t{4} << 20;  // bytes of the JSON
constexpr std::string_view go_magic = "\xff Go buildinf:";

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= max_text && base::is_utf8(text) &&
         std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > ' '; });
}

// The parts of a path, each escaped.
std::string escape_path(std::string_view path) {
  std::vector<std::string> parts;
  for (const std::string& part : base::split(path, '/'))
    if (!part.empty()) parts.push_back(escape_for_url(part));
  return base::join(parts, "/");
}

// purl-spec, "golang": namespace and name are lower-case.
Module go_module(std::string_view path, std::string_view version, std::string_view sum) {
  Module module{std::string(path), std::string(version), std::string(sum), ""};
  // What was built in a work tree has no version that anyone could fetch.
  if (module.version == "(devel)") module.version.clear();
  module.url = "pkg:golang/" + escape_path(base::lower_case(path));
  if (!module.version.empty()) module.url += "@" + escape_for_url(module.version);
  return module;
}

void make_unique(std::vector<Module>& modules) {
  std::sort(modules.begin(), modules.end());
  modules.erase(std::unique(modules.begin(), modules.end()), modules.end());
}

// A string with its length before it, as `encoding/binary` writes unsigned numbers; moves `at` behind it.
std::optional<std::string_view> counted_string(std::string_view bytes, size_t& at) {
  uint64_t size = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (at >= bytes.size() || shift > 28) return std::nullopt;
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    size |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) break;
  }
  if (size > bytes.size() - at) return std::nullopt;
  const std::string_view text = bytes.substr(at, size);
  at += size;
  return text;
}

// The lines between the linker's two marks of 16 bytes: `path`, `mod`, `dep`, `=>`, `build`.
void read_go_modules(std::string_view text, ProgramBuild& build) {
  if (text.size() < 33 || text[text.size() - 17] != '\n') return;
  text = text.substr(16, text.size() - 32);
  for (const std::string& line : base::split(text, '\n')) {
    const std::vector<std::string> words = base::split(line, '\t');
    if (words.size() < 3 || !is_plain(words[1])) continue;
    const std::string sum = words.size() > 3 && is_plain(words[3]) ? words[3] : "";
    const std::string version = is_plain(words[2]) ? words[2] : "";
    if (words[0] == "mod") build.main = go_module(words[1], version, sum);
    if (words[0] == "dep" && build.modules.size() < max_modules)
      build.modules.push_back(go_module(words[1], version, sum));
    // What was built in its place: the one that is in the program. A directory has no name for others, and
    // the version is not what was asked for.
    if (words[0] != "=>" || build.modules.empty()) continue;
    Module& last = build.modules.back();
    const bool directory = words[1].starts_with('.') || words[1].starts_with('/');
    last = directory ? go_module(last.name, "", "") : go_module(words[1], version, sum);
  }
}

uint32_t number(std::string_view bytes, size_t at, bool little_endian) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value = value << 8U | static_cast<uint8_t>(bytes[little_endian ? at + 3 - i : at + i]);
  return value;
}

// The descriptor of the first note of an owner and type (gABI, "Note Section").
std::optional<std::string_view> find_note(std::string_view section, bool little_endian,
                                          std::string_view owner, uint32_t type) {
  size_t at = 0;
  while (at + 12 <= section.size()) {
    const uint64_t name_size = number(section, at, little_endian);
    const uint64_t size = number(section, at + 4, little_endian);
    const uint32_t found = number(section, at + 8, little_endian);
    const uint64_t name_at = at + 12;
    const uint64_t text_at = name_at + (name_size + 3) / 4 * 4;
    const uint64_t end = text_at + (size + 3) / 4 * 4;
    if (text_at + size > section.size()) return std::nullopt;
    std::string_view name = section.substr(name_at, name_size);
    if (name.ends_with('\0')) name.remove_suffix(1);
    if (found == type && name == owner) return section.substr(text_at, size);
    at = end;
  }
  return std::nullopt;
}

std::string plain_text_in(const oci::Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string()) return {};
  std::string text = it->get<std::string>();
  return is_plain(text) ? text : std::string();
}

std::optional<oci::Json> object_in(std::string_view text, std::string_view what) {
  try {
    oci::Json json = oci::parse_json(text, what);
    if (json.is_object()) return json;
  } catch (const base::Error&) {  // it says nothing then
  }
  return std::nullopt;
}

std::optional<Module> crate_of(const oci::Json& entry) {
  const std::string name = plain_text_in(entry, "name");
  const std::string version = plain_text_in(entry, "version");
  if (name.empty() || version.empty()) return std::nullopt;
  return Module{name, version, "",
                fmt::format("pkg:cargo/{}@{}", escape_for_url(name), escape_for_url(version))};
}

}  // namespace

std::string stdlib_version(std::string_view toolchain) {
  if (!toolchain.starts_with("go")) return {};
  toolchain.remove_prefix(2);
  const std::string version(toolchain.substr(0, toolchain.find_first_of(" -+")));
  const bool released = !version.empty() && version[0] >= '0' && version[0] <= '9' && is_plain(version);
  return released ? version : std::string();
}

std::optional<ProgramBuild> parse_go_build(std::string_view section) {
  if (section.size() < 32 || !section.starts_with(go_magic)) return std::nullopt;
  // Bit 1: the strings follow. Before Go 1.18 there were pointers to them.
  if ((static_cast<uint8_t>(section[15]) & 2U) == 0) return std::nullopt;
  size_t at = 32;
  const auto version = counted_string(section, at);
  const auto modules = version ? counted_string(section, at) : std::nullopt;
  if (!version || version->size() > max_text || !base::is_utf8(*version)) return std::nullopt;
  ProgramBuild build;
  build.toolchain = base::printable(*version);
  if (modules) read_go_modules(*modules, build);
  if (const std::string stdlib = stdlib_version(*version); !stdlib.empty())
    build.modules.push_back(go_module("stdlib", stdlib, ""));
  make_unique(build.modules);
  return build;
}

std::optional<ProgramBuild> parse_rust_build(std::string_view section) {
  std::string text;
  try {
    text = archive::unzlib(section, max_crates, "the list of crates");
  } catch (const base::Error&) {
    return std::nullopt;
  }
  const std::optional<oci::Json> json = object_in(text, "the list of crates");
  if (!json || !json->contains("packages") || !(*json)["packages"].is_array()) return std::nullopt;
  ProgramBuild build;
  build.language = ProgramBuild::Language::rust;
  for (const oci::Json& entry : (*json)["packages"]) {
    if (!entry.is_object() || build.modules.size() == max_modules) continue;
    const std::optional<Module> crate = crate_of(entry);
    if (!crate || plain_text_in(entry, "kind") == "build") continue;
    const auto root = entry.find("root");
    if (root != entry.end() && root->is_boolean() && root->get<bool>())
      build.main = crate;
    else
      build.modules.push_back(*crate);
  }
  make_unique(build.modules);
  return build;
}

std::string parse_build_id(std::string_view section, bool little_endian) {
  const auto id = find_note(section, little_endian, "GNU", 3);
  return id && id->size() <= 64 ? base::to_hex(*id) : std::string();
}

std::optional<PackageNote> parse_package_note(std::string_view section, bool little_endian) {
  auto text = find_note(section, little_endian, "FDO", 0xcafe1a7e);
  if (!text) return std::nullopt;
  *text = text->substr(0, text->find('\0'));
  const std::optional<oci::Json> json = object_in(*text, "the package note");
  if (!json) return std::nullopt;
  PackageNote note{plain_text_in(*json, "type"),
                   plain_text_in(*json, "os"),
                   plain_text_in(*json, "osVersion"),
                   plain_text_in(*json, "name"),
                   plain_text_in(*json, "version"),
                   plain_text_in(*json, "architecture"),
                   ""};
  if (note.type.empty() || note.name.empty() || note.version.empty()) return std::nullopt;
  note.url = "pkg:" + escape_for_url(base::lower_case(note.type)) + "/";
  if (!note.os.empty()) note.url += escape_for_url(base::lower_case(note.os)) + "/";
  note.url += escape_for_url(note.name) + "@" + escape_for_url(note.version);
  std::vector<std::string> qualifiers;
  if (!note.architecture.empty()) qualifiers.push_back("arch=" + escape_for_url(note.architecture));
  if (!note.os.empty() && !note.os_version.empty())
    qualifiers.push_back("distro=" + escape_for_url(note.os + "-" + note.os_version));
  if (!qualifiers.empty()) note.url += "?" + base::join(qualifiers, "&");
  return note;
}

}  // namespace minibuild::trust
