#include "minibuild/trust/declared_secrets.h"

#include <algorithm>
#include <cstring>
#include <set>

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

uint32_t gram_at(const char* bytes) {
  uint32_t gram = 0;
  std::memcpy(&gram, bytes, sizeof gram);
  return gram;
}

uint32_t slot_of(uint32_t gram) { return (gram * 2654435761U) >> 14U; }

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

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Percent-encoding; `plain` are the characters besides letters and digits that stay.
std::string url_escaped(std::string_view bytes, std::string_view plain, bool upper, bool plus) {
  std::string out;
  for (const char c : bytes) {
    if (is_letter_or_digit(c) || plain.find(c) != std::string_view::npos)
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
std::string middle(const std::string& value) {
  if (value.size() <= most_bytes) return value;
  const auto continues = [&](size_t at) { return (static_cast<uint8_t>(value[at]) & 0xC0U) == 0x80; };
  size_t begin = (value.size() - most_bytes) / 2;
  size_t end = begin + most_bytes;
  for (int i = 0; i < 3 && continues(begin); ++i) ++begin;
  for (int i = 0; i < 3 && continues(end); ++i) --end;
  return value.substr(begin, end - begin);
}

// A line of a key: long, and of the characters of base64 alone.
bool is_key_line(std::string_view line) {
  return line.size() >= least_line && std::all_of(line.begin(), line.end(), [](char c) {
           return is_letter_or_digit(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
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

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

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

void SecretForms::add_form(const std::string& id, std::string bytes, const char* encoding, bool wrapped) {
  if (wrapped) std::erase_if(bytes, is_space);
  if (bytes.size() < least) return;
  if (!(wrapped ? wrapped_ : plain_).is_new(bytes)) return;
  (wrapped ? wrapped_ : plain_).add(forms_.size(), bytes);
  forms_.push_back({std::move(bytes), id, encoding});
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
}

std::optional<SecretHit> SecretSearch::look(const SecretForms::Finder& finder, std::string& window,
                                            std::string_view bytes) {
  if (finder.empty()) return std::nullopt;
  window += bytes;
  if (const auto number = finder.find(window, forms_.forms_))
    return SecretHit{forms_.forms_[*number].id, forms_.forms_[*number].encoding};
  // What may be the beginning of a form is looked at again with the next part.
  if (window.size() >= finder.longest()) window.erase(0, window.size() - finder.longest() + 1);
  return std::nullopt;
}

std::optional<SecretHit> SecretSearch::add(std::string_view bytes) {
  if (auto hit = look(forms_.plain_, plain_window_, bytes)) return hit;
  stripped_.clear();
  std::copy_if(bytes.begin(), bytes.end(), std::back_inserter(stripped_),
               [](char c) { return !is_space(c); });
  return look(forms_.wrapped_, wrapped_window_, stripped_);
}

bool SecretSearch::may_begin() const {
  return forms_.plain_.may_begin(plain_window_, forms_.forms_) ||
         forms_.wrapped_.may_begin(wrapped_window_, forms_.forms_);
}

std::optional<SecretHit> find_secret(const SecretForms& forms, std::string_view bytes) {
  return SecretSearch(forms).add(bytes);
}

}  // namespace minibuild::trust
