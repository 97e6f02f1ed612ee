// Release files: which indexes a suite has, and their hashes.
#include <time.h>

#include <array>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/deb.h"
#include "minibuild/packages/facts.h"

namespace minibuild::packages {

using base::fail;

namespace {

// `Sat, 06 Sep 2025 10:00:00 UTC`, without asking the locale.
std::optional<int64_t> parse_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::vector<std::string> words;
  for (std::string& word : base::split(text, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  if (words.size() < 5) return std::nullopt;
  const auto day = base::parse_number(words[1], 31);
  const auto year = base::parse_number(words[3], 9999);
  const std::vector<std::string> clock = base::split(words[4], ':');
  size_t month = 0;
  while (month < months.size() && months[month] != words[2]) ++month;
  if (!day || !year || *year < 1970 || month == months.size() || clock.size() != 3) return std::nullopt;
  struct tm when {};
  when.tm_mday = static_cast<int>(*day);
  when.tm_mon = static_cast<int>(month);
  when.tm_year = static_cast<int>(*year) - 1900;
  when.tm_hour = static_cast<int>(base::parse_number(clock[0], 23).value_or(0));
  when.tm_min = static_cast<int>(base::parse_number(clock[1], 59).value_or(0));
  when.tm_sec = static_cast<int>(base::parse_number(clock[2], 60).value_or(0));
  return static_cast<int64_t>(::timegm(&when));
}

void add_file(Release& release, std::string_view line, const std::string& what) {
  std::vector<std::string> words;
  for (std::string& word : base::split(line, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  const auto hash = words.size() == 3 ? base::hash_from_hex(words[0]) : std::nullopt;
  const auto size = words.size() == 3 ? base::parse_number(words[1]) : std::nullopt;
  if (!hash || !size)
    fail("cannot read {}: malformed line '{}' under SHA256", what, base::printable(line.substr(0, 200)));
  release.files[words[2]] = {*size, *hash};
}

}  // namespace

Release parse_release(std::string_view text, const std::string& what) {
  std::string unix_text;  // a signed text has the line ends of the network
  unix_text.reserve(text.size());
  for (const char c : text)
    if (c != '\r') unix_text.push_back(c);
  Release release;
  release.suite = field_of(unix_text, "Suite");
  release.codename = field_of(unix_text, "Codename");
  release.date = parse_date(field_of(unix_text, "Date"));
  const std::string_view until = field_of(unix_text, "Valid-Until");
  release.valid_until = parse_date(until);
  if (!until.empty() && !release.valid_until)
    fail("cannot read {}: malformed Valid-Until '{}'", what, base::printable(until));
  release.by_hash = field_of(unix_text, "Acquire-By-Hash") == "yes";
  for (std::string& component : base::split(field_of(unix_text, "Components"), ' '))
    if (!component.empty()) release.components.push_back(std::move(component));
  const std::string_view files = field_of(unix_text, "SHA256");
  if (files.empty()) fail("cannot read {}: it has no SHA256 of any index", what);
  for (const std::string& line : base::split(files, '\n'))
    if (!base::trim(line).empty()) add_file(release, base::trim(line), what);
  return release;
}

}  // namespace minibuild::packages
