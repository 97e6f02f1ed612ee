#include "minibuild/trust/declared_secrets.h"

#include <algorithm>
#include <cstring>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

namespace {

// Of a longer secret its middle is looked for: whoever has all of it has that.
constexpr size_t most_bytes = 4096;
constexpr size_t least_line = 32;

uint32_t gram_at(const char* bytes) {
  uint32_t gram = 0;
  std::memcpy(&gram, bytes, sizeof gram);
  return gram;
}

uint32_t slot_of(uint32_t gram) { return (gram * 2654435761U) >> 16U; }

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

std::string json_escaped(const std::string& value, bool ascii, bool slash) {
  const oci::Json json = value;
  std::string out = json.dump(-1, ' ', ascii, oci::Json::error_handler_t::replace);
  out = out.substr(1, out.size() - 2);
  if (!slash) return out;
  std::string more;
  for (const char c : out) more += c == '/' ? std::string("\\/") : std::string(1, c);
  return more;
}

std::string xml_escaped(std::string_view bytes, bool quotes) {
  std::string out;
  for (const char c : bytes) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"' && quotes)
      out += "&quot;";
    else if (c == '\'' && quotes)
      out += "&#39;";
    else
      out += c;
  }
  return out;
}

std::string shell_escaped(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

// Each byte with a zero beside it: UTF-16 of what is ASCII.
std::string utf16(std::string_view bytes, bool little) {
  std::string out;
  for (const char c : bytes) {
    if (!little) out += '\0';
    out += c;
    if (little) out += '\0';
  }
  return out;
}

// A line of a key: long, and of the characters of base64 alone.
bool is_key_line(std::string_view line) {
  return line.size() >= least_line && std::all_of(line.begin(), line.end(), [](char c) {
           return is_letter_or_digit(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
         });
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

void SecretForms::Finder::add(size_t number, const std::string& bytes) {
  for (size_t offset = 0; offset < 4; ++offset) {
    const uint32_t gram = gram_at(bytes.data() + offset);
    const uint32_t slot = slot_of(gram);
    filter_[slot / 64] |= uint64_t{1} << (slot % 64);
    places_.emplace(gram, std::pair(number, offset));
  }
  longest_ = std::max(longest_, bytes.size());
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
    add(id, trimmed);
    if (trimmed.find('\n') == std::string::npos) continue;
    for (const std::string& line : base::split(trimmed, '\n'))
      if (const std::string_view inner = base::trim(line); is_key_line(inner)) {
        add_form(id, std::string(inner), "as it is", false);
        add_form(id, std::string(inner), "as it is", true);
      }
  }
}

void SecretForms::add_form(const std::string& id, std::string bytes, const char* encoding, bool wrapped) {
  if (wrapped) std::erase_if(bytes, is_space);
  if (bytes.size() < least) return;
  const auto same = [&](const Form& form) { return form.bytes == bytes; };
  if (!wrapped && std::any_of(forms_.begin(), forms_.end(), same)) return;
  (wrapped ? wrapped_ : plain_).add(forms_.size(), bytes);
  forms_.push_back({std::move(bytes), id, encoding});
}

void SecretForms::add(const std::string& id, const std::string& whole) {
  const std::string value =
      whole.size() <= most_bytes ? whole : whole.substr((whole.size() - most_bytes) / 2, most_bytes);
  add_form(id, value, "as it is", false);
  std::string windows;  // the same text with the other line ends
  for (const char c : value) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  add_form(id, windows, "as it is", false);
  for (size_t shift = 0; shift < 3; ++shift) {
    const std::string once = base64_inside(value, shift);
    add_form(id, once, "base64", true);
    add_form(id, url_alphabet(once), "base64", true);
    for (size_t second = 0; second < 3; ++second)
      add_form(id, base64_inside(once, second), "base64 of base64", true);
  }
  for (const bool upper : {false, true}) {
    add_form(id, hexadecimal(value, upper), "hexadecimal", true);
    add_form(id, url_escaped(value, "-._~", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~", upper, true), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~/", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._~!$&'()*+,;=:@/", upper, false), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._*", upper, true), "URL-escaped", false);
    add_form(id, url_escaped(value, "-._!~*'()", upper, false), "URL-escaped", false);
  }
  for (const bool ascii : {false, true})
    for (const bool slash : {false, true})
      add_form(id, json_escaped(value, ascii, slash), "JSON-escaped", false);
  add_form(id, xml_escaped(value, false), "XML-escaped", false);
  add_form(id, xml_escaped(value, true), "XML-escaped", false);
  add_form(id, shell_escaped(value), "quoted for a shell", false);
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

std::optional<SecretHit> find_secret(const SecretForms& forms, std::string_view bytes) {
  return SecretSearch(forms).add(bytes);
}

}  // namespace minibuild::trust
