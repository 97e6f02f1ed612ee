// What a scan found, for people, for programs, and for code hosts.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/trust/sarif.h"
#include "minibuild/trust/scan.h"

namespace minibuild::trust {

namespace {

constexpr std::array<Severity, 6> worst_first = {Severity::critical, Severity::high,       Severity::medium,
                                                 Severity::low,      Severity::negligible, Severity::unknown};

std::string colour_of(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return "1;31";
    case Severity::high:
      return "31";
    case Severity::medium:
      return "33";
    case Severity::low:
      return "36";
    case Severity::negligible:
    case Severity::unknown:
      return "2";
  }
  return "0";
}

size_t count_of(const std::vector<Vulnerability>& found, Severity severity) {
  return static_cast<size_t>(std::count_if(found.begin(), found.end(),
                                           [&](const Vulnerability& v) { return v.severity == severity; }));
}

// How many characters a terminal shows, as far as UTF-8 says: no wide characters are in names and versions.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

std::string shorten(const std::string& text, size_t width) {
  if (width_of(text) <= width) return text;
  std::string out;
  size_t shown = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80 && ++shown >= width) break;
    out += c;
  }
  return out + "…";
}

std::string fix_text(const Vulnerability& one) {
  if (!one.fixed_version.empty()) return one.fixed_version;
  return one.status == "affected" ? "-" : "- (" + one.status + ")";
}

using Row = std::array<std::string, 6>;

std::string rows_text(const std::vector<Row>& rows, const std::vector<Severity>& severities, bool colours) {
  std::array<size_t, 6> widths{};
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (size_t n = 0; n < rows.size(); ++n) {
    std::string line;
    for (size_t i = 0; i < rows[n].size(); ++i) {
      const std::string& cell = rows[n][i];
      const bool coloured = colours && i == 2 && n > 0;
      line += coloured ? fmt::format("\x1b[{}m{}\x1b[0m", colour_of(severities[n - 1]), cell) : cell;
      if (i + 1 < rows[n].size()) line += std::string(widths[i] - width_of(cell) + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string table_of(const ScanReport& report, bool colours) {
  std::vector<Row> rows = {{"PACKAGE", "INSTALLED", "SEVERITY", "VULNERABILITY", "FIXED IN", "TITLE"}};
  std::vector<Severity> severities;
  const InstalledPackage* last = nullptr;
  for (const Vulnerability& one : report.found) {
    const bool again = last != nullptr && *last == one.package;
    last = &one.package;
    rows.push_back({again ? "" : base::printable(one.package.name),
                    again ? "" : base::printable(one.package.version), std::string(name_of(one.severity)),
                    base::printable(one.id), base::printable(fix_text(one)),
                    shorten(base::printable(one.title), 60)});
    severities.push_back(one.severity);
  }
  return rows.size() == 1 ? "" : rows_text(rows, severities, colours) + "\n";
}

std::string age_of(const std::string& created, int64_t now) {
  const auto time = base::parse_time(created);
  if (!time || *time == 0 || now < *time) return {};
  const int64_t days = (now - *time) / 86400;
  return fmt::format("{} ({} day{} ago)", created.substr(0, 10), days, days == 1 ? "" : "s");
}

std::string plural(size_t count, const char* one, const char* several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

std::string system_of(const ScanReport& report) {
  const OperatingSystem& os = report.inventory.os;
  return base::printable(os.name.empty() ? os.id + " " + os.version_id : os.name);
}

// The packages that advisories of this system can be about.
size_t compared_of(const ScanReport& report) {
  const auto format = package_format_of(report.inventory.os);
  return static_cast<size_t>(
      std::count_if(report.inventory.packages.begin(), report.inventory.packages.end(),
                    [&](const InstalledPackage& one) { return !format || one.format == *format; }));
}

std::string counts_of(const ScanReport& report) {
  std::vector<std::string> counts;
  for (const Severity severity : worst_first)
    if (const size_t n = count_of(report.found, severity); n > 0)
      counts.push_back(fmt::format("{} {}", n, name_of(severity)));
  return base::join(counts, ", ");
}

std::string summary_of(const ScanReport& report) {
  const std::string packages = plural(compared_of(report), "package", "packages");
  std::string text;
  if (report.found.empty()) {
    text = fmt::format("no known vulnerabilities in {} of {}", packages, system_of(report));
  } else {
    const auto fixable =
        static_cast<size_t>(std::count_if(report.found.begin(), report.found.end(),
                                          [](const Vulnerability& v) { return !v.fixed_version.empty(); }));
    text = fmt::format("{} in {} of {}: {}; {} can be fixed by newer packages",
                       plural(report.found.size(), "vulnerability", "vulnerabilities"), packages,
                       system_of(report), counts_of(report), fixable);
  }
  if (!report.suppressed.empty()) text += fmt::format("; {} suppressed by VEX", report.suppressed.size());
  if (report.not_fixed > 0) text += fmt::format("; {} without a fix not shown", report.not_fixed);
  if (!report.undetermined.empty())
    text += fmt::format("; {} not looked at yet by the distribution", report.undetermined.size());
  return text + "\n";
}

oci::Json json_of(const Vulnerability& one, const OperatingSystem& os) {
  oci::Json json;
  json["id"] = one.id;
  json["aliases"] = one.aliases;
  json["package"] = {{"name", one.package.name},
                     {"version", one.package.version},
                     {"architecture", one.package.architecture},
                     {"source", one.package.source},
                     {"sourceVersion", one.package.source_version},
                     {"purl", package_url(one.package, os)}};
  json["fixedVersion"] = one.fixed_version.empty() ? oci::Json() : oci::Json(one.fixed_version);
  json["severity"] = name_of(one.severity);
  json["score"] = one.score < 0 ? oci::Json() : oci::Json(one.score);
  json["vector"] = one.vector.empty() ? oci::Json() : oci::Json(one.vector);
  json["urgency"] = one.urgency.empty() ? oci::Json() : oci::Json(one.urgency);
  json["status"] = one.status;
  json["title"] = one.title;
  json["url"] = one.url.empty() ? oci::Json() : oci::Json(one.url);
  json["feeds"] = oci::Json::array();
  for (const Feed feed : one.feeds) json["feeds"].push_back(name_of(feed));
  return json;
}

oci::Json text_or_null(const std::string& text) { return text.empty() ? oci::Json() : oci::Json(text); }

Level level_of(Severity severity) {
  if (severity >= Severity::high) return Level::error;
  return severity == Severity::medium ? Level::warning : Level::note;
}

// Where code hosts show one number for a word: the middle of its class.
double number_of(const Vulnerability& one) {
  if (one.score >= 0 && severity_of_score(one.score) == one.severity) return one.score;
  switch (one.severity) {
    case Severity::critical:
      return 9.5;
    case Severity::high:
      return 8.0;
    case Severity::medium:
      return 5.5;
    case Severity::low:
      return 2.0;
    case Severity::negligible:
      return 0.1;
    case Severity::unknown:
      break;
  }
  return -1;
}

}  // namespace

std::string to_table(const ScanReport& report, bool colours) {
  std::string text = table_of(report, colours);
  const auto line = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<12}{}\n", name, base::printable(value));
  };
  line("image", fmt::format("{} {} ({})", report.image, report.digest, report.platform));
  const auto end = end_of_life(report.inventory.os);
  line("system", system_of(report) + (end ? fmt::format(", {} {}",
                                                        *end < report.now ? "without security updates since"
                                                                          : "security updates until",
                                                        base::format_time(*end).substr(0, 10))
                                          : ""));
  line("created", age_of(report.created, report.now));
  line("base", report.base_name.empty() ? report.base_digest : report.base_name + " " + report.base_digest);
  for (const FeedFacts& feed : report.feeds)
    line("advisories", fmt::format("{} of {}, {} about {}", feed.source,
                                   feed.date > 0 ? base::format_time(feed.date).substr(0, 10) : "unknown age",
                                   feed.records, feed.ecosystem));
  return text + summary_of(report);
}

std::string to_json(const ScanReport& report) {
  const OperatingSystem& os = report.inventory.os;
  oci::Json json;
  json["version"] = 1;
  json["image"] = {{"name", report.image},
                   {"digest", report.digest},
                   {"platform", report.platform},
                   {"created", text_or_null(report.created)},
                   {"base", text_or_null(report.base_name)},
                   {"baseDigest", text_or_null(report.base_digest)}};
  const auto end = end_of_life(os);
  json["system"] = {{"id", os.id},
                    {"version", os.version_id},
                    {"codename", os.codename},
                    {"name", os.name},
                    {"endOfLife", end ? oci::Json(base::format_time(*end).substr(0, 10)) : oci::Json()}};
  json["packages"] = compared_of(report);
  json["advisories"] = oci::Json::array();
  for (const FeedFacts& feed : report.feeds)
    json["advisories"].push_back(
        {{"kind", name_of(feed.feed)},
         {"ecosystem", feed.ecosystem},
         {"records", feed.records},
         {"date", feed.date > 0 ? oci::Json(base::format_time(feed.date)) : oci::Json()},
         {"source", feed.source}});
  json["doubts"] = report.doubts;
  json["counts"] = oci::Json::object();
  for (const Severity severity : worst_first)
    json["counts"][std::string(name_of(severity))] = count_of(report.found, severity);
  json["vulnerabilities"] = oci::Json::array();
  for (const Vulnerability& one : report.found) json["vulnerabilities"].push_back(json_of(one, os));
  json["suppressed"] = oci::Json::array();
  for (const Suppressed& one : report.suppressed) {
    oci::Json entry = json_of(one.vulnerability, os);
    entry["vex"] = {{"status", one.statement.status},
                    {"justification", text_or_null(one.statement.justification)},
                    {"impact", text_or_null(one.statement.impact)},
                    {"source", one.statement.source}};
    json["suppressed"].push_back(std::move(entry));
  }
  json["undetermined"] = report.undetermined;
  json["notFixed"] = report.not_fixed;
  return json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
}

std::string to_sarif(const ScanReport& report) {
  std::vector<SarifRule> rules;
  std::map<std::string, size_t> numbers;
  std::vector<SarifResult> results;
  for (const Vulnerability& one : report.found) {
    const auto [place, fresh] = numbers.try_emplace(one.id, rules.size());
    if (fresh) {
      const std::string title = one.title.empty() ? one.id : one.title;
      rules.push_back({one.id, title, title, one.url, number_of(one)});
    } else {
      // Packages may be affected differently: the rule tells of the worst.
      SarifRule& rule = rules[place->second];
      rule.severity = std::max(rule.severity, number_of(one));
    }
    SarifResult result;
    result.rule = one.id;
    result.level = level_of(one.severity);
    result.message = fmt::format(
        "{} {} has {} ({}): {}", one.package.name, one.package.version, one.id, name_of(one.severity),
        one.fixed_version.empty() ? "there is no fixed version" : "fixed in " + one.fixed_version);
    const auto database = report.databases.find(one.package.format);
    result.uri = database == report.databases.end() ? "var/lib/dpkg/status" : database->second;
    result.line = 1;
    result.logical = package_url(one.package, report.inventory.os);
    result.fingerprint = base::to_hex(base::sha256(fmt::format(
        "{}\n{}\n{}\n{}", one.id, one.package.name, one.package.version, one.package.architecture)));
    results.push_back(std::move(result));
  }
  return to_sarif(rules, results);
}

}  // namespace minibuild::trust
