#include "minibuild/trust/declared_secrets.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "builder/trust/unescape.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

namespace {

// Of a longer secret its middle is looked for: whoever has all of it has that.
constexpr size_t most_bytes = 4096;
constexpr size_t least_line = 32;
constexpr size_t most_lines = 512;
// From this length on base64 of it may come in lines.
constexpr size_t long_line = 45;
// Of such base64 pieces of so many characters are looked for: a line has at least one of them whole.
constexpr size_t piece = 28;
// Of a longer one so many bytes from its middle are looked for in the rarer forms.
constexpr size_t most_nested = 512;

uint32_t gram_at(const char* bytes) {
  uint32_t gram = 0;
  std::memcpy(&gram, bytes, sizeof gram);
  return gram;
}

uint32_t slot_of(uint32_t gram) { return (gram * 2654435761U) >> 12U; }

// What stands in base64 of anything that has `value` at an offset that is `shift` more than a multiple of
// three: without the characters that neighbours change.
std::string base64_inside(const std::string& value, size_t shift) {
  std::string text = base::base64(std::string(shift, '\0') + value);
  while (text.ends_with('=')) text.pop_back();
  if (const size_t rest = (shift + value.size()) % 3; rest != 0) text.pop_back();
  return text.substr(shift == 0 ? 0 : shift + 1);
}

std::string url_alphabet(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string hexadecimal(std::string_view bytes, bool upper) {
  std::string out;
  for (const char c : bytes)
    out += fmt::format(fmt::runtime(upper ? "{:02X}" : "{:02x}"), static_cast<uint8_t>(c));
  return out;
}

// Percent-encoding; `plain` are the characters besides letters and digits that stay.
std::string url_escaped(std::string_view bytes, std::string_view plain, bool upper, bool plus) {
  std::string out;
  for (const char c : bytes) {
    if (base::is_alphanumeric(c) || plain.find(c) != std::string_view::npos)
      out += c;
    else if (plus && c == ' ')
      out += '+';
    else
      out += "%" + hexadecimal({&c, 1}, upper);
  }
  return out;
}

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

// `\u00e9` as `\u00E9`.
std::string upper_escapes(std::string text) {
  for (size_t at = text.find("\\u"); at != std::string::npos; at = text.find("\\u", at + 2))
    for (size_t i = at + 2; i < std::min(at + 6, text.size()); ++i)
      if (text[i] >= 'a' && text[i] <= 'f') text[i] = static_cast<char>(text[i] - 'a' + 'A');
  return text;
}

// As JSON libraries write a string: all of them escape quotes and control characters, some also slashes, all
// that is not ASCII, or what HTML would read (Go does; Gson two characters more).
std::set<std::string> json_forms(const std::string& value) {
  std::set<std::string> forms;
  const oci::Json json = value;
  for (const bool ascii : {false, true}) {
    std::string plain = json.dump(-1, ' ', ascii, oci::Json::error_handler_t::replace);
    plain = plain.substr(1, plain.size() - 2);
    std::string html = plain;
    for (const auto& [what, with] :
         {std::pair("<", "\\u003c"), std::pair(">", "\\u003e"), std::pair("&", "\\u0026")})
      html = replace_all(std::move(html), what, with);
    const std::string more = replace_all(replace_all(html, "=", "\\u003d"), "'", "\\u0027");
    for (const std::string& one : {plain, replace_all(plain, "/", "\\/"), html, more}) {
      forms.insert(one);
      forms.insert(upper_escapes(one));
    }
  }
  return forms;
}

// As XML and HTML libraries write a text or an attribute.
std::set<std::string> xml_forms(const std::string& value) {
  const std::string start = replace_all(replace_all(value, "&", "&amp;"), "<", "&lt;");
  std::set<std::string> forms;
  for (const char* greater : {">", "&gt;"})
    for (const char* quote : {"\"", "&quot;", "&#34;"})
      for (const char* apostrophe : {"'", "&apos;", "&#39;", "&#x27;"})
        for (const char* line_end : {"\n", "&#10;", "&#xA;"})
          forms.insert(replace_all(
              replace_all(replace_all(replace_all(start, ">", greater), "\"", quote), "'", apostrophe), "\n",
              line_end));
  return forms;
}

// With a backslash before each of `special`.
std::string backslashed(std::string_view bytes, std::string_view special) {
  std::string out;
  for (const char c : bytes) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Words of a shell: 'in single quotes' in both ways to write one inside, in "double quotes", with backslashes
// (%q of printf), and $'as in C'.
std::set<std::string> shell_forms(const std::string& value) {
  return {replace_all(value, "'", "'\\''"), replace_all(value, "'", "'\"'\"'"), backslashed(value, "\\\"$`"),
          backslashed(value, " \t!\"$&'()*,;<>?[\\]^`{|}"),
          replace_all(replace_all(backslashed(value, "\\'"), "\n", "\\n"), "\t", "\\t")};
}

void add_unit(std::string& out, uint32_t unit, bool little) {
  const char high = static_cast<char>(unit >> 8U);
  const char low = static_cast<char>(unit & 0xFFU);
  out += little ? low : high;
  out += little ? high : low;
}

// UTF-16 of UTF-8; of other bytes each with a zero beside it.
std::string utf16(std::string_view bytes, bool little) {
  const bool text = base::is_utf8(bytes);
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<uint8_t>(bytes[i++]);
    uint32_t point = lead;
    if (text && lead >= 0x80) {
      size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
      point = lead & (0x3FU >> more);
      for (; more > 0; --more) point = (point << 6U) | (static_cast<uint8_t>(bytes[i++]) & 0x3FU);
    }
    if (point < 0x10000) {
      add_unit(out, point, little);
    } else {
      add_unit(out, 0xD800U + ((point - 0x10000U) >> 10U), little);
      add_unit(out, 0xDC00U + ((point - 0x10000U) & 0x3FFU), little);
    }
  }
  return out;
}

// The middle of a long value, not beginning or ending inside a character.
std::string middle(const std::string& value, size_t most = most_bytes) {
  if (value.size() <= most) return value;
  const auto continues = [&](size_t at) { return (static_cast<uint8_t>(value[at]) & 0xC0U) == 0x80; };
  size_t begin = (value.size() - most) / 2;
  size_t end = begin + most;
  for (int i = 0; i < 3 && continues(begin); ++i) ++begin;
  for (int i = 0; i < 3 && continues(end); ++i) --end;
  return value.substr(begin, end - begin);
}

// A line of a key: long, and of the characters of base64 alone.
bool is_key_line(std::string_view line) {
  return line.size() >= least_line && std::all_of(line.begin(), line.end(), [](char c) {
           return base::is_alphanumeric(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
         });
}

// What of a secret says enough by itself: the lines of a key, the middle of a long single line.
std::vector<std::string> telling_parts(const std::string& value) {
  std::vector<std::string> parts;
  if (value.find('\n') == std::string::npos) {
    if (value.size() >= long_line) parts.push_back(value.substr(value.size() / 4, value.size() / 2));
    return parts;
  }
  for (const std::string& line : base::split(value, '\n'))
    if (const std::string_view inner = base::trim(line); is_key_line(inner) && parts.size() < most_lines)
      parts.emplace_back(inner);
  return parts;
}

// Of a private key in PEM, bytes of its DER that are private: the public half may well be in the image. Of
// RSA (RFC 8017, A.1.2) primes and exponents, which are behind the first half; of the others the OCTET STRING
// with the number, which is in front (RFC 5915, RFC 8410).
std::vector<std::string> private_bytes(std::string value) {
  constexpr std::string_view rsa = "\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01";  // rsaEncryption
  constexpr size_t size = 24;
  constexpr size_t front = 64;
  value = replace_all(value, "\\n", "\n");  // in JSON
  const size_t begin = value.find("PRIVATE KEY-----");
  const size_t end = value.find("-----END", begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string body;
  for (const std::string& line : base::split(value.substr(begin, end - begin), '\n'))
    if (const std::string_view inner = base::trim(line); line.find_first_of(":- ") == std::string::npos)
      body += inner;
  const std::optional<std::string> der = base::unbase64(body);
  if (!der) return {};
  const bool is_rsa =
      value.substr(0, begin).ends_with("BEGIN RSA ") || der->substr(0, front).find(rsa) != std::string::npos;
  if (is_rsa && der->size() >= 300)
    return {der->substr(der->size() * 6 / 10, size), der->substr(der->size() * 8 / 10, size)};
  // P-224, P-256 and Ed25519, P-384, Ed448, P-512 of Brainpool, P-521.
  for (const size_t length : {size_t{28}, size_t{32}, size_t{48}, size_t{57}, size_t{64}, size_t{66}})
    if (const size_t at = der->find(std::string{'\x04', static_cast<char>(length)});
        at < front && at + 2 + length <= der->size())
      return {der->substr(at + 2 + length - size, size)};
  return {};
}

// What stands in base32 of anything that has `value` at an offset that is `shift` more than a multiple of
// five.
std::string base32_inside(const std::string& value, size_t shift, std::string_view alphabet) {
  std::string out;
  const std::string bytes = std::string(shift, '\0') + value;
  for (size_t bit = 0; bit + 5 <= bytes.size() * 8; bit += 5) {
    if (bit < shift * 8) continue;  // changed by what stands before
    const auto at = [&](size_t i) { return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0U; };
    const unsigned pair = at(bit / 8) << 8U | at(bit / 8 + 1);
    out += alphabet[pair >> (11 - bit % 8) & 31U];
  }
  return out;
}

// The same in base85, of groups of four bytes.
std::string base85_inside(const std::string& value, size_t shift, std::string_view alphabet) {
  std::string out;
  for (size_t begin = (4 - shift) % 4; begin + 4 <= value.size(); begin += 4) {
    uint32_t word = 0;
    for (size_t i = 0; i < 4; ++i) word = word << 8U | static_cast<uint8_t>(value[begin + i]);
    std::string group(5, ' ');
    for (size_t i = 5; i-- > 0; word /= 85) group[i] = alphabet[word % 85];
    out += group;
  }
  return out;
}

// Each byte as `format` says, with `between` before it.
std::string listed(std::string_view bytes, std::string_view between, const char* format) {
  std::string out;
  for (const char c : bytes) {
    out += between;
    out += fmt::format(fmt::runtime(format), static_cast<uint8_t>(c));
  }
  return out;
}

// Groups of `size` bytes as numbers with the least byte first, as processors have them and dumps show them.
std::string words(std::string_view bytes, size_t size, const char* format) {
  std::string out;
  for (size_t begin = 0; begin + size <= bytes.size(); begin += size) {
    uint64_t word = 0;
    for (size_t i = size; i-- > 0;) word = word << 8U | static_cast<uint8_t>(bytes[begin + i]);
    out += fmt::format(fmt::runtime(format), word);
  }
  return out;
}

// UTF-32 of what is no ASCII; that of ASCII is found as the bytes between zeros.
std::string utf32(std::string_view bytes, bool little) {
  const std::string wide = utf16(bytes, false);
  std::string out;
  for (size_t i = 0; i + 2 <= wide.size(); i += 2) {
    const auto unit = [&](size_t at) {
      return static_cast<uint32_t>(static_cast<uint8_t>(wide[at])) << 8U | static_cast<uint8_t>(wide[at + 1]);
    };
    uint32_t point = unit(i);
    if ((point & 0xFC00U) == 0xD800U && i + 4 <= wide.size()) {
      i += 2;
      point = 0x10000U + ((point & 0x3FFU) << 10U) + (unit(i) & 0x3FFU);
    }
    for (const unsigned bits : {0U, 8U, 16U, 24U})
      out += static_cast<char>(point >> (little ? bits : 24 - bits) & 0xFFU);
  }
  return out;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void SecretForms::Finder::add(size_t number, const std::string& bytes) {
  starts_.emplace(gram_at(bytes.data()), number);
  for (size_t offset = 0; offset < 4; ++offset) {
    const uint32_t gram = gram_at(bytes.data() + offset);
    const uint32_t slot = slot_of(gram);
    filter_[slot / 64] |= uint64_t{1} << (slot % 64);
    places_.emplace(gram, std::pair(number, offset));
  }
  longest_ = std::max(longest_, bytes.size());
}

bool SecretForms::Finder::may_begin(std::string_view bytes, const std::vector<Form>& forms) const {
  const size_t from = bytes.size() >= longest_ ? bytes.size() - longest_ + 1 : 0;
  for (size_t at = from; at + 4 <= bytes.size(); ++at) {
    const uint32_t gram = gram_at(bytes.data() + at);
    const uint32_t slot = slot_of(gram);
    if ((filter_[slot / 64] >> (slot % 64) & 1U) == 0) continue;
    const auto [first, last] = starts_.equal_range(gram);
    for (auto it = first; it != last; ++it)
      if (std::string_view(forms[it->second].bytes).starts_with(bytes.substr(at))) return true;
  }
  return false;
}

std::optional<size_t> SecretForms::Finder::find(std::string_view bytes,
                                                const std::vector<Form>& forms) const {
  if (empty() || bytes.size() < least) return std::nullopt;
  const char* data = bytes.data();
  // Every form has at least seven bytes: one of its first four places is looked at.
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    const uint32_t gram = gram_at(data + at);
    const uint32_t slot = slot_of(gram);
    if ((filter_[slot / 64] >> (slot % 64) & 1U) == 0) continue;
    const auto [first, last] = places_.equal_range(gram);
    for (auto it = first; it != last; ++it) {
      const auto& [number, offset] = it->second;
      const std::string& form = forms[number].bytes;
      if (offset > at || at - offset + form.size() > bytes.size()) continue;
      if (std::memcmp(data + at - offset, form.data(), form.size()) == 0) return number;
    }
  }
  return std::nullopt;
}

SecretForms::SecretForms(const std::map<std::string, std::string>& secrets) {
  for (const auto& [id, value] : secrets) {
    const std::string trimmed(base::trim(value));
    if (trimmed.size() < least)
      throw base::Error(
          base::Code::usage,
          fmt::format(
              "the secret '{}' has {} byte{}: one of less than {} cannot be told from ordinary text, so "
              "nothing "
              "could be promised for it; give a longer one, or pass it as an argument if it is no secret",
              id, trimmed.size(), trimmed.size() == 1 ? "" : "s", least));
    add(id, middle(trimmed));
    for (const std::string& one : private_bytes(trimmed)) add_form(id, one, "DER", false);
    for (const std::string& one : telling_parts(trimmed))
      add_part(id, one, trimmed.find('\n') != std::string::npos);
  }
}

// Encodings of a part, cut into pieces, for lines that were encoded together with other bytes or once more.
void SecretForms::add_part(const std::string& id, const std::string& part, bool line) {
  if (line) {
    add_form(id, part, "as it is", false);
    add_form(id, part, "as it is", true);
  }
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string once = base64_inside(part, shift);
    for (size_t at = 0; at + piece <= once.size(); at += piece) {
      const std::string inner = once.substr(at, piece);
      add_form(id, inner, "base64", true);
      add_form(id, url_alphabet(inner), "base64", true);
      for (size_t second = 0; second < 3; ++second)
        add_form(id, base64_inside(inner, second), "base64 of base64", true);
    }
  }
  for (const bool upper : {false, true}) {
    const std::string digits = hexadecimal(part, upper);
    for (size_t at = 0; at + piece * 2 <= digits.size(); at += piece * 2)
      add_form(id, digits.substr(at, piece * 2), "hexadecimal", true);
  }
}

void SecretForms::add_to(Finder& finder, const std::string& id, std::string bytes, const char* encoding) {
  if (bytes.size() < least || !finder.is_new(bytes)) return;
  finder.add(forms_.size(), bytes);
  forms_.push_back({std::move(bytes), id, encoding});
}

// Looked for in the bytes as they are; if it may be `wrapped`, also where it is escaped or has something
// between its parts.
void SecretForms::add_form(const std::string& id, const std::string& bytes, const char* encoding,
                           bool wrapped) {
  add_to(plain_, id, bytes, encoding);
  // Digits that are not many stand between others by chance, as in a date.
  if (!wrapped || (all_digits(bytes) && bytes.size() < 2 * least)) return;
  std::string plain = unescaped(bytes);
  // What follows may make an escape of these.
  while (!plain.empty() && std::string_view("%&=").find(plain.back()) != std::string_view::npos)
    plain.pop_back();
  add_to(wrapped_, id, std::move(plain), encoding);
}

void SecretForms::add_bytes(const std::string& id, const std::string& value) {
  add_form(id, value, "as it is", false);
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string once = base64_inside(value, shift);
    for (const std::string& inner : {once, url_alphabet(once)}) {
      add_form(id, inner, "base64", true);
      for (size_t second = 0; second < 3; ++second) {
        const std::string twice = base64_inside(inner, second);
        add_form(id, twice, "base64 of base64", true);
        add_form(id, url_alphabet(twice), "base64 of base64", true);
      }
    }
    add_form(id, base64_inside(utf16(value, true), shift), "base64 of UTF-16", true);
  }
  for (const bool upper : {false, true}) add_form(id, hexadecimal(value, upper), "hexadecimal", true);
}

void SecretForms::add(const std::string& id, const std::string& value) {
  add_bytes(id, value);
  add_form(id, value, "as it is, with something between", true);
  add_bytes(id, replace_all(value, "\n", "\r\n"));
  for (const bool upper : {false, true}) {
    add_form(id, url_escaped(value, "-._~", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~", upper, true), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~/", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~!$&'()*+,;=:@/", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._*", upper, true), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._!~*'()", upper, false), "URL-escaped", false);
  }
  for (const std::string& form : json_forms(value)) add_form(id, form, "JSON-escaped", false);
  for (const std::string& form : xml_forms(value)) add_form(id, form, "XML-escaped", false);
  for (const std::string& form : shell_forms(value)) add_form(id, form, "quoted for a shell", false);
  add_form(id, utf16(value, true), "UTF-16", false);
  add_form(id, utf16(value, false), "UTF-16", false);
  const std::string inner = middle(value, most_nested);
  add_nested(id, inner);
  add_numbers(id, inner);
  add_dumps(id, inner);
}

// What is made of other forms, or by few.
void SecretForms::add_nested(const std::string& id, const std::string& value) {
  constexpr std::string_view rfc4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  constexpr std::string_view extended = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
  constexpr std::string_view ascii85 =
      "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu";
  constexpr std::string_view rfc1924 =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
  constexpr std::string_view zeromq =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  std::set<std::string> inner = json_forms(value);
  for (const bool upper : {false, true}) {
    inner.insert(url_escaped(value, "-._~", upper, false));
    inner.insert(url_escaped(value, "-._~", upper, true));
    inner.insert(hexadecimal(value, upper));
    inner.insert(utf16(value, upper));
  }
  inner.insert(url_escaped(value, "-._!~*'()", true, false));
  inner.erase(value);
  for (const std::string& one : inner)
    for (size_t shift = 0; shift < 3; ++shift) {
      const std::string text = base64_inside(one, shift);
      add_form(id, text, "base64 of another form", true);
      add_form(id, url_alphabet(text), "base64 of another form", true);
    }
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string text = base64_inside(value, shift);
    inner.insert(text);
    inner.insert(url_alphabet(text));
    add_form(id, std::string(text.rbegin(), text.rend()), "base64 reversed", true);
  }
  for (const std::string& one : inner)
    for (const bool upper : {false, true})
      add_form(id, hexadecimal(one, upper), "hexadecimal of another form", true);
  for (size_t shift = 0; shift < 5; ++shift)
    for (const std::string_view alphabet : {rfc4648, extended}) {
      std::string text = base32_inside(value, shift, alphabet);
      add_form(id, text, "base32", true);
      add_form(id, base::lower_case(text), "base32", true);
    }
  for (size_t shift = 0; shift < 4; ++shift)
    for (const std::string_view alphabet : {ascii85, rfc1924, zeromq})
      add_form(id, base85_inside(value, shift, alphabet), "base85", true);
  add_form(id, std::string(value.rbegin(), value.rend()), "reversed", true);
  // As Make, Compose, systemd, formats and templates write one of these themselves.
  for (const std::string_view twice : {"$", "%", "{}"}) {
    std::string text;
    for (const char c : value) text += std::string(twice.find(c) == std::string_view::npos ? 1 : 2, c);
    add_form(id, text, "escaped", true);
  }
  // With other marks before the hexadecimal digits than a URL has, or none that stays.
  for (const bool upper : {false, true})
    for (const std::string_view mark : {"=", ""})
      add_form(id, replace_all(url_escaped(value, "", upper, false), "%", mark), "escaped", true);
  for (const bool little : {false, true})
    if (!is_ascii(value)) add_form(id, utf32(value, little), "UTF-32", false);
}

// Every byte as a number.
void SecretForms::add_numbers(const std::string& id, const std::string& value) {
  for (const char* format : {"{:02x}", "{:02X}"})
    for (const std::string_view between : {"0x", "-", ".", "_", ";", "/", "|", "0", "&#x", "U+00"})
      add_form(id, listed(value, between, format).substr(between.size()), "hexadecimal, byte by byte", true);
  for (const char* format : {"{}", "{:03}", "{:03o}", "{:04o}", "{:08b}", "{:#o}"})
    for (const std::string_view between : {"", ";", "-", "&#"})
      add_form(id, listed(value, between, format).substr(between.size()), "numbers, byte by byte", true);
}

// As od, xxd and hexdump show it, in lines of sixteen bytes with their offsets: of a value one line has at
// least half, and of a longer one there is a whole line.
void SecretForms::add_dumps(const std::string& id, const std::string& value) {
  constexpr size_t line = 16;
  const size_t size = value.size() >= line - 1 ? least : std::max<size_t>(6, (value.size() + 1) / 2);
  for (size_t begin = 0; begin + size <= std::min(value.size(), 2 * line - 1); ++begin) {
    const std::string part = value.substr(begin, size);
    for (const char* format : {"{:02x}", "{:02X}", "{:03o}", "{:03}", "{}"})
      add_form(id, listed(part, "", format), "a dump", true);
    add_form(id, words(part, 2, "{:04x}"), "a dump", true);
    add_form(id, words(part, 2, "{:04X}"), "a dump", true);
    add_form(id, words(part, 2, "{:06o}"), "a dump", true);
    if (size == least)
      for (const auto& [bytes, format] : {std::pair(size_t{4}, "{:08x}"), std::pair(size_t{8}, "{:016x}")})
        add_form(id, words(part, bytes, format), "a dump", true);
    // As characters, behind or before an offset, which is a multiple of sixteen in octal.
    for (const std::string_view offset : {"00", "20", "40", "60"})
      add_form(id, std::string(offset) + part, "a dump", true);
    add_form(id, part + "000", "a dump", true);
  }
}

SecretSearch::SecretSearch(const SecretForms& forms)
    : forms_(forms), unescaper_(std::make_unique<Unescaper>()) {}
SecretSearch::~SecretSearch() = default;
SecretSearch::SecretSearch(SecretSearch&&) noexcept = default;

// `rest` is looked at behind `bytes`, and is no part of the window.
std::optional<SecretHit> SecretSearch::look(const SecretForms::Finder& finder, std::string& window,
                                            std::string_view bytes, std::string_view rest) {
  if (finder.empty()) return std::nullopt;
  window += bytes;
  window += rest;
  if (const auto number = finder.find(window, forms_.forms_))
    return SecretHit{forms_.forms_[*number].id, forms_.forms_[*number].encoding};
  window.resize(window.size() - rest.size());
  // What may be the beginning of a form is looked at again with the next part.
  if (window.size() >= finder.longest()) window.erase(0, window.size() - finder.longest() + 1);
  return std::nullopt;
}

std::optional<SecretHit> SecretSearch::add(std::string_view bytes) {
  if (auto hit = look(forms_.plain_, plain_window_, bytes, {})) return hit;
  if (forms_.wrapped_.empty()) return std::nullopt;
  const std::string_view plain = unescaper_->add(bytes);
  rest_ = unescaper_->rest();
  return look(forms_.wrapped_, wrapped_window_, plain, rest_);
}

bool SecretSearch::may_begin() const {
  return forms_.plain_.may_begin(plain_window_, forms_.forms_) ||
         forms_.wrapped_.may_begin(wrapped_window_ + rest_, forms_.forms_);
}

std::optional<SecretHit> find_secret(const SecretForms& forms, std::string_view bytes) {
  return SecretSearch(forms).add(bytes);
}

}  // namespace minibuild::trust
