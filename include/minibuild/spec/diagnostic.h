// What is wrong with a spec, with the place where it stands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minibuild::spec {

/// A place in a file; line and column begin at 1, columns count characters (code points).
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
  std::string why = {};  // for rules of a policy: why it matters, and the smallest change that satisfies it
  std::string fix = {};
};

/// Diagnostics of one file, in the order of their positions once sorted.
using Diagnostics = std::vector<Diagnostic>;
bool has_errors(const Diagnostics& diagnostics);
/// By position, duplicates (same position and message) dropped.
void sort(Diagnostics& diagnostics);
/// Of more than 100 the first, and one that says how many more there are: nobody reads them, and each may
/// show a part of the same long line.
void shorten(Diagnostics& diagnostics);

/// `FILE:LINE:COLUMN: error: MESSAGE`, the line itself and a caret under the column, for each diagnostic.
/// Tabs of the line are kept under the caret; a line is cut to 160 characters around the caret.
std::string render_text(const Diagnostics& diagnostics, const std::string& file, std::string_view source);
/// One JSON document: `{"diagnostics": [{"file", "line", "column", "severity", "rule", "message", "why"?,
/// "fix"?}…]}`.
std::string render_json(const Diagnostics& diagnostics, const std::string& file);
}  // namespace minibuild::spec
