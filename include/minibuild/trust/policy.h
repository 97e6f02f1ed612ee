// Policy as code: the rules that images are checked against, and how a policy treats violations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/image.h"
#include "minibuild/oci/reference.h"
#include "minibuild/spec/policy.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/trust/sarif.h"

namespace minibuild::trust {

/// A rule that an image violates.
struct Violation {
  std::string rule;
  std::string message;  // what was found
  std::string fix;      // the smallest change that satisfies the rule
  std::string path;     // in the image, with leading `/`; empty if not about a file
  Level level = Level::error;
  spec::Position position{};         // in the spec; line 0 if there is none
  std::string id{};                  // of the finding: a CVE, the fingerprint of a secret
  std::string place{};               // in the config, named as in spec::Spec::places; empty if none
  std::optional<Level> own_level{};  // if it differs from the rule's default
  std::string group{};  // shown as one with others of the same rule, level and group; empty: alone
  bool operator==(const Violation&) const = default;
};

/// Why a rule matters, in one sentence; empty for an unknown rule.
std::string_view reason_of(std::string_view rule);

/// The parts of an image that are checked. `names` are the references under which it is or will be known.
struct Subject {
  const tree::FileTree& tree;
  const oci::ImageConfig& config;
  std::vector<oci::Reference> names{};
  std::vector<std::string> bases{};  // references of its base images in registries
};

/// Everything that the rules find in config and files, whatever the policy says; in a fixed order. Secrets
/// and vulnerabilities are found elsewhere.
std::vector<Violation> examine(const Subject& subject, const spec::Policy& policy);
/// The individual parts: the config's rules, and those of files and of accounts.
void examine_config(const Subject& subject, const spec::Policy& policy, std::vector<Violation>& found);
void examine_files(const tree::FileTree& tree, std::vector<Violation>& found);
void examine_accounts(const tree::FileTree& tree, std::vector<Violation>& found);
/// `size` is that of the layers as stored, in bytes.
std::optional<Violation> examine_size(uint64_t size, const spec::Policy& policy);

/// Applies the policy: drops violations of rules that are off or that match an exception, and gives the
/// others their level. Sets `used`, by index, for each exception that matched something.
std::vector<Violation> apply(const spec::Policy& policy, std::vector<Violation> violations,
                             std::vector<bool>* used = nullptr);
/// The level of a rule under a policy; std::nullopt if it is off.
std::optional<Level> level_of(const spec::Policy& policy, std::string_view rule);

/// `error`, `warning` or `note`.
std::string_view name_of(Level level);

/// Merges the violations of each group into one that names the others, for display.
std::vector<Violation> merged(const std::vector<Violation>& violations);

/// A violation in one paragraph: what was found, `why:`, `fix:`.
std::string explain(const Violation& violation);
/// All violations for display. At most ten are shown per rule.
std::string violations_text(const std::vector<Violation>& all, std::string_view image);
/// `{"image", "violations": [{"rule", "level", "message", "why", "fix", "path"?, "id"?, "place"?}]}`.
std::string violations_json(const std::vector<Violation>& violations, std::string_view image);
/// SARIF; the location of each is its path in the image, or the config.
std::string violations_sarif(const std::vector<Violation>& violations);

}  // namespace minibuild::trust
