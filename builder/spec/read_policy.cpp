// `policy` and `attest`.
#include <fmt/format.h>

#include <algorithm>

#include "builder/spec/reader.h"
#include "minibuild/base/text.h"

namespace minibuild::spec {

const Keys& policy_keys() {
  static const Keys keys = {{"file", "deny", "warn", "allow", "max-size", "max-severity", "vulnerability-db",
                             "trusted-bases", "required-labels", "secret-baseline"},
                            {}};
  return keys;
}

namespace {

std::vector<std::string> rule_names() {
  std::vector<std::string> names;
  for (const RuleInfo& rule : policy_rules()) names.emplace_back(rule.id);
  return names;
}

// The name of a rule, or nothing and a diagnostic.
std::optional<std::string> rule_name(Reader& reader, const YamlNode& node) {
  const auto text = reader.text(node, "a rule", "setuid");
  if (!text) return std::nullopt;
  const std::vector<std::string> names = rule_names();
  if (std::find(names.begin(), names.end(), *text) != names.end()) return text;
  const std::string close = base::nearest(*text, names);
  reader.error(node.position,
               close.empty()
                   ? fmt::format("there is no rule '{}'; the rules are {}", base::printable(*text),
                                 base::join(names, ", "))
                   : fmt::format("there is no rule '{}'; did you mean '{}'?", base::printable(*text), close),
               "unknown-rule");
  return std::nullopt;
}

std::vector<PolicyRule> rules(Reader& reader, const YamlNode& node, std::string_view what) {
  std::vector<PolicyRule> list;
  if (node.kind != YamlNode::Kind::sequence) {
    reader.error(node.position, fmt::format("'{}' must be a list of rules; write {}: [setuid]", what, what),
                 "type");
    return list;
  }
  for (const YamlNode& item : node.items)
    if (const auto name = rule_name(reader, item)) list.push_back({*name, item.position});
  return list;
}

void read_allow(Reader& reader, const YamlNode& node, Policy& policy) {
  const std::string_view example =
      "{ rule: setuid, path: /usr/bin/su, reason: \"needed by the login service\" }";
  if (node.kind != YamlNode::Kind::sequence)
    return reader.error(node.position, fmt::format("'allow' must be a list; write allow: [{}]", example),
                        "type");
  for (const YamlNode& item : node.items) {
    if (!reader.check_map(item, "an entry of 'allow'", {{"rule", "path", "id", "reason"}, {}}, example))
      continue;
    PolicyAllow allow;
    allow.position = item.position;
    if (const YamlNode* rule = item.find("rule"))
      allow.rule = rule_name(reader, *rule).value_or("");
    else
      reader.error(item.position, fmt::format("an exception needs 'rule'; write {}", example), "missing-key");
    const auto narrowing = [&](const char* key, std::string& value) {
      const YamlNode* text = item.find(key);
      if (text == nullptr) return;
      value = reader.text(*text, fmt::format("'{}'", key)).value_or("");
      if (value.empty())
        reader.error(text->position,
                     fmt::format("'{}' is empty, which would mean everything; leave it out to "
                                 "mean that",
                                 key));
    };
    narrowing("path", allow.path);
    narrowing("id", allow.id);
    if (const YamlNode* reason = item.find("reason"))
      allow.reason = std::string(base::trim(reader.text(*reason, "'reason'").value_or("")));
    if (allow.reason.empty())
      reader.error(
          item.position,
          fmt::format("an exception needs 'reason', for whoever meets it in a year; write {}", example),
          "missing-key");
    policy.allow.push_back(std::move(allow));
  }
}

std::optional<VulnerabilitySeverity> severity(Reader& reader, const YamlNode& node) {
  using enum VulnerabilitySeverity;
  const auto text = reader.text(node, "'max-severity'", "high");
  if (!text) return std::nullopt;
  if (*text == "low") return low;
  if (*text == "medium") return medium;
  if (*text == "high") return high;
  if (*text == "critical") return critical;
  reader.error(node.position, fmt::format("'max-severity' is '{}', want low, medium, high or critical",
                                          base::printable(*text)));
  return std::nullopt;
}

std::vector<std::string> one_or_more(Reader& reader, const YamlNode& node, std::string_view what,
                                     std::string_view example) {
  if (node.kind == YamlNode::Kind::scalar) {
    const auto text = reader.text(node, what, example);
    return text ? std::vector<std::string>{*text} : std::vector<std::string>();
  }
  return reader.texts(node, what, example);
}

void check_levels(Reader& reader, const Policy& policy) {
  for (const PolicyRule& warn : policy.warn)
    for (const PolicyRule& deny : policy.deny)
      if (warn.rule == deny.rule)
        reader.error(warn.position, fmt::format("the rule '{}' is under 'deny' already", warn.rule));
}

}  // namespace

Policy read_policy(Reader& reader, const YamlNode& node) {
  Policy policy;
  policy.position = node.position;
  if (!reader.check_map(node, "'policy'", policy_keys(), "{ deny: [setuid], max-size: 20MB }")) return policy;
  if (const YamlNode* file = node.find("file")) {
    policy.file = reader.text(*file, "'file'", "team.yaml").value_or("");
    policy.file_position = file->position;
  }
  if (const YamlNode* deny = node.find("deny")) policy.deny = rules(reader, *deny, "deny");
  if (const YamlNode* warn = node.find("warn")) policy.warn = rules(reader, *warn, "warn");
  if (const YamlNode* allow = node.find("allow")) read_allow(reader, *allow, policy);
  if (const YamlNode* size = node.find("max-size")) {
    policy.max_size_position = size->position;
    const auto text = reader.text(*size, "'max-size'", "20MB");
    if (text) policy.max_size = base::parse_size(*text);
    if (text && !policy.max_size)
      reader.error(size->position, fmt::format("'max-size' is '{}', want a size such as 20MB or 1.5GiB",
                                               base::printable(*text)));
  }
  if (const YamlNode* worst = node.find("max-severity")) {
    policy.max_severity_position = worst->position;
    policy.max_severity = severity(reader, *worst);
  }
  if (const YamlNode* list = node.find("vulnerability-db"))
    policy.databases = one_or_more(reader, *list, "'vulnerability-db'", "[debian.json]");
  if (const YamlNode* list = node.find("trusted-bases")) {
    // An empty list trusts none.
    std::vector<std::string> globs =
        reader.texts(*list, "'trusted-bases'", "[\"registry.example.com/base/**\"]");
    for (std::string& glob : globs)
      if (glob.starts_with("docker://")) glob.erase(0, 9);  // bases are named without it
    policy.trusted_bases.push_back(std::move(globs));
  }
  if (const YamlNode* list = node.find("required-labels"))
    policy.required_labels = reader.texts(*list, "'required-labels'", "[org.opencontainers.image.source]");
  if (const YamlNode* file = node.find("secret-baseline"))
    if (auto name = reader.text(*file, "'secret-baseline'", "secrets.json"); name && !name->empty())
      policy.baselines.push_back(std::move(*name));
  check_levels(reader, policy);
  return policy;
}

Attest read_attest(Reader& reader, const YamlNode& node) {
  Attest attest;
  attest.position = node.position;
  if (!reader.check_map(node, "'attest'", {{"sbom", "provenance"}, {}}, "{ sbom: [spdx], provenance: true }"))
    return attest;
  if (const YamlNode* sbom = node.find("sbom"))
    for (const std::string& format : one_or_more(reader, *sbom, "'sbom'", "[spdx, cyclonedx]")) {
      if (format == "spdx")
        attest.spdx = true;
      else if (format == "cyclonedx")
        attest.cyclonedx = true;
      else
        reader.error(sbom->position, fmt::format("'{}' is not a format of SBOMs; write spdx or cyclonedx",
                                                 base::printable(format)));
    }
  if (const YamlNode* provenance = node.find("provenance"))
    attest.provenance = reader.boolean(*provenance, "'provenance'").value_or(false);
  return attest;
}

PolicyFile parse_policy(std::string_view source, const std::string& file) {
  PolicyFile result;
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);
  YamlNode root;
  Reader reader(result.diagnostics);
  if (base::trim(source).empty()) {
    reader.error({1, 1}, "the policy is empty; write for example deny: [setuid]", "syntax");
  } else if (parse_yaml(source, root, result.diagnostics)) {
    const YamlNode* inner = root.kind == YamlNode::Kind::mapping ? root.find("policy") : nullptr;
    if (inner != nullptr)
      reader.check_map(root, "a policy file", {{"minibuild", "policy"}, {}}, "policy: { deny: [setuid] }");
    result.policy = read_policy(reader, inner != nullptr ? *inner : root);
    if (!result.policy.file.empty())
      reader.error(result.policy.file_position, "a shared policy cannot name another; put both into one");
    for (PolicyAllow& allow : result.policy.allow) allow.file = file;
  }
  sort(result.diagnostics);
  shorten(result.diagnostics);
  return result;
}

Policy combine(const Policy& shared, Policy own) {
  const auto denied = [&](const std::string& rule) {
    return std::any_of(shared.deny.begin(), shared.deny.end(),
                       [&](const PolicyRule& one) { return one.rule == rule; });
  };
  std::erase_if(own.warn, [&](const PolicyRule& one) { return denied(one.rule); });
  own.deny.insert(own.deny.end(), shared.deny.begin(), shared.deny.end());
  for (const PolicyRule& rule : shared.warn) {
    const auto same = [&](const PolicyRule& one) { return one.rule == rule.rule; };
    if (std::none_of(own.deny.begin(), own.deny.end(), same)) own.warn.push_back(rule);
  }
  own.allow.insert(own.allow.end(), shared.allow.begin(), shared.allow.end());
  if (shared.max_size && (!own.max_size || *shared.max_size < *own.max_size)) {
    own.max_size = shared.max_size;
    own.max_size_position = own.file_position;
  }
  if (shared.max_severity && (!own.max_severity || *shared.max_severity < *own.max_severity)) {
    own.max_severity = shared.max_severity;
    own.max_severity_position = own.file_position;
  }
  const auto append = [](auto& list, const auto& more) { list.insert(list.end(), more.begin(), more.end()); };
  append(own.databases, shared.databases);
  append(own.trusted_bases, shared.trusted_bases);
  append(own.baselines, shared.baselines);
  for (const std::string& label : shared.required_labels)
    if (std::find(own.required_labels.begin(), own.required_labels.end(), label) == own.required_labels.end())
      own.required_labels.push_back(label);
  return own;
}

}  // namespace minibuild::spec
