// Policy as code: what images are looked at for, and what a policy makes of it.
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

/// A rule that an image does not keep.
struct Violation {
  std::string rule;
  std::string message;  // what was found
  std::string fix;      // the smallest change that satisfies the rule
  std::string path;     // in the image, with leading `/`; empty if it is not about a file
  Level level = Level::error;
  spec::Position position{};  // in the spec; line 0 if there is none
  std::string id{};           // of what was found: a CVE, the fingerprint of a secret
  std::string place{};        // in the config, named as in spec::Spec::places; empty if it is not about one
  std::optional<Level> own_level{};  // if the rule's default does not fit this one
  std::string group{};  // those of one rule, level and group are shown to people as one; empty: by itself
  bool operator==(const Violation&) const = default;
};

/// Why a rule matters, in a sentence; empty for a rule that is not known.
std::string_view reason_of(std::string_view rule);

/// What an image is judged by. References are those under which it is or will be known.
struct Subject {
  const tree::FileTree& tree;
  const oci::ImageConfig& config;
  std::vector<oci::Reference> names{};
  std::vector<std::string> bases{};  // references of its bases in registries
};

/// All that the rules find in config and files, whatever the policy says of them; in a fixed order. Secrets
/// and vulnerabilities are found elsewhere.
std::vector<Violation> examine(const Subject& subject, const spec::Policy& policy);
/// Those of config and accounts, and those of names and files, each for itself.
void examine_config(const Subject& subject, const spec::Policy& policy, std::vector<Violation>& found);
void examine_files(const tree::FileTree& tree, std::vector<Violation>& found);
void examine_accounts(const tree::FileTree& tree, std::vector<Violation>& found);
/// `size` of the layers as they are stored, in bytes.
std::optional<Violation> examine_size(uint64_t size, const spec::Policy& policy);

/// What the policy leaves of them: rules that are off and exceptions are dropped, the others get their level.
/// `used` is set, by number, for exceptions that something fell under.
std::vector<Violation> apply(const spec::Policy& policy, std::vector<Violation> violations,
                             std::vector<bool>* used = nullptr);
/// The level of a rule under a policy; nothing if it is off.
std::optional<Level> level_of(const spec::Policy& policy, std::string_view rule);

/// `error`, `warning` or `note`.
std::string_view name_of(Level level);

/// Those of one group made one, which names the others: as people are told of them.
std::vector<Violation> merged(const std::vector<Violation>& violations);

/// A violation in one paragraph: what, `why:`, `fix:`.
std::string explain(const Violation& violation);
/// All for people. Of one rule at most ten are shown.
std::string violations_text(const std::vector<Violation>& all, std::string_view image);
/// `{"image", "violations": [{"rule", "level", "message", "why", "fix", "path"?, "id"?, "place"?}]}`.
std::string violations_json(const std::vector<Violation>& violations, std::string_view image);
/// SARIF; the place of each is its path in the image, or its config.
std::string violations_sarif(const std::vector<Violation>& violations);

}  // namespace minibuild::trust
