// What the readers of the three kinds share: types that are checked, names that are made one, releases.
#include "builder/trust/advisory_records.h"

#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"

namespace minibuild::trust {

using base::fail;

namespace {

const Value* value_at(const Value& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The length of the CVE at the beginning of a text; 0 if there is none. `CVE-` year `-` four digits or more.
size_t cve_length(std::string_view text) {
  if (!text.starts_with("CVE-") || text.size() < 13) return 0;
  if (!std::all_of(text.begin() + 4, text.begin() + 8, base::is_digit) || text[8] != '-') return 0;
  size_t end = 9;
  while (end < text.size() && base::is_digit(text[end])) ++end;
  return end - 9 >= 4 && end <= 32 ? end : 0;
}

}  // namespace

std::string text_at(const Value& object, const char* key, std::string_view of) {
  const Value* value = value_at(object, key);
  if (value == nullptr) return {};
  if (!value->is_string()) fail("'{}' of {} is {}, want a string", key, of, value->type_name());
  return value->get<std::string>();
}

const Value* object_at(const Value& object, const char* key, std::string_view of) {
  const Value* value = value_at(object, key);
  if (value != nullptr && !value->is_object())
    fail("'{}' of {} is {}, want an object", key, of, value->type_name());
  return value;
}

const Value* array_at(const Value& object, const char* key, std::string_view of) {
  const Value* value = value_at(object, key);
  if (value != nullptr && !value->is_array())
    fail("'{}' of {} is {}, want an array", key, of, value->type_name());
  return value;
}

std::vector<std::string> texts_at(const Value& object, const char* key, std::string_view of) {
  std::vector<std::string> texts;
  if (const Value* list = array_at(object, key, of))
    for (const Value& one : *list) {
      if (!one.is_string()) fail("'{}' of {} has {} in it, want strings", key, of, one.type_name());
      texts.push_back(plain_text(one.get<std::string>(), key, of));
    }
  return texts;
}

std::string plain_text(std::string text, const char* what, std::string_view of) {
  if (text.size() > 512) fail("a {} of {} has {} bytes, want at most 512", what, of, text.size());
  for (size_t i = 0; i < text.size(); ++i)
    if (base::control_size(std::string_view(text).substr(i)) > 0)
      fail("a {} of {} has control characters: '{}'", what, of, base::printable(text));
  return text;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t control = base::control_size(text.substr(i));
    const char c = text[i];
    const bool space = c == ' ' || control > 0;
    if (control > 1) i += control - 1;
    if (space && (line.empty() || line.back() == ' ')) continue;
    if (line.size() >= 297 && (space || (static_cast<unsigned char>(c) & 0xC0U) != 0x80)) {
      line += "…";
      break;
    }
    line += space ? ' ' : c;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

bool is_version(packages::Format format, std::string_view text) {
  if (format == packages::Format::apk) return packages::is_apk_version(text);
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (!base::parse_number(text.substr(0, colon))) return false;
    text.remove_prefix(colon + 1);
  }
  return !text.empty() &&
         text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~:-_") ==
             std::string_view::npos;
}

bool is_cve(std::string_view id) { return cve_length(id) == id.size() && !id.empty(); }

std::vector<std::string> cves_in(std::string_view text) {
  std::vector<std::string> found;
  for (size_t at = text.find("CVE-"); at != std::string_view::npos; at = text.find("CVE-", at + 4))
    if (const size_t length = cve_length(text.substr(at)); length > 0)
      found.emplace_back(text.substr(at, length));
  sort_unique(found);
  return found;
}

void sort_unique(std::vector<std::string>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

std::optional<packages::Format> format_of(std::string_view ecosystem) {
  const std::string_view family = ecosystem.substr(0, ecosystem.find(':'));
  if (family == "Debian" || family == "Ubuntu") return packages::Format::deb;
  if (family == "Alpine" || family == "Wolfi" || family == "Chainguard") return packages::Format::apk;
  return std::nullopt;
}

std::string tracker_url(std::string_view ecosystem, const std::string& id) {
  if (ecosystem.starts_with("Debian") &&
      (is_cve(id) || id.starts_with("DSA-") || id.starts_with("DLA-") || id.starts_with("TEMP-")))
    return "https://security-tracker.debian.org/tracker/" + id;
  if (ecosystem.starts_with("Alpine") && is_cve(id)) return "https://security.alpinelinux.org/vuln/" + id;
  if (ecosystem.starts_with("Ubuntu") && is_cve(id)) return "https://ubuntu.com/security/" + id;
  return {};
}

// The end of LTS, from /usr/share/distro-info/debian.csv of Debian's package distro-info-data (column
// eol-lts).
const std::vector<Release>& debian_releases() {
  static const std::vector<Release> releases = {
      {"6", "squeeze", "2016-02-29"},
      {"7", "wheezy", "2018-05-31"},
      {"8", "jessie", "2020-06-30"},
      {"9", "stretch", "2022-06-30"},
      {"10", "buster", "2024-06-30"},
      {"11", "bullseye", "2026-08-31"},
      {"12", "bookworm", "2028-06-30"},
      {"13", "trixie", "2030-06-30"},
      {"14", "forky", ""},
      {"15", "duke", ""},
  };
  return releases;
}

// The ends of support as https://alpinelinux.org/releases/ has them.
const std::vector<Release>& alpine_releases() {
  static const std::vector<Release> releases = {
      {"v3.10", "", "2021-05-01"}, {"v3.11", "", "2021-11-01"}, {"v3.12", "", "2022-05-01"},
      {"v3.13", "", "2022-11-01"}, {"v3.14", "", "2023-05-01"}, {"v3.15", "", "2023-11-01"},
      {"v3.16", "", "2024-05-23"}, {"v3.17", "", "2024-11-22"}, {"v3.18", "", "2025-05-09"},
      {"v3.19", "", "2025-11-01"}, {"v3.20", "", "2026-04-01"}, {"v3.21", "", "2026-11-01"},
      {"v3.22", "", "2027-05-01"}, {"v3.23", "", "2027-11-01"},
  };
  return releases;
}

std::string debian_ecosystem(std::string_view release) {
  if (release == "unstable") release = "sid";
  for (const Release& one : debian_releases())
    if (release == one.codename) return std::string("Debian:") + one.number;
  return fmt::format("Debian:{}", release);
}

}  // namespace minibuild::trust
