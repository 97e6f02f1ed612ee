// What is wrong with a spec, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minibuild::spec {

/// A place in a file; line and column start at 1, columns count characters (code points).
struct Position {
  int line = 0;
  int column = 0;
  bool operator==(const Position&) const = default;
};

enum class Severity { error, warning };

struct Diagnostic {
  Severity severity = Severity::error;
  std::string rule;  // stable id, such as `unknown-key` or `latest-tag`
  Position position;
  std::string message;
  std::string why = {};  // for policy rules: why it matters, and the smallest change that satisfies the rule
  std::string fix = {};
};

/// The diagnostics of one file, ordered by position once sorted.
using Diagnostics = std::vector<Diagnostic>;
bool has_errors(const Diagnostics& diagnostics);
/// Sorts by position and drops duplicates (same position and message).
void sort(Diagnostics& diagnostics);
/// Keeps only the first of more than 100 diagnostics, and adds one that says how many more there are: nobody
/// reads them all, and each may show a part of the same long line.
void shorten(Diagnostics& diagnostics);

/// For each diagnostic: `FILE:LINE:COLUMN: error: MESSAGE`, the line itself, and a caret under the column.
/// The caret line repeats the tabs of the line so that the caret lines up; a line is cut to 160 characters
/// around the caret.
std::string render_text(const Diagnostics& diagnostics, const std::string& file, std::string_view source);
/// One JSON document: `{"diagnostics": [{"file", "line", "column", "severity", "rule", "message", "why"?,
/// "fix"?}…]}`.
std::string render_json(const Diagnostics& diagnostics, const std::string& file);
}  // namespace minibuild::spec
