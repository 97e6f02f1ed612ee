#include "builder/packages/script.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/glob.h"

namespace minibuild::packages {

using base::fail;

namespace {

constexpr size_t max_script = size_t{1} << 20;
constexpr int max_depth = 64;
constexpr int max_steps = 20000;
constexpr size_t max_value = size_t{64} << 10;

struct Token {
  enum class Kind : uint8_t { word, op, end } kind = Kind::end;
  std::string text;
  size_t begin = 0;  // in the script
  size_t end = 0;
};

// --- Words and operators ---

class Lexer {
 public:
  explicit Lexer(const std::string& text) : text_(text) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) step();
    tokens_.push_back({Token::Kind::end, "", at_, at_});
    return std::move(tokens_);
  }

 private:
  char peek(size_t more = 0) const { return at_ + more < text_.size() ? text_[at_ + more] : '\0'; }

  void step() {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '\\' && peek(1) == '\n') {
      at_ += 2;
    } else if (c == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (c == '\n') {
      op(1);
      skip_documents();
    } else if (std::string_view(";&|()<>").find(c) != std::string_view::npos) {
      operators();
    } else {
      word();
    }
  }

  void operators() {
    static constexpr std::string_view all[] = {"<<-", "&&", "||", ";;", "<<", ">>", "<&", ">&", "<>",
                                               ">|",  "&>", ";",  "&",  "|",  "(",  ")",  "<",  ">"};
    for (const std::string_view one : all)
      if (std::string_view(text_).substr(at_, one.size()) == one) {
        op(one.size());
        if (one.starts_with("<<")) here_ = one == "<<-" ? 2 : 1;
        return;
      }
  }
  void op(size_t size) {
    tokens_.push_back({Token::Kind::op, text_.substr(at_, size), at_, at_ + size});
    at_ += size;
  }

  void word() {
    const size_t begin = at_;
    while (at_ < text_.size() && std::string_view(" \t\r\n;&|()<>").find(peek()) == std::string_view::npos)
      at_ = after(text_, at_);
    tokens_.push_back({Token::Kind::word, text_.substr(begin, at_ - begin), begin, at_});
    if (here_ == 0) return;
    std::string end = tokens_.back().text;
    std::erase_if(end, [](char c) { return c == '\'' || c == '"' || c == '\\'; });
    documents_.emplace_back(end, here_ == 2);
    here_ = 0;
  }

  void skip_documents() {
    for (const auto& [end, tabs] : documents_)
      while (at_ < text_.size()) {
        const size_t stop = std::min(text_.find('\n', at_), text_.size());
        std::string line = text_.substr(at_, stop - at_);
        at_ = std::min(stop + 1, text_.size());
        if (tabs) line.erase(0, std::min(line.find_first_not_of('\t'), line.size()));
        if (line == end) break;
      }
    documents_.clear();
  }

 public:
  // The place after the character, quoted text or substitution that begins here.
  static size_t after(const std::string& text, size_t at, int depth = 0) {
    if (depth > max_depth) fail("it is nested too deeply");
    const auto until = [&](size_t from, char close) {
      size_t i = from;
      while (i < text.size() && text[i] != close)
        i = text[i] == '\'' && close == '"' ? i + 1 : after(text, i, depth + 1);
      return std::min(i + 1, text.size());
    };
    const char c = text[at];
    if (c == '\\') return std::min(at + 2, text.size());
    if (c == '\'') return std::min(std::min(text.find('\'', at + 1), text.size()) + 1, text.size());
    if (c == '"') return until(at + 1, '"');
    if (c == '`') {
      size_t i = at + 1;
      while (i < text.size() && text[i] != '`') i += text[i] == '\\' ? 2 : 1;
      return std::min(i + 1, text.size());
    }
    if (c == '$' && at + 1 < text.size() && text[at + 1] == '{') return until(at + 2, '}');
    if (c == '$' && at + 1 < text.size() && text[at + 1] == '(') return until_paren(text, at + 2, depth + 1);
    return at + 1;
  }

 private:
  static size_t until_paren(const std::string& text, size_t at, int depth) {
    int open = 1;
    while (at < text.size()) {
      if (text[at] == '(') ++open;
      if (text[at] == ')' && --open == 0) return at + 1;
      at = after(text, at, depth);
    }
    return text.size();
  }

  const std::string& text_;
  size_t at_ = 0;
  int here_ = 0;  // the next word ends a document
  std::vector<std::pair<std::string, bool>> documents_;
  std::vector<Token> tokens_;
};

// --- Structure ---

struct Part {
  enum class Kind : uint8_t {
    simple,
    both,
    either,
    inverted,
    pipe,
    list,
    branch,
    loop,
    each,
    choice,
    function,
    group
  };
  Kind kind = Kind::simple;
  std::vector<std::string> words;  // as written; of `each`: the list; of `choice`: the word
  std::string name;                // of a function or a loop's variable
  std::string source;
  std::string output;
  std::vector<std::vector<std::string>> patterns;  // of `choice`, one for each child
  std::vector<Part> parts;                         // of `branch`: condition, then, condition, then …, else
};

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text), tokens_(Lexer(text).run()) {}

  Part run() {
    Part all = list({});
    if (token().kind != Token::Kind::end) fail("'{}' is not understood", base::printable(token().text));
    return all;
  }

 private:
  const Token& token() const { return tokens_[at_]; }
  bool is_op(std::string_view text) const { return token().kind == Token::Kind::op && token().text == text; }
  bool is_word(std::string_view text) const {
    return token().kind == Token::Kind::word && token().text == text;
  }
  void lines() {
    while (is_op("\n") || is_op(";") || is_op("&")) ++at_;
  }
  void want(std::string_view text) {
    if (!is_word(text) && !is_op(text)) fail("'{}' is missing", text);
    ++at_;
  }

  Part list(const std::set<std::string, std::less<>>& ends) {
    if (++depth_ > max_depth) fail("it is nested too deeply");
    Part all;
    all.kind = Part::Kind::list;
    lines();
    while (token().kind != Token::Kind::end && !is_op(")") && !is_op(";;") &&
           !(token().kind == Token::Kind::word && ends.contains(token().text))) {
      all.parts.push_back(chain());
      lines();
    }
    --depth_;
    return all;
  }

  Part chain() {
    Part left = pipe();
    while (is_op("&&") || is_op("||")) {
      Part both;
      both.kind = is_op("&&") ? Part::Kind::both : Part::Kind::either;
      ++at_;
      while (is_op("\n")) ++at_;
      both.parts.push_back(std::move(left));
      both.parts.push_back(pipe());
      left = std::move(both);
    }
    return left;
  }

  Part pipe() {
    if (is_word("!")) {
      ++at_;
      Part inverted;
      inverted.kind = Part::Kind::inverted;
      inverted.parts.push_back(pipe());
      return inverted;
    }
    Part first = command();
    if (!is_op("|")) return first;
    Part all;
    all.kind = Part::Kind::pipe;
    all.parts.push_back(std::move(first));
    while (is_op("|")) {
      ++at_;
      while (is_op("\n")) ++at_;
      all.parts.push_back(command());
    }
    return all;
  }

  Part command() {
    Part part;
    if (is_word("if")) {
      part = branch();
    } else if (is_word("while") || is_word("until")) {
      ++at_;
      part.kind = Part::Kind::loop;
      part.parts.push_back(list({"do"}));
      want("do");
      part.parts.push_back(list({"done"}));
      want("done");
    } else if (is_word("for")) {
      part = each();
    } else if (is_word("case")) {
      part = choice();
    } else if (is_word("{") || is_op("(")) {
      const bool brace = is_word("{");
      ++at_;
      part.kind = Part::Kind::group;
      part.parts.push_back(
          list(brace ? std::set<std::string, std::less<>>{"}"} : std::set<std::string, std::less<>>{}));
      want(brace ? "}" : ")");
    } else if (is_word("function") && tokens_[at_ + 1].kind == Token::Kind::word) {
      // bash: `function name {`, with `()` or without
      part.kind = Part::Kind::function;
      part.name = tokens_[at_ + 1].text;
      at_ += 2;
      if (is_op("(")) {
        ++at_;
        want(")");
      }
      while (is_op("\n")) ++at_;
      part.parts.push_back(command());
      return part;
    } else {
      return simple();
    }
    while (redirection(part)) {
    }
    return part;
  }

  Part branch() {
    Part part;
    part.kind = Part::Kind::branch;
    do {
      ++at_;
      part.parts.push_back(list({"then"}));
      want("then");
      part.parts.push_back(list({"elif", "else", "fi"}));
    } while (is_word("elif"));
    if (is_word("else")) {
      ++at_;
      part.parts.push_back(list({"fi"}));
    }
    want("fi");
    return part;
  }

  Part each() {
    Part part;
    part.kind = Part::Kind::each;
    ++at_;
    part.name = token().text;
    ++at_;
    while (is_op("\n")) ++at_;
    if (is_word("in")) {
      for (++at_; token().kind == Token::Kind::word; ++at_) part.words.push_back(token().text);
    } else {
      part.words.push_back("\"$@\"");
    }
    lines();
    want("do");
    part.parts.push_back(list({"done"}));
    want("done");
    return part;
  }

  Part choice() {
    Part part;
    part.kind = Part::Kind::choice;
    ++at_;
    part.words.push_back(token().text);
    ++at_;
    while (is_op("\n")) ++at_;
    want("in");
    lines();
    while (!is_word("esac")) {
      if (is_op("(")) ++at_;
      std::vector<std::string> patterns;
      while (!is_op(")")) {
        if (token().kind == Token::Kind::end) fail("'esac' is missing");
        if (token().kind == Token::Kind::word) patterns.push_back(token().text);
        ++at_;
      }
      ++at_;
      part.patterns.push_back(std::move(patterns));
      part.parts.push_back(list({"esac"}));
      while (is_op(";;") || is_op("\n")) ++at_;
    }
    ++at_;
    return part;
  }

  bool redirection(Part& part) {
    if (token().kind != Token::Kind::op) return false;
    const std::string op = token().text;
    if (op.find_first_of("<>") == std::string::npos) return false;
    ++at_;
    if (token().kind != Token::Kind::word) fail("a name after '{}' is missing", op);
    if (op.find('>') != std::string::npos && op != ">&") part.output = token().text;
    ++at_;
    return true;
  }

  Part simple() {
    Part part;
    const size_t begin = token().begin;
    size_t end = begin;
    while (true) {
      if (token().kind == Token::Kind::word) {
        // `2>`: the number belongs to what follows, not to the words.
        const Token& next = tokens_[at_ + 1];
        const bool number = next.kind == Token::Kind::op && next.begin == token().end &&
                            next.text.find_first_of("<>") != std::string::npos &&
                            token().text.find_first_not_of("0123456789") == std::string::npos;
        if (number) {
          const bool errors = token().text != "1";
          ++at_;
          Part other;
          redirection(errors ? other : part);
        } else {
          part.words.push_back(token().text);
          ++at_;
        }
      } else if (!redirection(part)) {
        break;
      }
      end = tokens_[at_ - 1].end;
    }
    if (part.words.size() == 1 && is_op("(")) {
      ++at_;
      want(")");
      while (is_op("\n")) ++at_;
      Part function;
      function.kind = Part::Kind::function;
      function.name = part.words[0];
      function.parts.push_back(command());
      return function;
    }
    if (end == begin) fail("'{}' is not understood", base::printable(token().text));
    for (const char c : text_.substr(begin, end - begin)) {
      const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
      if (space && part.source.ends_with(" \\")) part.source.resize(part.source.size() - 2);
      if (!space || !part.source.ends_with(' ')) part.source += space ? ' ' : c;
    }
    return part;
  }

  const std::string& text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

// --- Following it ---

Outcome opposite(Outcome one) {
  return one == Outcome::yes ? Outcome::no : one == Outcome::no ? Outcome::yes : Outcome::unknown;
}
Outcome outcome(bool one) { return one ? Outcome::yes : Outcome::no; }

bool is_name(std::string_view text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::all_of(text.begin(), text.end(), [](char c) { return base::is_alphanumeric(c) || c == '_'; });
}

bool is_unknown(std::string_view text) { return text.find(unknown_part) != std::string_view::npos; }

class Follower {
 public:
  Follower(std::vector<std::string> arguments, ScriptHost& host)
      : arguments_(std::move(arguments)), host_(host) {}

  // The functions of the script, wherever they stand: what one calls is no command, even where it cannot be
  // known whether its definition was reached.
  void note_functions(const Part& part) {
    if (part.kind == Part::Kind::function) functions_.try_emplace(part.name, part.parts[0]);
    for (const Part& one : part.parts) note_functions(one);
  }

  Outcome follow(const Part& part, bool certain) {
    if (left_ || ++steps_ > max_steps) return Outcome::unknown;
    switch (part.kind) {
      case Part::Kind::simple:
        return simple(part, certain);
      case Part::Kind::list:
      case Part::Kind::group:
        return in_order(part, certain);
      case Part::Kind::inverted:
        return opposite(follow(part.parts[0], certain));
      case Part::Kind::both:
      case Part::Kind::either: {
        const Outcome first = follow(part.parts[0], certain);
        const Outcome stop = part.kind == Part::Kind::both ? Outcome::no : Outcome::yes;
        if (first == stop) return first;
        const Outcome second = follow(part.parts[1], certain && first != Outcome::unknown);
        return first == Outcome::unknown && second != stop ? Outcome::unknown : second;
      }
      case Part::Kind::pipe: {
        for (const Part& one : part.parts) follow(one, certain);
        return Outcome::unknown;
      }
      case Part::Kind::branch:
        return branch(part, certain);
      case Part::Kind::loop:
        if (follow(part.parts[0], certain) != Outcome::no) follow(part.parts[1], false);
        broke_ = continued_ = false;
        return Outcome::yes;
      case Part::Kind::each:
        for (const std::string& value : expand_all(part.words)) {
          variables_[part.name] = value;
          follow(part.parts[0], certain && !is_unknown(value));
          continued_ = false;
          if (broke_) break;
        }
        broke_ = false;
        return Outcome::yes;
      case Part::Kind::choice:
        return choice(part, certain);
      case Part::Kind::function:
        functions_[part.name] = part.parts[0];
        return Outcome::yes;
    }
    return Outcome::unknown;
  }

 private:
  Outcome in_order(const Part& part, bool certain) {
    Outcome last = Outcome::yes;
    for (const Part& one : part.parts) {
      last = follow(one, certain);
      if (left_ || returned_ || broke_ || continued_) break;
    }
    return last;
  }

  Outcome branch(const Part& part, bool certain) {
    size_t i = 0;
    for (; i + 1 < part.parts.size(); i += 2) {
      const Outcome condition = follow(part.parts[i], certain);
      if (condition == Outcome::no) continue;
      if (condition == Outcome::yes) return follow(part.parts[i + 1], certain);
      follow(part.parts[i + 1], false);
      certain = false;
    }
    if (i < part.parts.size()) return follow(part.parts[i], certain);
    return certain ? Outcome::yes : Outcome::unknown;
  }

  Outcome choice(const Part& part, bool certain) {
    const std::string value = expand(part.words[0]);
    for (size_t i = 0; i < part.parts.size(); ++i)
      for (const std::string& raw : part.patterns[i]) {
        const std::string pattern = expand(raw);
        if (is_unknown(value) || is_unknown(pattern)) {
          follow(part.parts[i], false);
          break;
        }
        if (pattern == value || matches(pattern, value)) return follow(part.parts[i], certain);
      }
    return Outcome::yes;
  }

  // Patterns of `case`: a star takes everything, slashes too.
  static bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*') {
      for (size_t i = 0; i <= text.size(); ++i)
        if (matches(pattern.substr(1), text.substr(i))) return true;
      return false;
    }
    if (text.empty()) return false;
    if (pattern[0] == '[')
      if (const size_t close = pattern.find(']', 2); close != std::string_view::npos)
        return tree::glob_match(std::string(pattern.substr(0, close + 1)), std::string(text.substr(0, 1))) &&
               matches(pattern.substr(close + 1), text.substr(1));
    return (pattern[0] == '?' || pattern[0] == text[0]) && matches(pattern.substr(1), text.substr(1));
  }

  Outcome simple(const Part& part, bool certain) {
    size_t at = 0;
    for (; at < part.words.size(); ++at) {
      const std::string& word = part.words[at];
      const size_t equals = word.find('=');
      if (equals == std::string::npos || !is_name(std::string_view(word).substr(0, equals))) break;
      assign(word.substr(0, equals), expand(word.substr(equals + 1)), certain);
    }
    if (at == part.words.size()) return Outcome::yes;
    std::vector<std::string> words =
        expand_all({part.words.begin() + static_cast<std::ptrdiff_t>(at), part.words.end()});
    while (!words.empty() &&
           (words[0] == "command" || words[0] == "exec" || words[0] == "eval" || words[0] == "builtin") &&
           words.size() > 1 && !words[1].starts_with('-'))
      words.erase(words.begin());
    if (words.empty()) return Outcome::yes;
    const std::string name = words[0];
    if (const auto function = functions_.find(name); function != functions_.end()) {
      if (++depth_ > max_depth) return --depth_, Outcome::unknown;
      std::vector<std::string> own(words.begin() + 1, words.end());
      own.swap(arguments_);
      const Part body = function->second;
      const Outcome result = follow(body, certain);
      own.swap(arguments_);
      returned_ = false;
      --depth_;
      return result;
    }
    if (name == "true" || name == ":") return Outcome::yes;
    if (name == "false") return Outcome::no;
    if (name == "exit") return left_ = certain, Outcome::yes;
    if (name == "return")
      return returned_ = certain, words.size() > 1 && words[1] != "0" ? Outcome::no : Outcome::yes;
    if (name == "break") return broke_ = certain, Outcome::yes;
    if (name == "continue") return continued_ = certain, Outcome::yes;
    if (name == "[" || name == "test") {
      words.erase(words.begin());
      if (!words.empty() && name == "[") words.pop_back();
      return test(words);
    }
    if (name == "[[") return Outcome::unknown;
    if (name == "unset") {
      for (const std::string& one : words) variables_.erase(one);
      return Outcome::yes;
    }
    if (name == "local" || name == "export" || name == "readonly") {
      for (const std::string& one : words)
        if (const size_t equals = one.find('='); equals != std::string::npos)
          assign(one.substr(0, equals), one.substr(equals + 1), certain);
      return Outcome::yes;
    }
    if (name == "shift") {
      if (!arguments_.empty()) arguments_.erase(arguments_.begin());
      return Outcome::yes;
    }
    if (name == "read") {
      for (size_t i = 1; i < words.size(); ++i) variables_[words[i]] = std::string(1, unknown_part);
      return Outcome::unknown;
    }
    if (name.starts_with("db_")) {
      variables_["RET"] = std::string(1, unknown_part);
      return Outcome::unknown;
    }
    return host_.command(words, part.source, part.output.empty() ? "" : expand(part.output), certain);
  }

  // In a branch that is perhaps not taken a variable may keep what it has.
  void assign(const std::string& name, std::string value, bool certain) {
    if (!certain && variables_[name] != value && !variables_[name].empty())
      value = std::string(1, unknown_part);
    variables_[name] = std::move(value);
  }

  Outcome test(const std::vector<std::string>& words) const {
    if (words.empty()) return Outcome::no;
    for (const char* joint : {"-o", "-a"})
      for (size_t i = 1; i + 1 < words.size(); ++i)
        if (words[i] == joint && words.size() > 3) {
          const Outcome a = test({words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i)});
          const Outcome b = test({words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end()});
          const Outcome strong = joint[1] == 'o' ? Outcome::yes : Outcome::no;
          if (a == strong || b == strong) return strong;
          return a == Outcome::unknown || b == Outcome::unknown ? Outcome::unknown : opposite(strong);
        }
    if (words[0] == "!" && words.size() > 1) return opposite(test({words.begin() + 1, words.end()}));
    const bool unknown =
        std::any_of(words.begin(), words.end(), [](const auto& one) { return is_unknown(one); });
    if (unknown) return Outcome::unknown;
    if (words.size() == 1) return outcome(!words[0].empty());
    if (words.size() == 2 && words[0].size() == 2 && words[0][0] == '-') {
      if (words[0][1] == 'n') return outcome(!words[1].empty());
      if (words[0][1] == 'z') return outcome(words[1].empty());
      if (words[0][1] == 't') return Outcome::no;
      return host_.test(words[0][1], words[1]);
    }
    if (words.size() != 3) return Outcome::unknown;
    if (words[1] == "=" || words[1] == "==") return outcome(words[0] == words[2]);
    if (words[1] == "!=") return outcome(words[0] != words[2]);
    const auto a = base::parse_number(words[0]);
    const auto b = base::parse_number(words[2]);
    if (!a || !b) return Outcome::unknown;
    if (words[1] == "-eq") return outcome(*a == *b);
    if (words[1] == "-ne") return outcome(*a != *b);
    if (words[1] == "-lt") return outcome(*a < *b);
    if (words[1] == "-le") return outcome(*a <= *b);
    if (words[1] == "-gt") return outcome(*a > *b);
    if (words[1] == "-ge") return outcome(*a >= *b);
    return Outcome::unknown;
  }

  std::string value_of(const std::string& name) {
    if (name == "#") return std::to_string(arguments_.size());
    if (name == "@" || name == "*") return base::join(arguments_, " ");
    if (name == "0") return "script";
    if (name == "?" || name == "$" || name == "!" || name == "-") return std::string(1, unknown_part);
    if (const auto number = base::parse_number(name))
      return *number >= 1 && *number <= arguments_.size() ? arguments_[*number - 1] : "";
    const auto it = variables_.find(name);
    return it == variables_.end() ? std::string() : it->second;
  }

  std::string braced(const std::string& inside) {
    const size_t end = std::min(inside.find_first_of(":-+=?%#/^,"), inside.size());
    if (end == 0) return std::string(1, unknown_part);
    const std::string value = value_of(inside.substr(0, end));
    std::string_view op = std::string_view(inside).substr(end);
    if (op.empty()) return value;
    const bool colon = op[0] == ':';
    if (colon) op.remove_prefix(1);
    if (op.empty()) return value;
    const bool set = !value.empty() || (!colon && variables_.contains(inside.substr(0, end)));
    const std::string other(op.substr(1));
    if (op[0] == '-' || op[0] == '=') return set ? value : expand(other);
    if (op[0] == '+') return set ? expand(other) : "";
    if (op[0] == '?') return value;
    return value.empty() ? value : std::string(1, unknown_part);
  }

  std::string substituted(const std::string& text) {
    if (text.starts_with('(') || ++depth_ > max_depth) return std::string(1, unknown_part);
    std::optional<std::string> printed;
    try {
      const Part part = Parser(text).run();
      if (part.parts.size() == 1 && part.parts[0].kind == Part::Kind::simple) {
        const std::vector<std::string> words = expand_all(part.parts[0].words);
        if (!words.empty()) printed = host_.printed(words);
      }
    } catch (const base::Error&) {
      printed.reset();  // no command that is known prints this
    }
    --depth_;
    return printed ? *printed : std::string(1, unknown_part);
  }

  // Calls `add(character, quoted)` for each of the expanded word.
  template <typename Add>
  void expand_into(const std::string& raw, Add add, bool quoted = false) {
    for (size_t at = 0; at < raw.size();) {
      const size_t next = std::max(Lexer::after(raw, at), at + 1);
      const char c = raw[at];
      const auto put = [&](const std::string& text) {
        for (const char one : text.substr(0, max_value)) add(one, quoted);
      };
      if (c == '\\') {
        if (at + 1 < raw.size() && raw[at + 1] != '\n') {
          if (quoted && std::string_view("$`\"\\").find(raw[at + 1]) == std::string_view::npos)
            add('\\', true);
          add(raw[at + 1], true);
        }
      } else if (c == '\'' && !quoted) {
        for (size_t i = at + 1; i + 1 < next; ++i) add(raw[i], true);
        add('\0', true);  // there is a word, if an empty one
      } else if (c == '"' && !quoted) {
        add('\0', true);
        expand_into(raw.substr(at + 1, next - at - 2), add, true);
      } else if (c == '`') {
        put(substituted(raw.substr(at + 1, next - at - 2)));
      } else if (c == '$' && next > at + 1) {
        const std::string inside = raw.substr(at + 2, next - at - 3);
        put(raw[at + 1] == '{' ? braced(inside) : substituted(inside));
      } else if (c == '$' && at + 1 < raw.size()) {
        size_t end = at + 1;
        while (end < raw.size() && is_name(std::string_view(raw).substr(at + 1, end - at))) ++end;
        if (end == at + 1 && std::string_view("@*#?$!-0123456789").find(raw[end]) != std::string_view::npos)
          ++end;
        if (end == at + 1)
          add('$', quoted);
        else
          put(value_of(raw.substr(at + 1, end - at - 1)));
        at = end;
        continue;
      } else {
        for (size_t i = at; i < next; ++i) add(raw[i], quoted);
      }
      at = next;
    }
  }

  std::string expand(const std::string& raw) {
    std::string out;
    expand_into(raw, [&](char c, bool) {
      if (c != '\0' && out.size() < max_value) out += c;
    });
    return out;
  }

  std::vector<std::string> expand_all(const std::vector<std::string>& raw) {
    std::vector<std::string> out;
    for (const std::string& one : raw) {
      if (one == "\"$@\"") {
        out.insert(out.end(), arguments_.begin(), arguments_.end());
        continue;
      }
      std::string word;
      bool there = false;
      const auto close = [&] {
        if (there && out.size() < 10000) out.push_back(word);
        word.clear();
        there = false;
      };
      expand_into(one, [&](char c, bool quoted) {
        if (!quoted && (c == ' ' || c == '\t' || c == '\n')) return close();
        there = true;
        if (c != '\0' && word.size() < max_value) word += c;
      });
      close();
    }
    return out;
  }

  std::vector<std::string> arguments_;
  ScriptHost& host_;
  std::map<std::string, std::string> variables_;
  std::map<std::string, Part> functions_;
  int steps_ = 0;
  int depth_ = 0;
  bool left_ = false;
  bool returned_ = false;
  bool broke_ = false;
  bool continued_ = false;
};

}  // namespace

void follow_script(const std::string& text, const std::vector<std::string>& arguments, ScriptHost& host) {
  if (text.size() > max_script) fail("it has more than 1 MiB");
  if (text.starts_with("#!")) {
    const std::string first = text.substr(0, text.find('\n'));
    if (first.find("sh") == std::string::npos)
      fail("it is not a script of the shell: {}", base::printable(first));
  }
  const Part part = Parser(text).run();
  Follower follower(arguments, host);
  follower.note_functions(part);
  follower.follow(part, true);
}

}  // namespace minibuild::packages
