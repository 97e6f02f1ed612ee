// Semantic versions: semver.org 2.0, sections 2, 9 to 11.
#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/trust/retention.h"

namespace minibuild::trust {

namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_number(std::string_view text) { return is_digits(text) && (text == "0" || text.front() != '0'); }

bool is_identifier(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "0123456789-abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
}

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

// Numbers without leading zeros, of any length.
int compare_numbers(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return sign(a.compare(b));
}

int compare_identifiers(const std::string& a, const std::string& b) {
  const bool number_a = is_digits(a);
  const bool number_b = is_digits(b);
  if (number_a && number_b) return compare_numbers(a, b);
  if (number_a != number_b) return number_a ? -1 : 1;
  return sign(a.compare(b));
}

}  // namespace

std::optional<SemanticVersion> parse_semantic_version(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  if (const size_t plus = text.find_first_of("+_"); plus != std::string_view::npos) {
    for (const std::string& part : base::split(text.substr(plus + 1), '.'))
      if (!is_identifier(part)) return std::nullopt;
    text = text.substr(0, plus);
  }
  SemanticVersion version;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    version.pre_release = base::split(text.substr(dash + 1), '.');
    for (const std::string& part : version.pre_release)
      if (!is_identifier(part) || (is_digits(part) && !is_number(part))) return std::nullopt;
    text = text.substr(0, dash);
  }
  const std::vector<std::string> numbers = base::split(text, '.');
  if (numbers.size() != version.numbers.size() || !std::all_of(numbers.begin(), numbers.end(), is_number))
    return std::nullopt;
  std::copy(numbers.begin(), numbers.end(), version.numbers.begin());
  return version;
}

int compare(const SemanticVersion& a, const SemanticVersion& b) {
  for (size_t i = 0; i < a.numbers.size(); ++i)
    if (const int order = compare_numbers(a.numbers[i], b.numbers[i]); order != 0) return order;
  if (a.pre_release.empty() != b.pre_release.empty()) return a.pre_release.empty() ? 1 : -1;
  const size_t both = std::min(a.pre_release.size(), b.pre_release.size());
  for (size_t i = 0; i < both; ++i)
    if (const int order = compare_identifiers(a.pre_release[i], b.pre_release[i]); order != 0) return order;
  return sign(static_cast<int>(a.pre_release.size() > both) - static_cast<int>(b.pre_release.size() > both));
}

}  // namespace minibuild::trust
