// What single rules say, before anything follows from it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "minibuild/trust/retention.h"

namespace minibuild::trust {

/// What the rules say about one thing: why it stays, and why not for each rule that does not keep it.
struct Verdict {
  std::vector<std::string> keeps;
  std::vector<std::string> misses;
};

/// How a tag stands to the rest of the repository.
enum class Role {
  image,     // a name that somebody gave
  attached,  // made of the digest of a manifest that is there
  orphan,    // made of a digest that is not there
};

struct TagsUnderRules {
  std::map<std::string, Role> roles;
  std::map<std::string, Verdict> verdicts;
  std::vector<std::string> notes;
};

/// True if the rule is about this repository.
bool concerns(const spec::RetentionRule& rule, const std::string& repository);

TagsUnderRules judge_tags(const spec::Retention& policy, const Holdings& holdings, int64_t now);

/// The untagged manifests that a rule keeps, and why. `taken` are those that stay anyway.
std::map<oci::Digest, std::string> judge_untagged(const spec::Retention& policy, const Holdings& holdings,
                                                  const std::set<oci::Digest>& taken, int64_t now);

/// Sorts as people do: `v9` before `v10`.
bool natural_less(const std::string& a, const std::string& b);

/// Groups in the order in which they can be deleted.
std::vector<std::vector<oci::Digest>> deletion_order(const Holdings& holdings,
                                                     const std::set<oci::Digest>& going);

}  // namespace minibuild::trust
