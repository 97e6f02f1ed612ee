#include "minibuild/spec/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::spec {

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& one) { return one.severity == Severity::error; });
}

void sort(Diagnostics& diagnostics) {
  const auto order = [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.position.line, a.position.column) < std::pair(b.position.line, b.position.column);
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(), order);
  const auto same = [](const Diagnostic& a, const Diagnostic& b) {
    return a.position == b.position && a.message == b.message;
  };
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

void shorten(Diagnostics& diagnostics) {
  constexpr size_t most = 100;
  if (diagnostics.size() <= most) return;
  const Diagnostics rest(diagnostics.begin() + most, diagnostics.end());
  diagnostics.resize(most);
  diagnostics.push_back({has_errors(rest) ? Severity::error : Severity::warning, "limit",
                         rest.front().position, fmt::format("and {} more", rest.size())});
}

namespace {

std::string_view severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

std::string_view line_of(std::string_view source, int line) {
  size_t start = 0;
  for (int i = 1; i < line; ++i) {
    const size_t end = source.find('\n', start);
    if (end == std::string_view::npos) return {};
    start = end + 1;
  }
  std::string_view text = source.substr(start, std::min(source.find('\n', start), source.size()) - start);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0U) == 0x80) ++end;
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

// The line and a caret below its column; long lines are cut to what is around it.
std::string snippet(std::string_view line, int column) {
  constexpr size_t width = 160;
  const std::vector<std::string_view> all = characters(line);
  const size_t at = std::min(static_cast<size_t>(std::max(1, column) - 1), all.size());
  const size_t first = all.size() > width && at > width / 2 ? at - width / 2 : 0;
  const size_t last = std::min(all.size(), first + width);
  std::string shown = first > 0 ? "..." : "";
  std::string below(shown.size(), ' ');
  for (size_t i = first; i < last; ++i) {
    const bool tab = all[i] == "\t";
    shown += tab ? "\t" : base::printable(all[i]);
    if (i < at) below += tab ? '\t' : ' ';
  }
  if (last < all.size()) shown += "...";
  return "  " + shown + "\n  " + below + "^\n";
}

}  // namespace

std::string render_text(const Diagnostics& diagnostics, const std::string& file, std::string_view source) {
  std::string out;
  for (const Diagnostic& one : diagnostics) {
    out += fmt::format("{}:{}:{}: {}: {}\n", file, one.position.line, one.position.column,
                       severity_name(one.severity), one.message);
    const std::string_view line = line_of(source, one.position.line);
    // A line that has a credential is not shown.
    if (one.rule != "secret" && !base::trim(line).empty()) out += snippet(line, one.position.column);
    if (!one.why.empty()) out += fmt::format("  why: {}\n", one.why);
    if (!one.fix.empty()) out += fmt::format("  fix: {}\n", one.fix);
  }
  return out;
}

std::string render_json(const Diagnostics& diagnostics, const std::string& file) {
  oci::Json json;
  json["diagnostics"] = oci::Json::array();
  for (const Diagnostic& one : diagnostics) {
    oci::Json item = {{"file", file},
                      {"line", one.position.line},
                      {"column", one.position.column},
                      {"severity", severity_name(one.severity)},
                      {"rule", one.rule},
                      {"message", one.message}};
    if (!one.why.empty()) item["why"] = one.why;
    if (!one.fix.empty()) item["fix"] = one.fix;
    json["diagnostics"].push_back(item);
  }
  return json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
}

}  // namespace minibuild::spec
