// The verdicts of individual rules, before their consequences.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "minibuild/trust/retention.h"

namespace minibuild::trust {

/// The verdict of the rules on one item: why it is kept, and for each rule that does not keep it, why not.
struct Verdict {
  std::vector<std::string> keeps;
  std::vector<std::string> misses;
};

/// How a tag relates to the rest of the repository.
enum class Role {
  image,     // a name given by a user
  attached,  // derived from the digest of a manifest in the repository
  orphan,    // derived from a digest that is not in the repository
};

struct TagsUnderRules {
  std::map<std::string, Role> roles;
  std::map<std::string, Verdict> verdicts;
  std::vector<std::string> notes;
};

/// Returns true if the rule applies to this repository.
bool concerns(const spec::RetentionRule& rule, const std::string& repository);

TagsUnderRules judge_tags(const spec::Retention& policy, const Holdings& holdings, int64_t now);

/// The untagged manifests that a rule keeps, and why. `taken` are those that stay anyway.
std::map<oci::Digest, std::string> judge_untagged(const spec::Retention& policy, const Holdings& holdings,
                                                  const std::set<oci::Digest>& taken, int64_t now);

/// Natural order: `v9` before `v10`.
bool natural_less(const std::string& a, const std::string& b);

/// Groups, in an order in which they can be deleted.
std::vector<std::vector<oci::Digest>> deletion_order(const Holdings& holdings,
                                                     const std::set<oci::Digest>& going);

}  // namespace minibuild::trust
