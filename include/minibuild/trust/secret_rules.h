// Undeclared credentials: found by their form in contents, file names and the texts of a config. Regular
// expressions are no guarantee; the search for declared secrets, byte by byte, is elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/image.h"

namespace minibuild::trust {

/// A rule as shown in SARIF, in messages and in docs/secrets.md.
struct SecretRuleText {
  std::string id;           // `github-token`
  std::string description;  // what was found: `a token of GitHub`
  std::string advice;       // what to do about it
};
/// All rules, in a fixed order, including those for file names and for variables of a config.
std::vector<SecretRuleText> secret_rules();

/// One credential in one file. Never contains the credential itself.
struct SecretFinding {
  std::string rule;         // id of the rule
  uint64_t offset = 0;      // of the credential in the file, in bytes; 0 for a rule about the file's name
  int line = 0;             // from 1; 0 if the file is binary or the rule is about its name
  int column = 0;           // from 1, in bytes; 0 if the line is
  std::string excerpt;      // at most the first four characters of the credential, and `…`
  std::string fingerprint;  // SHA-256 of rule, path and credential, in hexadecimal: for a baseline
  bool operator==(const SecretFinding&) const = default;
};

/// Searches one file, passed in chunks of any size; the findings do not depend on how it was cut. Keeps about
/// 16 KiB (up to 64 KiB more while chunks are small). Cheap to create; different scanners may run in
/// parallel. A finding is dropped if its line or the line before contains `minibuild:allow`. A file yields at
/// most 1000 findings.
class SecretScanner {
 public:
  /// `path` is the file's path in the image (`/usr/bin/x`), or the place of a text (`env:NAME`): file-name
  /// rules and fingerprints depend on it.
  explicit SecretScanner(std::string path);
  ~SecretScanner();
  SecretScanner(SecretScanner&&) noexcept;
  SecretScanner& operator=(SecretScanner&&) noexcept;

  void write(std::string_view bytes);
  /// Returns the findings by offset. The scanner accepts no bytes afterwards.
  std::vector<SecretFinding> finish();

 private:
  friend std::vector<SecretFinding> scan_secrets(std::string_view path, std::string_view bytes);
  struct State;
  std::unique_ptr<State> state_;
};

/// The same for a file in one piece.
std::vector<SecretFinding> scan_secrets(std::string_view path, std::string_view bytes);

/// A text from an image's config, and what was found in it.
struct ConfigText {
  std::string place;  // `env:NAME`, `label:NAME`, `cmd`, `entrypoint`, `history:3` (from 0)
  std::string text;
};
struct ConfigFinding {
  std::string place;
  SecretFinding finding;
  bool operator==(const ConfigFinding&) const = default;
};
/// Searches each text. For `env:NAME` and `label:NAME`, a name such as `DB_PASSWORD` with a value that is not
/// a placeholder is also a finding (rule `variable`).
std::vector<ConfigFinding> scan_texts(const std::vector<ConfigText>& texts);
/// Env, labels, cmd, entrypoint and history (created_by and comment) of a config, as texts in this order.
std::vector<ConfigText> texts_of(const oci::ImageConfig& config);

/// Known and accepted findings: `{"version":1,"findings":[{"rule":…,"path":…,"fingerprint":…}]}`.
struct Baseline {
  struct Entry {
    std::string rule;
    std::string path;
    std::string fingerprint;
    auto operator<=>(const Entry&) const = default;
  };
  std::set<Entry> entries;

  void add(std::string_view path, const SecretFinding& finding);
  /// Compares the fingerprint, which covers rule and path.
  bool contains(const SecretFinding& finding) const;
  bool operator==(const Baseline&) const = default;
};
/// Throws Error `cannot read WHAT: cause` for anything that is not such a file. Unknown keys are ignored.
Baseline parse_baseline(std::string_view json, std::string_view what);
/// Sorted by rule, path and fingerprint, one finding per line, to be kept in a repository.
std::string to_json(const Baseline& baseline);

}  // namespace minibuild::trust
