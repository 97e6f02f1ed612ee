// Globs as in .dockerignore: `*`, `?`, `[a-z]`, `**`, and `!` for exceptions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::tree {

/// True if `pattern` contains a character that makes it a glob.
bool is_glob(std::string_view pattern);
/// What is wrong with the pattern (an unclosed `[`, a trailing `\`); empty if nothing is.
std::string glob_error(std::string_view pattern);
/// True if all of `path` matches. `*` and `?` do not match `/`; a component `**` matches any number of
/// components, including none; `[!a]` and `[^a]` are complements; `\` makes the next character literal. A
/// leading `./` or `/` in the pattern has no effect. A component also matches a name that equals its text
/// exactly.
bool glob_match(std::string_view pattern, std::string_view path);
/// Where to start searching for what `pattern` names, and the pattern for what is below that place. `start`
/// consists of the leading components that are plain names: those without glob characters, those in which
/// every glob character is escaped, and those with `[` or `\` (but neither `*` nor `?`) that exist exactly as
/// written. `rest` is empty if `start` is the whole pattern.
struct GlobPlace {
  std::string start;
  std::string rest;
};
GlobPlace place_of_glob(std::string_view pattern, const std::function<bool(const std::string&)>& is_there);

struct IgnorePattern;

/// A line of an ignore file that is not a valid pattern.
struct IgnoreProblem {
  int line = 0;
  int column = 0;  // from 1, in characters
  std::string what;
};

/// What is wrong with a pattern in a list of a spec; empty if nothing is.
std::string ignore_error(std::string_view pattern);

/// An ordered list of patterns in which the last match decides and `!` makes exceptions, as in .dockerignore.
/// A pattern also matches a path if it matches one of its parents. Matching follows
/// github.com/moby/patternmatcher 0.6.1, including its quirks: `**` stands for any characters at the start of
/// a pattern (`**.md`), and for whole components elsewhere (`a**b` is `ab` or `a/x/b`); `.` and `/` match
/// nothing.
class IgnoreList {
 public:
  IgnoreList() = default;
  /// Patterns of a spec, where `[!a]` is the complement. Throws Error for the faults that `ignore_error`
  /// reports.
  explicit IgnoreList(const std::vector<std::string>& patterns);
  /// Lines of an ignore file; empty lines and lines that begin with `#` are ignored. Invalid lines are added
  /// to `problems`.
  static IgnoreList parse(std::string_view text, std::vector<IgnoreProblem>& problems);
  bool ignores(std::string_view path) const;
  /// True if no exception can apply to anything below the ignored directory `path`.
  bool ignores_all_below(std::string_view path) const;
  bool empty() const { return patterns_.empty(); }

 private:
  std::vector<std::shared_ptr<const IgnorePattern>> patterns_;
};

}  // namespace minibuild::tree
