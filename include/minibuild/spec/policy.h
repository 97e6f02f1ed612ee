// What an image must satisfy before it goes anywhere: the keys `policy` and `attest`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/spec/diagnostic.h"

namespace minibuild::spec {

/// A rule that the policy sets to error or warning.
struct PolicyRule {
  std::string rule;
  Position position;
};

/// An exception, with the reason given for it.
struct PolicyAllow {
  std::string rule;
  std::string path;  // a glob of paths in the image; empty: everywhere
  std::string id;    // of the finding: a CVE, the fingerprint of a secret; empty: any
  std::string reason;
  std::string file;  // the shared policy that contains it; empty: the spec itself
  Position position;
};

enum class VulnerabilitySeverity { low, medium, high, critical };

struct Policy {
  std::string file;  // a shared policy, as written; empty: none
  std::vector<PolicyRule> deny;
  std::vector<PolicyRule> warn;
  std::vector<PolicyAllow> allow;
  std::optional<uint64_t> max_size;                     // of an image's layers as stored, in bytes
  std::optional<VulnerabilitySeverity> max_severity;    // the highest severity allowed in the image
  std::vector<std::string> databases;                   // for max_severity: files as written
  std::vector<std::vector<std::string>> trusted_bases;  // globs of references: one from each list must match
  std::vector<std::string> required_labels;
  std::vector<std::string> baselines;  // files of known findings of `secret`, as written
  Position position;
  Position file_position;
  Position max_size_position;
  Position max_severity_position;
};

/// What is generated with the image, and belongs to it without changing its digest.
struct Attest {
  bool spdx = false;
  bool cyclonedx = false;
  bool provenance = false;
  Position position;
};

/// A rule as a policy names it.
struct RuleInfo {
  std::string_view id;
  enum class Default { error, warning, off } level;
  std::string_view title;  // what it finds
  std::string_view why;    // why that matters, as a clause
};
/// All rules, by id.
const std::vector<RuleInfo>& policy_rules();

/// A shared policy: a YAML document with the keys of `policy` at the top level, or under a key `policy`.
/// Nothing is interpolated; a shared policy cannot name another.
struct PolicyFile {
  Policy policy;
  Diagnostics diagnostics;
};
constexpr size_t max_policy = size_t{1} << 20;  // bytes of the document
PolicyFile parse_policy(std::string_view source, const std::string& file);

/// Combines both policies: the smaller of two limits, the stricter of two levels of a rule, only bases that
/// both trust, and all labels, databases, exceptions and known findings.
Policy combine(const Policy& shared, Policy own);

}  // namespace minibuild::spec
