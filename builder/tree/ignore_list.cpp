// .dockerignore as Docker's own reader (github.com/moby/patternmatcher) takes it: a line becomes a path, the
// path a plain comparison or a regular expression in RE2's syntax, which Go's is.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/glob.h"

namespace minibuild::tree {

namespace {

constexpr size_t longest_line = size_t{64} << 10;  // what that reader's buffer holds

// Unicode's White_Space.
constexpr std::array<std::string_view, 25> spaces = {" ",
                                                     "\t",
                                                     "\n",
                                                     "\v",
                                                     "\f",
                                                     "\r",
                                                     "\xC2\x85",
                                                     "\xC2\xA0",
                                                     "\xE1\x9A\x80",
                                                     "\xE2\x80\x80",
                                                     "\xE2\x80\x81",
                                                     "\xE2\x80\x82",
                                                     "\xE2\x80\x83",
                                                     "\xE2\x80\x84",
                                                     "\xE2\x80\x85",
                                                     "\xE2\x80\x86",
                                                     "\xE2\x80\x87",
                                                     "\xE2\x80\x88",
                                                     "\xE2\x80\x89",
                                                     "\xE2\x80\x8A",
                                                     "\xE2\x80\xA8",
                                                     "\xE2\x80\xA9",
                                                     "\xE2\x80\xAF",
                                                     "\xE2\x81\x9F",
                                                     "\xE3\x80\x80"};

std::string_view without_space_in_front(std::string_view text) {
  const auto leads = [&](std::string_view space) { return text.starts_with(space); };
  while (true) {
    const auto* const space = std::find_if(spaces.begin(), spaces.end(), leads);
    if (space == spaces.end()) return text;
    text.remove_prefix(space->size());
  }
}

std::string_view without_space(std::string_view text) {
  text = without_space_in_front(text);
  const auto trails = [&](std::string_view space) { return text.ends_with(space); };
  while (true) {
    const auto* const space = std::find_if(spaces.begin(), spaces.end(), trails);
    if (space == spaces.end()) return text;
    text.remove_suffix(space->size());
  }
}

// The shortest path that means the same lexically. Unlike `normalise` it keeps a leading `/` and the `..`
// that lead above the start.
std::string shortest(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string> parts;
  for (std::string& part : base::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    const bool up = part == "..";
    if (up && !parts.empty() && parts.back() != "..")
      parts.pop_back();
    else if (!up || !rooted)
      parts.push_back(std::move(part));
  }
  const std::string joined = (rooted ? "/" : "") + base::join(parts, "/");
  return joined.empty() ? "." : joined;
}

// Bytes that are no UTF-8 as U+FFFD each: as such they are matched by `?`, `*` and complements.
std::string well_formed(std::string_view text) {
  if (base::is_utf8(text)) return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t n = 1;
    while (n < 4 && i + n < text.size() && !base::is_utf8(text.substr(i, n))) ++n;
    if (base::is_utf8(text.substr(i, n))) {
      out += text.substr(i, n);
      i += n;
    } else {
      out += "\xEF\xBF\xBD";
      ++i;
    }
  }
  return out;
}

size_t character_size(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0U) == 0x80) ++end;
  return end - at;
}

struct Problem {
  size_t at = 0;  // in the pattern
  std::string what;
};

// Finds what is no pattern: `[` `^`? (CHAR | CHAR `-` CHAR)+ `]`, where `]`, `-` and `\` need a `\` in front;
// `\` takes the next character. That reader looks only as far as Go's filepath.Match does when it asks for
// the name `.`: to the first `*`, or to the second if what stands before the first is that name.
class Grammar {
 public:
  explicit Grammar(std::string_view pattern) : pattern_(pattern) {}

  std::optional<Problem> problem() {
    for (bool again = true; again;) {
      while (at_ < pattern_.size() && pattern_[at_] == '*') ++at_;
      int elements = 0;
      bool is_dot = false;
      for (; at_ < pattern_.size() && pattern_[at_] != '*'; ++elements)
        if (auto problem = element(is_dot)) return problem;
      again = at_ < pattern_.size() && elements == 1 && is_dot && !std::exchange(dot_seen_, true);
    }
    return std::nullopt;
  }

 private:
  std::optional<Problem> element(bool& is_dot) {
    const char c = pattern_[at_];
    if (c == '[') return set(is_dot);
    if (c == '\\' && ++at_ == pattern_.size()) return Problem{at_ - 1, "it ends with '\\'"};
    is_dot = pattern_[at_] == '.' || c == '?';
    ++at_;
    return std::nullopt;
  }

  std::optional<Problem> set(bool& is_dot) {
    start_ = at_++;
    const bool negated = at_ < pattern_.size() && pattern_[at_] == '^';
    if (negated) ++at_;
    bool found = false;
    do {
      uint8_t low = 0;
      if (auto problem = character(low)) return problem;
      uint8_t high = low;
      if (pattern_[at_] == '-') {
        ++at_;
        if (auto problem = character(high)) return problem;
      }
      found = found || (low <= '.' && '.' <= high);
    } while (pattern_[at_] != ']');
    ++at_;
    is_dot = found != negated;
    return std::nullopt;
  }

  // One character of a set, as its first byte; the set goes on behind it.
  std::optional<Problem> character(uint8_t& byte) {
    const Problem unclosed{start_, "a '[' has no ']'"};
    if (at_ < pattern_.size() && (pattern_[at_] == ']' || pattern_[at_] == '-'))
      return Problem{at_, fmt::format("'{}' begins no character of the set; '\\{}' is one", pattern_[at_],
                                      pattern_[at_])};
    if (at_ < pattern_.size() && pattern_[at_] == '\\') ++at_;
    if (at_ >= pattern_.size()) return unclosed;
    const size_t n = character_size(pattern_, at_);
    if (!base::is_utf8(pattern_.substr(at_, n))) return Problem{at_, "a character of the set is not UTF-8"};
    byte = static_cast<uint8_t>(pattern_[at_]);
    at_ += n;
    if (at_ >= pattern_.size()) return unclosed;
    return std::nullopt;
  }

  std::string_view pattern_;
  size_t at_ = 0;
  size_t start_ = 0;  // of the set
  bool dot_seen_ = false;
};

}  // namespace

// A pattern, ready to be asked.
struct IgnorePattern {
  enum class Form { exact, prefix, suffix, expression };
  Form form = Form::exact;
  bool except = false;
  bool each_parent = false;  // the expression has its own idea of where the path ends
  std::string text;          // of `prefix` and `suffix` without the `**`
  std::unique_ptr<const RE2> expression;

  // The expression for `pattern`, without anchors; empty where comparing will do, as `form` says.
  std::string translate(std::string_view pattern);
  std::optional<Problem> compile(const std::string& pattern);

  bool matches(std::string_view path, const std::string& valid_path) const;
  bool can_match_below(std::string_view directory) const;
};

std::string IgnorePattern::translate(std::string_view pattern) {
  constexpr std::string_view plain_in_globs = ".+()$";  // `{`, `|` and `}` are left to the expression
  std::string out;
  form = Form::exact;
  text = pattern;
  const std::string valid = well_formed(pattern);
  std::string_view rest = valid;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  for (size_t i = 0; i < rest.size();) {
    const bool first = i == 0;
    const char c = rest[i++];
    if (c == '*' && i < rest.size() && rest[i] == '*') {
      ++i;
      if (i < rest.size() && rest[i] == '/') ++i;
      if (i < rest.size()) {
        out += "(.*/)?";
        form = Form::expression;
      } else if (form == Form::exact) {
        form = Form::prefix;
      } else {
        out += ".*";
        form = Form::expression;
      }
      if (first) form = Form::suffix;
    } else if (c == '*' || c == '?') {
      out += c == '*' ? "[^/]*" : "[^/]";
      form = Form::expression;
    } else if (plain_in_globs.find(c) != std::string_view::npos) {
      out += '\\';
      out += c;
    } else if (c == '\\' && i < rest.size()) {
      const size_t n = character_size(rest, i);
      if (base::is_alphanumeric(rest[i])) each_parent = true;
      out += '\\';
      out += rest.substr(i, n);
      i += n;
      form = Form::expression;
    } else {
      out += c;
      if (c == '[' || c == ']') form = Form::expression;
      if (c == '|' || c == '\\') each_parent = true;
    }
  }
  if (form == Form::prefix) text.resize(text.size() - 2);
  if (form == Form::suffix) text.erase(0, 2);
  return out;
}

std::optional<Problem> IgnorePattern::compile(const std::string& pattern) {
  const std::string body = translate(pattern);
  if (form != Form::expression) return std::nullopt;
  if (const size_t at = pattern.find("\\C"); at != std::string::npos && each_parent)
    return Problem{at, "'\\C' is no escape"};
  RE2::Options options;
  options.set_log_errors(false);
  // A pattern that matches a directory matches what is in it.
  auto made =
      std::make_unique<const RE2>(each_parent ? "^" + body + "$" : "^" + body + "(?:/(?s:.*))?$", options);
  if (!made->ok()) {
    const size_t at = pattern.find(made->error_arg());
    return Problem{
        at == std::string::npos ? 0 : at,
        made->error_code() == RE2::ErrorBadCharRange
            ? fmt::format("the range '{}' ends before it begins", base::printable(made->error_arg()))
            : fmt::format("'{}' is not understood", base::printable(made->error_arg()))};
  }
  expression = std::move(made);
  return std::nullopt;
}

bool IgnorePattern::matches(std::string_view path, const std::string& valid_path) const {
  const auto is_at_or_below = [&](std::string_view top) {
    return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
  };
  switch (form) {
    case Form::exact:
      return is_at_or_below(text);
    case Form::prefix:
      return path.starts_with(text);
    case Form::suffix:
      return path.ends_with(text) || path.find(text + "/") != std::string_view::npos ||
             (text.starts_with('/') && is_at_or_below(std::string_view(text).substr(1)));
    case Form::expression:
      if (!each_parent) return RE2::PartialMatch(valid_path, *expression);
      for (size_t slash = valid_path.find('/'); slash != std::string::npos;
           slash = valid_path.find('/', slash + 1))
        if (RE2::PartialMatch({valid_path.data(), slash}, *expression)) return true;
      return RE2::PartialMatch(valid_path, *expression);
  }
  return false;
}

bool IgnorePattern::can_match_below(std::string_view directory) const {
  const std::string inside = std::string(directory) + "/";
  if (form == Form::exact) return text.starts_with(inside);
  if (form == Form::prefix) return text.starts_with(inside) || inside.starts_with(text);
  return true;
}

namespace {

// A line in the form in which it is judged, `!` in front of exceptions; empty if it says nothing. What is
// left of it is cleaned and looked at a second time, as that reader and its matcher do one after the other.
std::string judged_form(std::string_view line) {
  line = without_space(line);
  if (line.empty()) return {};
  const bool except = line.starts_with('!');
  if (except) line = without_space(line.substr(1));
  std::string path = line.empty() ? "" : shortest(line);
  if (path.size() > 1 && path.starts_with('/')) path.erase(0, 1);
  const std::string again = (except ? "!" : "") + path;
  const std::string_view left = without_space(again);
  return left.empty() ? "" : shortest(left);
}

// `[!a]` is the complement in a spec; in an ignore file it is a set with `!`.
std::string with_complements(std::string pattern) {
  for (size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      if (pattern[i + 1] == '!') pattern[i + 1] = '^';
      i = std::min(pattern.find(']', i + 2), pattern.size());
    }
  }
  return pattern;
}

}  // namespace

namespace {

// The pattern of a line in its judged form, or what is wrong with it.
struct Made {
  std::shared_ptr<const IgnorePattern> pattern;
  std::optional<Problem> problem;
};

Made make(std::string form) {
  auto made = std::make_shared<IgnorePattern>();
  made->except = form.starts_with('!');
  if (made->except) form.erase(0, 1);
  std::optional<Problem> problem = made->compile(form);
  return {std::move(made), std::move(problem)};
}

// Of a spec: they are no lines, and may have what only the reader of ignore files does not take (`[]]`).
Made make_of_spec(const std::string& pattern) {
  const std::string form = judged_form(with_complements(pattern));
  if (form.empty() || form == "!") return {nullptr, Problem{0, "it names nothing"}};
  if (form == "." || form == "/" || form == "!." || form == "!/")
    return {nullptr, Problem{0, "it matches no path, as in .dockerignore; write '**' for everything"}};
  return make(form);
}

}  // namespace

std::string ignore_error(std::string_view pattern) {
  const Made made = make_of_spec(std::string(pattern));
  return made.problem ? made.problem->what : std::string();
}

IgnoreList::IgnoreList(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    Made made = make_of_spec(pattern);
    if (made.problem) base::fail("malformed pattern '{}': {}", base::printable(pattern), made.problem->what);
    patterns_.push_back(std::move(made.pattern));
  }
}

IgnoreList IgnoreList::parse(std::string_view text, std::vector<IgnoreProblem>& problems) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  IgnoreList list;
  int number = 0;
  for (const std::string& whole : base::split(text, '\n')) {
    ++number;
    std::string_view line = whole;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with('#')) continue;
    // `at` is of the judged form, which stands in the line as it is, unless it was shortened.
    const auto report = [&](std::string_view pattern, size_t at, const std::string& what) {
      const size_t start = pattern.empty() ? std::string_view::npos : line.find(pattern);
      const size_t byte =
          start == std::string_view::npos ? line.size() - without_space_in_front(line).size() : start + at;
      const auto is_start = [](char c) { return (static_cast<uint8_t>(c) & 0xC0U) != 0x80; };
      problems.push_back({number,
                          1 + static_cast<int>(std::count_if(
                                  line.begin(), line.begin() + static_cast<std::ptrdiff_t>(byte), is_start)),
                          what});
    };
    if (whole.size() > longest_line) {
      report({}, 0, fmt::format("the line has {} bytes, want at most {}", whole.size(), longest_line));
      continue;
    }
    const std::string form = judged_form(line);
    if (form.empty()) continue;
    const std::string_view pattern = std::string_view(form).substr(form.starts_with('!') ? 1 : 0);
    if (pattern.empty()) {
      report({}, 0, "'!' has no pattern behind it");
    } else if (const auto wrong = Grammar(pattern).problem()) {
      report(pattern, wrong->at, wrong->what);
    } else {
      Made made = make(form);
      if (made.problem)
        report(pattern, made.problem->at, made.problem->what);
      else
        list.patterns_.push_back(std::move(made.pattern));
    }
  }
  return list;
}

bool IgnoreList::ignores(std::string_view path) const {
  bool ignored = false;
  const std::string valid_path = well_formed(path);
  for (const auto& pattern : patterns_)
    // One that would change nothing is not asked.
    if (pattern->except == ignored && pattern->matches(path, valid_path)) ignored = !ignored;
  return ignored;
}

bool IgnoreList::ignores_all_below(std::string_view path) const {
  if (!ignores(path)) return false;
  return std::none_of(patterns_.begin(), patterns_.end(),
                      [&](const auto& pattern) { return pattern->except && pattern->can_match_below(path); });
}

}  // namespace minibuild::tree
