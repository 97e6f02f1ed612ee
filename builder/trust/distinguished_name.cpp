#include "builder/trust/distinguished_name.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "builder/trust/openssl.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

using base::fail;

namespace {

constexpr std::string_view special = ",+\"\\<>;=# ";

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

std::string type_of(const ASN1_OBJECT* object) {
  const int number = ::OBJ_obj2nid(object);
  const char* name = number == NID_undef ? nullptr : ::OBJ_nid2sn(number);
  if (name != nullptr) return upper(name);
  std::array<char, 128> dotted{};
  ::OBJ_obj2txt(dotted.data(), dotted.size(), object, 1);
  return dotted.data();
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// Takes one value off the front of `rest`, up to the comma that ends it; spaces around it do not count.
std::string take_value(std::string_view& rest, const std::string& what) {
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  std::string value;
  size_t kept = 0;  // spaces behind this are not escaped
  size_t at = 0;
  for (; at < rest.size() && rest[at] != ',' && rest[at] != ';'; ++at) {
    if (rest[at] == '+') fail("{} has several attributes in one, which cannot be compared", what);
    if (rest[at] == '"' || rest[at] == '<' || rest[at] == '>' || (at == 0 && rest[at] == '#'))
      fail("{} has a '{}' that is not escaped with '\\'", what, rest[at]);
    if (rest[at] != '\\') {
      value.push_back(rest[at]);
      if (rest[at] != ' ') kept = value.size();
      continue;
    }
    if (++at == rest.size()) fail("{} ends with '\\'", what);
    const auto high = hex_digit(rest[at]);
    const auto low = at + 1 < rest.size() ? hex_digit(rest[at + 1]) : std::nullopt;
    if (high && low) {
      value.push_back(static_cast<char>(*high * 16 + *low));
      ++at;
    } else if (special.find(rest[at]) != std::string_view::npos) {
      value.push_back(rest[at]);
    } else {
      fail("{} has a '\\' that escapes nothing", what);
    }
    kept = value.size();
  }
  value.resize(kept);
  rest.remove_prefix(at);
  return value;
}

}  // namespace

DistinguishedName name_of(const X509_NAME* name) {
  DistinguishedName result;
  for (int i = 0; i < ::X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = ::X509_NAME_get_entry(name, i);
    unsigned char* text = nullptr;
    const int size = ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(entry));
    std::string value;
    if (size > 0) value.assign(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
    ::OPENSSL_free(text);
    result.emplace_back(type_of(::X509_NAME_ENTRY_get_object(entry)), std::move(value));
  }
  return result;
}

DistinguishedName parse_name(std::string_view text, const std::string& what) {
  DistinguishedName name;
  std::string_view rest = text;
  while (true) {
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) fail("{} is not a list such as C=DE, ST=Berlin, O=Example", what);
    std::string type = upper(base::trim(rest.substr(0, equals)));
    if (type.empty() || type.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != std::string::npos)
      fail("{} has '{}' where the type of an attribute should be", what, base::printable(type));
    rest.remove_prefix(equals + 1);
    std::string value = take_value(rest, what);
    if (value.empty()) fail("{} has no value for {}", what, type);
    if (!base::is_utf8(value)) fail("{} is not UTF-8", what);
    name.emplace_back(type == "S" ? "ST" : type, std::move(value));
    if (rest.empty()) break;
    rest.remove_prefix(1);
  }
  if (is_ambiguous(name)) fail("{} has an attribute twice", what);
  return name;
}

std::string to_string(const DistinguishedName& name) {
  std::vector<std::string> parts;
  for (const auto& [type, value] : name) {
    std::string text = type + "=";
    for (size_t i = 0; i < value.size(); ++i) {
      const auto byte = static_cast<unsigned char>(value[i]);
      const auto next = static_cast<unsigned char>(i + 1 < value.size() ? value[i + 1] : 0);
      const bool edge = i == 0 || i + 1 == value.size();
      if (byte < 0x20 || byte == 0x7f ||
          (byte == 0xc2 && next >= 0x80 && next < 0xa0)) {  // control characters
        text += fmt::format("\\{:02X}", byte);
        if (byte == 0xc2) text += fmt::format("\\{:02X}", static_cast<unsigned char>(value[++i]));
        continue;
      }
      if (std::string_view(",+\"\\<>;").find(value[i]) != std::string_view::npos ||
          (value[i] == ' ' && edge) || (value[i] == '#' && i == 0))
        text.push_back('\\');
      text.push_back(value[i]);
    }
    parts.push_back(std::move(text));
  }
  return base::join(parts, ",");
}

bool is_ambiguous(const DistinguishedName& name) {
  std::set<std::string> types;
  return !std::all_of(name.begin(), name.end(),
                      [&](const auto& one) { return types.insert(one.first).second; });
}

bool has_sets(const X509* certificate) {
  const X509_NAME* name = ::X509_get_subject_name(certificate);
  for (int i = 1; i < ::X509_NAME_entry_count(name); ++i)
    if (::X509_NAME_ENTRY_set(::X509_NAME_get_entry(name, i)) ==
        ::X509_NAME_ENTRY_set(::X509_NAME_get_entry(name, i - 1)))
      return true;
  return false;
}

bool contains(const DistinguishedName& name, const DistinguishedName& part) {
  return std::all_of(part.begin(), part.end(), [&](const auto& want) {
    return std::find(name.begin(), name.end(), want) != name.end();
  });
}

}  // namespace minibuild::trust
