#include "builder/trust/unescape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace minibuild::trust {

namespace {

using namespace std::string_view_literals;

// The longest escape that is understood: `&#x0000067;`, `\U00000067`.
constexpr size_t most_ahead = 16;

enum : uint8_t { drop = 0, keep = 1, look = 2 };

constexpr std::array<uint8_t, 256> kinds = [] {
  std::array<uint8_t, 256> table{};
  for (size_t c = 0; c < table.size(); ++c) table[c] = c <= 0x20 || c == 0x7F ? drop : keep;
  for (const char c : "\"'`^,:"sv) table[static_cast<uint8_t>(c)] = drop;
  for (const char c : "\\%&="sv) table[static_cast<uint8_t>(c)] = look;
  return table;
}();

// What HTML calls the characters of ASCII.
constexpr std::pair<std::string_view, char> named_escapes[] = {
    {"amp", '&'},  {"lt", '<'},      {"gt", '>'},     {"quot", '"'},   {"apos", '\''},  {"nbsp", ' '},
    {"num", '#'},  {"excl", '!'},    {"dollar", '$'}, {"percnt", '%'}, {"lpar", '('},   {"rpar", ')'},
    {"ast", '*'},  {"plus", '+'},    {"comma", ','},  {"period", '.'}, {"sol", '/'},    {"colon", ':'},
    {"semi", ';'}, {"equals", '='},  {"quest", '?'},  {"commat", '@'}, {"lsqb", '['},   {"bsol", '\\'},
    {"rsqb", ']'}, {"Hat", '^'},     {"lowbar", '_'}, {"grave", '`'},  {"lcub", '{'},   {"verbar", '|'},
    {"rcub", '}'}, {"lbrack", '['},  {"rbrack", ']'}, {"lbrace", '{'}, {"rbrace", '}'}, {"vert", '|'},
    {"Tab", '\t'}, {"NewLine", '\n'}};

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

// `size` digits at `text`; false if there are others.
bool number(std::string_view text, size_t size, unsigned base, uint32_t& value) {
  if (size == 0 || text.size() < size) return false;
  value = 0;
  for (size_t i = 0; i < size; ++i) {
    const auto one = static_cast<unsigned>(digit(text[i]));
    if (one >= base || value > 0x10FFFFU) return false;
    value = value * base + one;
  }
  return true;
}

// An escape that stands for `value`: how many bytes it has, 0 if there is none. A `byte` is no code point.
struct Escape {
  size_t size = 0;
  uint32_t value = 0;
  bool byte = false;
};

Escape braced(std::string_view text, size_t begin) {
  const size_t end = text.substr(0, most_ahead).find('}');
  uint32_t value = 0;
  if (end == std::string_view::npos || !number(text.substr(begin), end - begin, 16, value)) return {};
  return {end + 1, value};
}

// Behind backslashes.
Escape after_backslash(std::string_view text) {
  uint32_t value = 0;
  if (text.empty()) return {};
  const char c = text[0];
  if ((c == 'x' || c == 'u') && text.size() > 1 && text[1] == '{') return braced(text, 2);
  if (c == 'x' && number(text.substr(1), 2, 16, value)) return {3, value, true};
  if (c == 'u' && number(text.substr(1), 4, 16, value)) return {5, value};
  if (c == 'U' && number(text.substr(1), 8, 16, value)) return {9, value};
  if (c >= '0' && c <= '3' && number(text, 3, 8, value)) return {3, value, true};
  if ("nrtfvbae"sv.find(c) != std::string_view::npos) return {1, '\n', true};
  return {};
}

Escape entity(std::string_view text) {
  const size_t end = text.substr(0, most_ahead).find(';');
  if (end == std::string_view::npos || end < 3) return {};
  const std::string_view inner = text.substr(1, end - 1);
  uint32_t value = 0;
  if (inner[0] == '#') {
    const bool hex = inner.size() > 1 && (inner[1] == 'x' || inner[1] == 'X');
    const std::string_view digits = inner.substr(hex ? 2 : 1);
    return number(digits, digits.size(), hex ? 16 : 10, value) ? Escape{end + 1, value} : Escape{};
  }
  for (const auto& [name, c] : named_escapes)
    if (name == inner) return {end + 1, static_cast<uint8_t>(c)};
  return {};
}

Escape escape_at(std::string_view text) {
  uint32_t value = 0;
  switch (text[0]) {
    case '%':
      return number(text.substr(1), 2, 16, value) ? Escape{3, value, true} : Escape{};
    case '&':
      return entity(text);
    default:  // of quoted-printable
      if (text.starts_with("=3D")) return {3, '=', true};
      if (text.starts_with("=\n")) return {2, '\n', true};
      return text.starts_with("=\r\n") ? Escape{3, '\n', true} : Escape{};
  }
}

// Whether an escape may begin with `c` before `next`; most of these characters begin none.
bool may_begin(char c, char next) {
  if (c == '%') return digit(next) < 16;
  if (c == '=') return next == '3' || next == '\n' || next == '\r';
  return c == '\\' || next == '#' || (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
}

// Writes it as the last bytes of the escape, which ends at `end`; gives where they begin.
size_t put(char* text, size_t end, const Escape& escape) {
  uint32_t rest = escape.value;
  if (escape.byte || rest < 0x80) {
    text[end - 1] = static_cast<char>(rest);
    return end - 1;
  }
  const size_t more = rest < 0x800 ? 1 : rest < 0x10000 ? 2 : 3;
  for (size_t i = 0; i < more; ++i, rest >>= 6U) text[--end] = static_cast<char>(0x80U | (rest & 0x3FU));
  constexpr uint32_t lead[] = {0, 0xC0, 0xE0, 0xF0};
  text[--end] = static_cast<char>(lead[more] | rest);
  return end;
}

struct Done {
  size_t kept;  // bytes at the beginning
  size_t read;
};

// `last`: nothing follows.
Done unescape(char* text, size_t size, bool last) {
  size_t read = 0, kept = 0;
  while (read < size) {
    const char c = text[read];
    const uint8_t kind = kinds[static_cast<uint8_t>(c)];
    if (kind != look || (read + 1 < size && !may_begin(c, text[read + 1]))) {
      text[kept] = c;
      kept += kind == drop ? 0 : 1;
      ++read;
      continue;
    }
    if (c == '\\')
      while (read + 1 < size && text[read + 1] == '\\') ++read;
    if (!last && size - read < most_ahead) break;
    const std::string_view coming(text + read, std::min(size - read, most_ahead));
    if (c == '\\') {
      const Escape escape = after_backslash(coming.substr(1));
      read = escape.size == 0 ? read + 1 : put(text, read + 1 + escape.size, escape);
    } else if (const Escape escape = escape_at(coming); escape.size > 0) {
      read = put(text, read + escape.size, escape);
    } else {
      text[kept++] = c;
      ++read;
    }
  }
  return {kept, read};
}

}  // namespace

std::string_view Unescaper::add(std::string_view bytes) {
  if (left_ > 0) std::memmove(text_.data(), text_.data() + text_.size() - left_, left_);
  text_.resize(left_ + bytes.size());
  if (!bytes.empty()) std::memcpy(text_.data() + left_, bytes.data(), bytes.size());
  const auto [kept, read] = unescape(text_.data(), text_.size(), false);
  left_ = text_.size() - read;
  return {text_.data(), kept};
}

std::string Unescaper::rest() const {
  return unescaped(std::string_view(text_).substr(text_.size() - left_));
}

std::string unescaped(std::string_view bytes) {
  std::string text(bytes);
  text.resize(unescape(text.data(), text.size(), true).kept);
  return text;
}

}  // namespace minibuild::trust
