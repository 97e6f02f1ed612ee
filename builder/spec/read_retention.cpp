// Reads the retention rules of a policy file.
#include <fmt/format.h>

#include <algorithm>

#include "builder/spec/reader.h"
#include "minibuild/base/text.h"
#include "minibuild/spec/retention.h"
#include "minibuild/tree/glob.h"

namespace minibuild::spec {

namespace {

constexpr size_t max_rules = 1000;
constexpr uint64_t max_count = 1'000'000'000;
constexpr const char* example_rule = "{ tags: 'v*', keep-last: 5, by: semver }";

const Keys& policy_keys() {
  static const Keys keys{{"minibuild", "retention", "max-deletions"}, {}};
  return keys;
}

const Keys& rule_keys() {
  static const Keys keys{
      {"tags", "exclude", "repositories", "untagged", "keep", "keep-last", "keep-within", "by"}, {}};
  return keys;
}

std::string_view name_of(KeepBy by) {
  switch (by) {
    case KeepBy::pushed:
      return "pushed";
    case KeepBy::created:
      return "created";
    case KeepBy::semver:
      return "semver";
  }
  return "";
}

class PolicyReader {
 public:
  explicit PolicyReader(Diagnostics& diagnostics) : reader_(diagnostics) {}

  Retention read(const YamlNode& root) {
    Retention retention;
    if (!reader_.check_map(root, "a policy", policy_keys(), "retention: [...]")) return retention;
    if (const YamlNode* node = root.find("minibuild");
        node != nullptr && (node->kind != YamlNode::Kind::scalar || node->text != "1"))
      reader_.error(node->position, "'minibuild' must be 1, the version of the language", "version");
    if (const YamlNode* node = root.find("max-deletions"))
      retention.max_deletions = reader_.number(*node, "'max-deletions'", 0, max_count);
    const YamlNode* list = root.find("retention");
    if (list == nullptr) {
      reader_.error(root.position,
                    fmt::format("the key 'retention' is missing; write retention: [{}]", example_rule),
                    "missing-key");
    } else if (list->kind != YamlNode::Kind::sequence || list->items.empty()) {
      reader_.error(
          list->position,
          fmt::format("'retention' must be a list with at least one rule; write [{}]", example_rule), "type");
    } else if (list->items.size() > max_rules) {
      reader_.error(list->position, fmt::format("'retention' has more than {} rules", max_rules), "limit");
    } else {
      for (const YamlNode& item : list->items) retention.rules.push_back(rule(item));
    }
    return retention;
  }

 private:
  RetentionRule rule(const YamlNode& node) {
    RetentionRule rule;
    rule.position = node.position;
    if (!reader_.check_map(node, "a rule", rule_keys(), example_rule)) return rule;
    about(node, rule);
    keeps(node, rule);
    order(node, rule);
    rule.text = text_of(rule);
    return rule;
  }

  // Which tags, or that it is about manifests without any.
  void about(const YamlNode& node, RetentionRule& rule) {
    const YamlNode* tags = node.find("tags");
    const YamlNode* untagged = node.find("untagged");
    const YamlNode* exclude = node.find("exclude");
    if (tags == nullptr && untagged == nullptr)
      reader_.error(node.position,
                    "the rule does not say what it is about; write tags: 'v*', or untagged: true",
                    "missing-key");
    if (tags != nullptr && untagged != nullptr)
      reader_.error(untagged->position, "a rule has 'tags' or 'untagged'; write two rules", "conflict");
    if (untagged != nullptr && reader_.boolean(*untagged, "'untagged'") == false)
      reader_.error(untagged->position, "'untagged' is false, which says nothing; leave it out");
    if (exclude != nullptr && tags == nullptr)
      reader_.error(exclude->position, "'exclude' is about tags, but the rule has no 'tags'", "conflict");
    if (tags != nullptr) rule.tags = globs(*tags, "'tags'");
    if (exclude != nullptr) rule.exclude = globs(*exclude, "'exclude'");
    if (const YamlNode* repositories = node.find("repositories"))
      rule.repositories = globs(*repositories, "'repositories'");
  }

  void keeps(const YamlNode& node, RetentionRule& rule) {
    const YamlNode* all = node.find("keep");
    const YamlNode* last = node.find("keep-last");
    const YamlNode* within = node.find("keep-within");
    const int said = (all != nullptr ? 1 : 0) + (last != nullptr ? 1 : 0) + (within != nullptr ? 1 : 0);
    if (said == 0)
      reader_.error(node.position,
                    "the rule does not say what it keeps; write keep: all, keep-last: 5 or keep-within: 30d",
                    "missing-key");
    if (said > 1)
      reader_.error(node.position,
                    "a rule has one of 'keep', 'keep-last' and 'keep-within'; what any rule keeps stays, so "
                    "write one rule for each",
                    "conflict");
    if (all != nullptr) {
      const std::optional<std::string> word = reader_.text(*all, "'keep'", "keep: all");
      if (word && *word != "all")
        reader_.error(all->position,
                      fmt::format("'keep' is '{}', want all; a number goes with keep-last, a duration with "
                                  "keep-within",
                                  base::printable(word->substr(0, 60))));
    }
    if (last != nullptr) {
      rule.keep = RetentionRule::Keep::last;
      rule.count = reader_.number(*last, "'keep-last'", 1, max_count).value_or(0);
    }
    if (within != nullptr) {
      rule.keep = RetentionRule::Keep::within;
      const std::optional<std::string> text = reader_.text(*within, "'keep-within'", "keep-within: 30d");
      const std::optional<int64_t> age = text ? parse_age(*text) : std::nullopt;
      if (text && !age)
        reader_.error(within->position,
                      fmt::format("'keep-within' is '{}', want a duration such as 12h, 30d, "
                                  "2w, 3m or 1y (hours, days, weeks, months, years)",
                                  base::printable(text->substr(0, 60))));
      rule.seconds = age.value_or(0);
      rule.text = "keep-within: " + base::printable(text.value_or(""));
    }
  }

  // A word, words with commas between them, or a list of words.
  void order(const YamlNode& node, RetentionRule& rule) {
    const YamlNode* by = node.find("by");
    if (by != nullptr && rule.keep == RetentionRule::Keep::all)
      reader_.error(by->position,
                    "'by' orders what 'keep-last' and 'keep-within' choose from; there is neither",
                    "conflict");
    if (by != nullptr && by->kind == YamlNode::Kind::sequence) {
      for (const YamlNode& item : by->items)
        if (const auto word = reader_.text(item, "an entry of 'by'", "pushed")) add_order(item, *word, rule);
    } else if (by != nullptr) {
      if (const auto words = reader_.text(*by, "'by'", "by: pushed"))
        for (const std::string& word : base::split(*words, ','))
          add_order(*by, std::string(base::trim(word)), rule);
    }
    if (by != nullptr && by->kind == YamlNode::Kind::sequence && by->items.empty())
      reader_.error(by->position, "'by' is an empty list; leave it out, or write by: pushed");
    if (rule.by.empty()) rule.by.push_back(KeepBy::pushed);
    if (by == nullptr) return;
    if (rule.keep == RetentionRule::Keep::within && (rule.by.size() > 1 || rule.by[0] == KeepBy::semver))
      reader_.error(by->position, "'keep-within' goes by one time: pushed or created");
    if (rule.untagged() && node.find("untagged") != nullptr && has(rule, KeepBy::semver))
      reader_.error(by->position, "what has no tag has no version; order it by pushed or created");
  }

  static bool has(const RetentionRule& rule, KeepBy by) {
    return std::find(rule.by.begin(), rule.by.end(), by) != rule.by.end();
  }

  void add_order(const YamlNode& node, const std::string& word, RetentionRule& rule) {
    for (const KeepBy by : {KeepBy::pushed, KeepBy::created, KeepBy::semver}) {
      if (word != name_of(by)) continue;
      if (has(rule, by))
        reader_.error(node.position, fmt::format("'by' has '{}' twice", word));
      else
        rule.by.push_back(by);
      return;
    }
    const std::string close = base::nearest(word, {"pushed", "created", "semver"});
    reader_.error(node.position,
                  fmt::format("'by' is '{}', want {}{}", base::printable(word.substr(0, 60)),
                              one_of({"semver", "pushed", "created"}),
                              close.empty() ? "" : fmt::format("; did you mean '{}'?", close)));
  }

  // One pattern, or a list of them.
  std::vector<std::string> globs(const YamlNode& node, std::string_view what) {
    const bool is_list = node.kind == YamlNode::Kind::sequence;
    std::vector<std::string> out;
    for (const YamlNode& item : is_list ? node.items : std::vector<YamlNode>{node}) {
      const std::optional<std::string> glob =
          reader_.text(item, is_list ? fmt::format("an entry of {}", what) : std::string(what), "'v*'");
      if (!glob) continue;
      const std::string why = glob->empty() ? "it is empty"
                              : glob->find_first_of("{}, \t|") != std::string::npos
                                  ? "it has no '{}', ',' or blanks; write a list of patterns"
                                  : tree::glob_error(*glob);
      if (why.empty())
        out.push_back(*glob);
      else
        reader_.error(item.position, fmt::format("{} has the malformed pattern '{}': {}", what,
                                                 base::printable(glob->substr(0, 100)), why));
    }
    if (is_list && node.items.empty())
      reader_.error(node.position, fmt::format("{} is an empty list; write '*' for all", what));
    return out;
  }

  static std::string text_of(const RetentionRule& rule) {
    if (rule.keep == RetentionRule::Keep::all) return "keep: all";
    std::vector<std::string> order;
    for (const KeepBy by : rule.by) order.emplace_back(name_of(by));
    return rule.keep == RetentionRule::Keep::last
               ? fmt::format("keep-last: {}, by: {}", rule.count, base::join(order, ","))
               : rule.text + (rule.by[0] == KeepBy::created ? ", by: created" : "");
  }

  Reader reader_;
};

}  // namespace

std::optional<int64_t> parse_age(std::string_view text) {
  constexpr std::pair<char, int64_t> units[] = {
      {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}, {'m', 30 * 86400}, {'y', 365 * 86400}};
  constexpr int64_t most = int64_t{1000} * 365 * 86400;
  if (text.empty()) return std::nullopt;
  for (const auto& [letter, seconds] : units) {
    if (text.back() != letter) continue;
    const auto number =
        base::parse_number(text.substr(0, text.size() - 1), static_cast<uint64_t>(most / seconds));
    if (!number || *number == 0) return std::nullopt;
    return static_cast<int64_t>(*number) * seconds;
  }
  return std::nullopt;
}

RetentionResult parse_retention(std::string_view source) {
  RetentionResult result;
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);  // a byte order mark says nothing here
  YamlNode root;
  if (base::trim(source).empty())
    result.diagnostics.push_back({Severity::error,
                                  "syntax",
                                  {1, 1},
                                  fmt::format("the policy is empty; write retention: [{}]", example_rule)});
  else if (parse_yaml(source, root, result.diagnostics))
    result.retention = PolicyReader(result.diagnostics).read(root);
  sort(result.diagnostics);
  shorten(result.diagnostics);
  return result;
}

}  // namespace minibuild::spec
