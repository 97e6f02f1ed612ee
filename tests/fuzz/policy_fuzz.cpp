// Policies: anything is read or told with a place; of two the stricter holds; an exception covers what it
// names, and nothing else goes. The input is two policies with a zero byte between them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "minibuild/spec/policy.h"
#include "minibuild/trust/policy.h"

namespace {

using namespace minibuild;

void require(bool right) {
  if (!right) std::abort();
}

spec::Policy read(std::string_view source) {
  const spec::PolicyFile file = spec::parse_policy(source, "team.yaml");
  for (const spec::Diagnostic& one : file.diagnostics) {
    require(one.position.line >= 1 && one.position.column >= 1 && !one.message.empty());
    require(one.severity == spec::Severity::error);
  }
  spec::render_text(file.diagnostics, "team.yaml", source);
  for (const auto& list : {file.policy.deny, file.policy.warn})
    for (const spec::PolicyRule& rule : list) require(!trust::reason_of(rule.rule).empty());
  if (file.diagnostics.empty())
    for (const spec::PolicyAllow& allow : file.policy.allow)
      require(!allow.reason.empty() && !trust::reason_of(allow.rule).empty() && allow.file == "team.yaml");
  return file.policy;
}

std::vector<trust::Violation> violations() {
  std::vector<trust::Violation> all;
  for (const spec::RuleInfo& rule : spec::policy_rules())
    for (const char* path : {"", "/usr/bin/su"})
      all.push_back({std::string(rule.id), "it is so", "change it", path});
  return all;
}

bool is_denied(const spec::Policy& policy, std::string_view rule) {
  return std::any_of(policy.deny.begin(), policy.deny.end(),
                     [&](const spec::PolicyRule& one) { return one.rule == rule; });
}

void check_together(const spec::Policy& shared, const spec::Policy& own, const spec::Policy& both) {
  for (const spec::RuleInfo& rule : spec::policy_rules()) {
    const std::optional<trust::Level> level = trust::level_of(both, rule.id);
    if (is_denied(shared, rule.id) || is_denied(own, rule.id)) require(level == trust::Level::error);
    // What neither names is as it is by default.
    if (trust::level_of(shared, rule.id) == trust::level_of(own, rule.id))
      require(level == trust::level_of(own, rule.id));
  }
  for (const spec::Policy& one : {shared, own}) {
    if (one.max_size) require(both.max_size && *both.max_size <= *one.max_size);
    if (one.max_severity) require(both.max_severity && *both.max_severity <= *one.max_severity);
    for (const std::string& label : one.required_labels)
      require(std::find(both.required_labels.begin(), both.required_labels.end(), label) !=
              both.required_labels.end());
  }
  require(both.trusted_bases.size() == shared.trusted_bases.size() + own.trusted_bases.size());
  require(both.allow.size() == shared.allow.size() + own.allow.size());
}

void check_applied(const spec::Policy& policy) {
  std::vector<bool> used;
  const std::vector<trust::Violation> all = violations();
  const std::vector<trust::Violation> left = trust::apply(policy, all, &used);
  require(used.size() == policy.allow.size() && left.size() <= all.size());
  size_t kept = 0;
  for (const trust::Violation& one : all) {
    const std::optional<trust::Level> level = trust::level_of(policy, one.rule);
    const bool may_be_covered =
        std::any_of(policy.allow.begin(), policy.allow.end(), [&](const spec::PolicyAllow& allow) {
          return allow.rule == one.rule && allow.id.empty() && (allow.path.empty() || !one.path.empty());
        });
    const bool is_left = std::any_of(left.begin(), left.end(), [&](const trust::Violation& other) {
      return other.rule == one.rule && other.path == one.path && other.level == level;
    });
    if (!level) require(!is_left);
    if (level && !may_be_covered) require(is_left);
    if (is_left) ++kept;
  }
  require(kept == left.size());
  require(std::is_sorted(left.begin(), left.end(),
                         [](const auto& a, const auto& b) { return a.level < b.level; }));
  // What is left is left again: exceptions were applied.
  require(trust::apply(policy, left) == left);
  const std::vector<trust::Violation> some(left.begin(), left.begin() + std::min<size_t>(left.size(), 3));
  trust::violations_text(some, "image");
  trust::violations_json(some, "image");
  trust::violations_sarif(some);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(input.find('\0'), size);
  const spec::Policy shared = read(input.substr(0, cut));
  const spec::Policy own = read(input.substr(std::min(cut + 1, size)));
  const spec::Policy both = spec::combine(shared, own);
  check_together(shared, own, both);
  check_applied(both);
  return 0;
}
