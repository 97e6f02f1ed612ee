// Maintainer scripts read as the shell would, without running anything: which commands a first installation
// reaches, with which words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace minibuild::packages {

enum class Outcome : uint8_t { yes, no, unknown };

/// What a word has where its value cannot be known (output of a command, an answer to a question).
inline constexpr char unknown_part = '\x01';

/// What a script meets. Words are expanded; they may have `unknown_part`.
class ScriptHost {
 public:
  ScriptHost() = default;
  ScriptHost(const ScriptHost&) = delete;
  ScriptHost& operator=(const ScriptHost&) = delete;
  virtual ~ScriptHost() = default;
  /// A command that is reached for sure (`certain`) or perhaps. `source` is its text in one line; `output` is
  /// the file that it writes, if any.
  virtual Outcome command(const std::vector<std::string>& words, const std::string& source,
                          const std::string& output, bool certain) = 0;
  /// What a command between `$(` and `)` prints; nothing if it cannot be known.
  virtual std::optional<std::string> printed(const std::vector<std::string>& words) = 0;
  /// One of test(1)'s letters for files (`e`, `f`, `d`, `x`, `L` …).
  virtual Outcome test(char letter, const std::string& path) = 0;
};

/// Follows a script that gets these arguments. Throws Error for what is no shell script or cannot be read.
void follow_script(const std::string& text, const std::vector<std::string>& arguments, ScriptHost& host);

}  // namespace minibuild::packages
