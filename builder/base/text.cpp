#include "minibuild/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "minibuild/base/error.h"

namespace minibuild::base {

std::string errno_text(int number) {
  const char* text = strerrordesc_np(number);
  return text != nullptr ? text : fmt::format("error {}", number);
}

std::string errno_text() { return errno_text(errno); }

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (true) {
    const size_t end = text.find(separator, start);
    if (end == std::string_view::npos) break;
    parts.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  parts.emplace_back(text.substr(start));
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower_case(c);
  return out;
}

namespace {

// The number of insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

std::optional<uint64_t> parse_number(std::string_view text, uint64_t max) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, end);
  const std::string_view unit = trim(text.substr(end));
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 14> units = {{{"", 1},
                                                                                   {"B", 1},
                                                                                   {"k", 1000},
                                                                                   {"K", 1000},
                                                                                   {"M", 1000000},
                                                                                   {"G", 1000000000},
                                                                                   {"kB", 1000},
                                                                                   {"KB", 1000},
                                                                                   {"MB", 1000000},
                                                                                   {"GB", 1000000000},
                                                                                   {"TB", 1000000000000},
                                                                                   {"KiB", 1ULL << 10U},
                                                                                   {"MiB", 1ULL << 20U},
                                                                                   {"GiB", 1ULL << 30U}}};
  const auto* found =
      std::find_if(units.begin(), units.end(), [&](const auto& u) { return u.first == unit; });
  if (found == units.end()) return std::nullopt;
  const size_t dot = number.find('.');
  const auto whole = parse_number(number.substr(0, dot), UINT64_MAX / 1000 / found->second);
  if (!whole) return std::nullopt;
  uint64_t bytes = *whole * found->second;
  if (dot != std::string_view::npos) {
    const std::string_view digits = number.substr(dot + 1);
    const auto fraction = parse_number(digits.substr(0, 6));
    if (!fraction || digits.find('.') != std::string_view::npos) return std::nullopt;
    uint64_t scale = 1;
    for (size_t i = 0; i < std::min<size_t>(digits.size(), 6); ++i) scale *= 10;
    bytes += found->second / scale * *fraction + found->second % scale * *fraction / scale;
  }
  return bytes;
}

namespace {

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

}  // namespace

std::optional<int64_t> parse_time(std::string_view text) {
  if (const auto seconds = parse_number(text, 253402300799)) return static_cast<int64_t>(*seconds);
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const auto field = [&](size_t at, size_t n, uint64_t min, uint64_t max) -> std::optional<int64_t> {
    const auto value = parse_number(text.substr(at, n), max);
    if (!value || *value < min) return std::nullopt;
    return static_cast<int64_t>(*value);
  };
  const auto year = field(0, 4, 1970, 9999);
  const auto month = field(5, 2, 1, 12);
  const auto day = field(8, 2, 1, 31);
  const auto hour = field(11, 2, 0, 23);
  const auto minute = field(14, 2, 0, 59);
  const auto second = field(17, 2, 0, 60);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  static constexpr std::array<int64_t, 12> month_days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  if (*day > month_days[static_cast<size_t>(*month - 1)] + (*month == 2 && leap ? 1 : 0)) return std::nullopt;
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {
    const size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end < 2) return std::nullopt;
    rest.remove_prefix(end);
  }
  int64_t offset = 0;
  if (rest != "Z" && rest != "z") {
    if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return std::nullopt;
    const auto hours = parse_number(rest.substr(1, 2), 23);
    const auto minutes = parse_number(rest.substr(4, 2), 59);
    if (!hours || !minutes) return std::nullopt;
    offset = static_cast<int64_t>(*hours * 3600 + *minutes * 60) * (rest[0] == '-' ? -1 : 1);
  }
  const int64_t seconds =
      days_from_civil(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second - offset;
  if (seconds < 0) return std::nullopt;
  return seconds;
}

std::string format_time(int64_t seconds) {
  const int64_t shifted = (seconds >= 0 ? seconds : seconds - 86399) / 86400 + 719468;
  const int64_t time = seconds - (shifted - 719468) * 86400;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int64_t month = shifted_month + (shifted_month < 10 ? 3 : -9);
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, month, day, time / 3600, time / 60 % 60,
                     time % 60);
}

std::string human_size(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  static constexpr std::array<std::string_view, 5> units = {"kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_seconds(double seconds) {
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

bool is_utf8(std::string_view text) {
  size_t i = 0;
  const auto at = [&](size_t k) -> uint32_t { return k < text.size() ? static_cast<uint8_t>(text[k]) : 0; };
  while (i < text.size()) {
    const uint32_t c = at(i);
    if (c < 0x80) {
      ++i;
      continue;
    }
    const size_t length = c >= 0xC2 && c <= 0xDF   ? 2
                          : c >= 0xE0 && c <= 0xEF ? 3
                          : c >= 0xF0 && c <= 0xF4 ? 4
                                                   : 0;
    if (length == 0) return false;
    const uint32_t second = at(i + 1);
    const uint32_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    const uint32_t high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) return false;
    for (size_t k = 2; k < length; ++k)
      if ((at(i + k) & 0xC0U) != 0x80) return false;
    i += length;
  }
  return true;
}

size_t control_size(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  if (text.empty()) return 0;
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) <= 0x9F) return 2;
  if (byte(0) != 0xE2) return 0;
  const bool mark = byte(1) == 0x80 && ((byte(2) >= 0x8E && byte(2) <= 0x8F) ||    // U+200E, U+200F
                                        (byte(2) >= 0xAA && byte(2) <= 0xAE));     // U+202A to U+202E
  return mark || (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9) ? 3 : 0;  // U+2066 to U+2069
}

std::string printable(std::string_view text) {
  const bool utf8 = is_utf8(text);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (text[i] == '\n') {
      out += "\\n";
    } else if (text[i] == '\t') {
      out += "\\t";
    } else if (byte >= 0x80 && !utf8) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (const size_t size = control_size(text.substr(i)); size > 0) {
      for (const char c : text.substr(i, size)) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
      i += size - 1;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string shell_quote(std::string_view word) {
  const auto plain = [](char c) {
    return is_alphanumeric(c) || std::string_view("_-./=:,+@%").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

namespace {
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64(std::string_view bytes) {
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = bits << 8U | static_cast<uint8_t>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out.push_back(base64_digits[bits >> count & 63U]);
    }
  }
  if (count > 0) out.push_back(base64_digits[bits << (6 - count) & 63U]);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

std::string base64url(std::string_view bytes) {
  std::string text = base64(bytes);
  text.resize(text.find_last_not_of('=') + 1);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::optional<std::string> unbase64(std::string_view text) {
  text = trim(text);
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const size_t digit = base64_digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFFU));
    }
  }
  if (count == 6) return std::nullopt;
  return out;
}

}  // namespace minibuild::base
