// How bad a vulnerability is: words, and the base score of CVSS version 3.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "minibuild/base/text.h"
#include "minibuild/trust/advisories.h"

namespace minibuild::trust {

namespace {

// The metrics of the base group with their weights (appendix A, "Metrics"); privileges weigh more when
// another part of the system is reached.
struct Metrics {
  std::map<std::string, std::string> values;
  bool changed() const { return values.at("S") == "C"; }
  double weight(const std::string& name) const {
    static const std::map<std::string, std::map<std::string, double>> weights = {
        {"AV", {{"N", 0.85}, {"A", 0.62}, {"L", 0.55}, {"P", 0.2}}},
        {"AC", {{"L", 0.77}, {"H", 0.44}}},
        {"PR", {{"N", 0.85}, {"L", 0.62}, {"H", 0.27}}},
        {"UI", {{"N", 0.85}, {"R", 0.62}}},
        {"S", {{"U", 0}, {"C", 0}}},
        {"C", {{"H", 0.56}, {"L", 0.22}, {"N", 0}}},
        {"I", {{"H", 0.56}, {"L", 0.22}, {"N", 0}}},
        {"A", {{"H", 0.56}, {"L", 0.22}, {"N", 0}}}};
    const std::string& value = values.at(name);
    if (name == "PR" && changed() && value != "N") return value == "L" ? 0.68 : 0.5;
    const auto& options = weights.at(name);
    const auto found = options.find(value);
    return found == options.end() ? -1 : found->second;
  }
};

constexpr std::array<const char*, 8> base_metrics = {"AV", "AC", "PR", "UI", "S", "C", "I", "A"};

std::optional<Metrics> read_vector(std::string_view text) {
  Metrics metrics;
  for (const std::string& part : base::split(text, '/')) {
    const size_t colon = part.find(':');
    if (colon == std::string::npos) return std::nullopt;
    if (!metrics.values.emplace(part.substr(0, colon), part.substr(colon + 1)).second) return std::nullopt;
  }
  for (const char* name : base_metrics)
    if (!metrics.values.contains(name)) return std::nullopt;
  for (const char* name : base_metrics)
    if (metrics.weight(name) < 0) return std::nullopt;
  return metrics;
}

// Up to one decimal. Version 3.1 does it on integers, so that no last bit of a double decides (appendix
// A); 3.0 means the same, and differs in those bits only.
double round_up(double value) {
  const auto scaled = static_cast<int64_t>(std::llround(value * 100000));
  const int64_t tenths = scaled / 10000 + (scaled % 10000 == 0 ? 0 : 1);
  return static_cast<double>(tenths) / 10.0;
}

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::unknown:
      return "unknown";
    case Severity::negligible:
      return "negligible";
    case Severity::low:
      return "low";
    case Severity::medium:
      return "medium";
    case Severity::high:
      return "high";
    case Severity::critical:
      return "critical";
  }
  return "unknown";
}

Severity parse_severity(std::string_view text) {
  std::string word;
  for (const char c : text)
    if (c != '*') word += base::lower_case(c);
  if (word == "unimportant" || word == "negligible" || word == "none") return Severity::negligible;
  if (word == "low" || word == "minor") return Severity::low;
  if (word == "medium" || word == "moderate") return Severity::medium;
  if (word == "high" || word == "important") return Severity::high;
  if (word == "critical") return Severity::critical;
  return Severity::unknown;
}

std::optional<double> cvss3_base_score(std::string_view vector) {
  if (!vector.starts_with("CVSS:3.0/") && !vector.starts_with("CVSS:3.1/")) return std::nullopt;
  const auto metrics = read_vector(vector.substr(9));
  if (!metrics) return std::nullopt;
  const bool changed = metrics->changed();
  const double loss =
      1 - (1 - metrics->weight("C")) * (1 - metrics->weight("I")) * (1 - metrics->weight("A"));
  const double impact = changed ? 7.52 * (loss - 0.029) - 3.25 * std::pow(loss - 0.02, 15) : 6.42 * loss;
  if (impact <= 0) return 0.0;
  const double ease =
      8.22 * metrics->weight("AV") * metrics->weight("AC") * metrics->weight("PR") * metrics->weight("UI");
  return round_up(std::min((changed ? 1.08 : 1.0) * (impact + ease), 10.0));
}

Severity severity_of_score(double score) {
  if (score <= 0) return Severity::negligible;
  if (score < 4) return Severity::low;
  if (score < 7) return Severity::medium;
  if (score < 9) return Severity::high;
  return Severity::critical;
}

std::string_view name_of(Feed feed) {
  switch (feed) {
    case Feed::debian_tracker:
      return "debian-tracker";
    case Feed::alpine_secdb:
      return "alpine-secdb";
    case Feed::osv:
      return "osv";
  }
  return "unknown";
}

}  // namespace minibuild::trust
