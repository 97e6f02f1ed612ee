// Globs as in .dockerignore: `*`, `?`, `[a-z]`, `**`, and `!` for exceptions.
#pragma once

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
/// `./` or `/` of the pattern is of no importance.
bool glob_match(std::string_view pattern, std::string_view path);
/// The pattern's leading components that hold no glob character: where a search can begin.
std::string glob_prefix(std::string_view pattern);

/// An ordered list of patterns in which the last match decides and `!` excepts, as in .dockerignore. A
/// pattern matches a path also when it matches one of its parents.
class IgnoreList {
 public:
  IgnoreList() = default;
  explicit IgnoreList(const std::vector<std::string>& patterns);
  /// Lines of an ignore file: empty ones and those beginning with `#` do not count.
  static IgnoreList parse(std::string_view text);
  bool ignores(std::string_view path) const;
  /// True if nothing below the ignored directory `path` can be excepted again.
  bool ignores_all_below(std::string_view path) const;
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    std::string glob;
    bool except;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace minibuild::tree
