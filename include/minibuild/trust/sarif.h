// Findings in SARIF 2.1.0 (OASIS), for code hosts and editors.
#pragma once

#include <string>
#include <vector>

namespace minibuild::trust {

enum class Level { error, warning, note };

/// The entry of a rule in `tool.driver.rules` (3.49).
struct SarifRule {
  std::string id;
  std::string name;         // a short title; may be empty
  std::string description;  // why it matters; may be empty
  std::string help;         // what to do, or a URL to read; may be empty
  double severity = -1;     // `security-severity`, 0 to 10; below 0: none
};

struct SarifResult {
  std::string rule;
  Level level = Level::warning;
  std::string message;
  std::string uri;          // of the artifact: a path relative to the root, or a spec's path
  int line = 0;             // from 1; 0: the whole artifact
  int column = 0;           // from 1, in code points
  std::string logical;      // a name in the artifact, such as a package; may be empty
  std::string fingerprint;  // stable across runs for the same finding; may be empty
};

/// One run of minibuild. Rules that have results but are not listed get an entry with only their id.
std::string to_sarif(const std::vector<SarifRule>& rules, const std::vector<SarifResult>& results);

}  // namespace minibuild::trust
