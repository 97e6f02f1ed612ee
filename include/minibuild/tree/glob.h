// Globs as in .dockerignore: `*`, `?`, `[a-z]`, `**`, and `!` for exceptions.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::tree {

/// True if `pattern` holds a character that makes it a glob.
bool is_glob(std::string_view pattern);
/// What is wrong with the pattern (an unclosed `[`, a trailing `\`); empty if nothing.
std::string glob_error(std::string_view pattern);
/// True if the whole of `path` matches. `*` and `?` do not match `/`; a component `**` matches any number of
/// components, none too; `[!a]` and `[^a]` are complements; `\` takes the next character as it is. A leading
/// `./` or `/` of the pattern is of no importance. A component also matches the name that is just that text.
bool glob_match(std::string_view pattern, std::string_view path);
/// Where a search for what `pattern` names begins, and the pattern of what is below that place. Components
/// without glob characters lead there, with each of them escaped too, and those with `[` or `\` (but neither
/// `*` nor `?`) that are there just as they are written. `rest` is empty if `start` is all.
struct GlobPlace {
  std::string start;
  std::string rest;
};
GlobPlace place_of_glob(std::string_view pattern, const std::function<bool(const std::string&)>& is_there);

struct IgnorePattern;

/// A line of an ignore file that is no pattern.
struct IgnoreProblem {
  int line = 0;
  int column = 0;  // from 1, in characters
  std::string what;
};

/// What is wrong with a pattern of a list in a spec; empty if nothing.
std::string ignore_error(std::string_view pattern);

/// An ordered list of patterns in which the last match decides and `!` excepts, as in .dockerignore. A
/// pattern matches a path also when it matches one of its parents. What matches is what
/// github.com/moby/patternmatcher 0.6.1 says, oddities too: `**` stands for any characters where it begins a
/// pattern (`**.md`), for whole components elsewhere (`a**b` is `ab` or `a/x/b`); `.` and `/` match nothing.
class IgnoreList {
 public:
  IgnoreList() = default;
  /// Patterns of a spec, where `[!a]` is the complement. Throws Error for what `ignore_error` names.
  explicit IgnoreList(const std::vector<std::string>& patterns);
  /// Lines of an ignore file: empty ones and those beginning with `#` do not count. Those that are wrong are
  /// added to `problems`.
  static IgnoreList parse(std::string_view text, std::vector<IgnoreProblem>& problems);
  bool ignores(std::string_view path) const;
  /// True if nothing below the ignored directory `path` can be excepted again.
  bool ignores_all_below(std::string_view path) const;
  bool empty() const { return patterns_.empty(); }

 private:
  std::vector<std::shared_ptr<const IgnorePattern>> patterns_;
};

}  // namespace minibuild::tree
