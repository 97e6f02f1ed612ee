// What a policy makes of findings, and how they are told.
#include "minibuild/trust/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/tree/glob.h"

namespace minibuild::trust {

namespace {

constexpr size_t most_shown = 10;

Level level_of(spec::RuleInfo::Default level) {
  return level == spec::RuleInfo::Default::error ? Level::error : Level::warning;
}

bool is_listed(const std::vector<spec::PolicyRule>& list, std::string_view rule) {
  return std::any_of(list.begin(), list.end(), [&](const spec::PolicyRule& one) { return one.rule == rule; });
}

bool covers(const spec::PolicyAllow& allow, const Violation& violation) {
  if (allow.rule != violation.rule || (!allow.id.empty() && allow.id != violation.id)) return false;
  return allow.path.empty() ||
         (!violation.path.empty() && tree::glob_match(allow.path, violation.path.substr(1)));
}

}  // namespace

std::string_view name_of(Level level) {
  return level == Level::error ? "error" : level == Level::warning ? "warning" : "note";
}

std::string_view reason_of(std::string_view rule) {
  for (const spec::RuleInfo& info : spec::policy_rules())
    if (info.id == rule) return info.why;
  return {};
}

std::optional<Level> level_of(const spec::Policy& policy, std::string_view rule) {
  if (is_listed(policy.deny, rule)) return Level::error;
  if (is_listed(policy.warn, rule)) return Level::warning;
  for (const spec::RuleInfo& info : spec::policy_rules())
    if (info.id == rule && info.level != spec::RuleInfo::Default::off) return level_of(info.level);
  return std::nullopt;
}

std::vector<Violation> apply(const spec::Policy& policy, std::vector<Violation> violations,
                             std::vector<bool>* used) {
  if (used != nullptr) used->resize(policy.allow.size());
  std::vector<Violation> left;
  for (Violation& violation : violations) {
    bool allowed = false;
    for (size_t i = 0; i < policy.allow.size(); ++i) {
      if (!covers(policy.allow[i], violation)) continue;
      allowed = true;
      if (used != nullptr) (*used)[i] = true;
    }
    const bool named = is_listed(policy.deny, violation.rule) || is_listed(policy.warn, violation.rule);
    std::optional<Level> level = level_of(policy, violation.rule);
    if (!named && violation.own_level) level = violation.own_level;
    if (allowed || !level) continue;
    // What was found to be a warning is an error only where the policy says so itself.
    if (violation.level != Level::warning || is_listed(policy.deny, violation.rule)) violation.level = *level;
    left.push_back(std::move(violation));
  }
  std::stable_sort(left.begin(), left.end(),
                   [](const Violation& a, const Violation& b) { return a.level < b.level; });
  return left;
}

std::vector<Violation> merged(const std::vector<Violation>& violations) {
  std::vector<Violation> left;
  std::vector<std::vector<std::string>> others;
  std::map<std::tuple<std::string, Level, std::string>, size_t> groups;
  for (const Violation& one : violations) {
    if (!one.group.empty()) {
      const auto [it, is_new] = groups.try_emplace({one.rule, one.level, one.group}, left.size());
      if (!is_new) {
        others[it->second].push_back(base::printable(one.path));
        continue;
      }
    }
    left.push_back(one);
    others.emplace_back();
  }
  for (size_t i = 0; i < left.size(); ++i) {
    const std::vector<std::string>& names = others[i];
    if (names.empty()) continue;
    const std::vector<std::string> first(names.begin(),
                                         names.begin() + std::min<std::ptrdiff_t>(3, std::ssize(names)));
    left[i].message += names.size() == first.size()
                           ? fmt::format("; so does {}", base::join(first, ", "))
                           : fmt::format("; so do {} more: {} ...", names.size(), base::join(first, ", "));
  }
  return left;
}

std::string explain(const Violation& violation) {
  std::string text = violation.message;
  if (const std::string_view why = reason_of(violation.rule); !why.empty())
    text += fmt::format("\n  why: {}", why);
  if (!violation.fix.empty()) text += fmt::format("\n  fix: {}", violation.fix);
  return text;
}

std::string violations_text(const std::vector<Violation>& all, std::string_view image) {
  const std::vector<Violation> violations = merged(all);
  std::string text;
  std::map<std::string, size_t> counts;
  for (const Violation& one : violations) {
    if (++counts[one.rule] > most_shown) continue;
    text += fmt::format("{}: {}: [{}] {}\n", image, name_of(one.level), one.rule, explain(one));
  }
  for (const auto& [rule, count] : counts)
    if (count > most_shown) text += fmt::format("{}: [{}] and {} more\n", image, rule, count - most_shown);
  return text;
}

std::string violations_json(const std::vector<Violation>& violations, std::string_view image) {
  oci::Json json;
  json["image"] = image;
  json["violations"] = oci::Json::array();
  for (const Violation& one : violations) {
    oci::Json item;
    item["rule"] = one.rule;
    item["level"] = name_of(one.level);
    item["message"] = one.message;
    item["why"] = reason_of(one.rule);
    item["fix"] = one.fix;
    if (!one.path.empty()) item["path"] = one.path;
    if (!one.id.empty()) item["id"] = one.id;
    if (!one.place.empty()) item["place"] = one.place;
    json["violations"].push_back(item);
  }
  return json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
}

std::string violations_sarif(const std::vector<Violation>& violations) {
  std::vector<SarifRule> rules;
  std::vector<SarifResult> results;
  for (const Violation& one : violations) {
    const auto same = [&](const SarifRule& rule) { return rule.id == one.rule; };
    if (std::none_of(rules.begin(), rules.end(), same)) {
      SarifRule rule{one.rule, "", std::string(reason_of(one.rule)), one.fix, -1};
      for (const spec::RuleInfo& info : spec::policy_rules())
        if (info.id == one.rule) rule.name = info.title;
      rules.push_back(std::move(rule));
    }
    const std::string place = one.path.empty() ? "config.json" : one.path.substr(1);
    results.push_back({one.rule, one.level, one.message + "; " + one.fix, place, 0, 0,
                       one.path.empty() ? one.place : one.path, one.id});
  }
  return to_sarif(rules, results);
}

}  // namespace minibuild::trust
