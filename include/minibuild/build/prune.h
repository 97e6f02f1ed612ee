// Retention where images are: reads what a repository or a layout holds, and deletes what no rule keeps.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/images.h"
#include "minibuild/trust/retention.h"

namespace minibuild::build {

struct PruneResult {
  size_t manifests = 0;  // deleted
  size_t tags = 0;       // gone, with their manifest or alone
  size_t blobs = 0;      // removed from a layout
  uint64_t freed = 0;    // bytes of these
  size_t kept = 0;       // manifests that are there afterwards
  /// What did not go although the plan said so, and why.
  std::vector<std::string> remarks;
};

/// A repository of a registry, or an OCI layout on disk.
class PruneTarget {
 public:
  virtual ~PruneTarget() = default;
  /// All tags and manifests that can be found: a registry tells only of what a tag leads to, by indexes and
  /// referrers. Throws Error if anything cannot be read: then nobody knows what it needs.
  virtual trust::Holdings read() = 0;
  /// Deletes what `plan`, made from `read`, says. Everything is read again before: what has got a tag, a
  /// parent or a referrer meanwhile stays, and so does what is new. `told` hears of each manifest. Throws
  /// Error `cannot prune …: cause`; what was deleted until then is gone, and the rest is as it was.
  virtual PruneResult remove(const spec::Retention& policy, const trust::RetentionPlan& plan, int64_t now,
                             const std::function<void(const std::string&)>& told) = 0;
};

/// `location` is a repository without a tag, or a layout without one; throws Error{Code::usage} for others.
/// `policy` says which times have to be read. With `ignore_missing`, what is named and not there counts for
/// nothing.
std::unique_ptr<PruneTarget> open_prune_target(const oci::ImageLocation& location,
                                               const spec::Retention& policy, const Registries& registries,
                                               bool ignore_missing);

/// How many manifests may go unless somebody says.
inline constexpr uint64_t default_max_deletions = 1000;
/// Throws Error{Code::usage} if no rule is about the repository, Error{Code::failed} if something that stays
/// could not be read, and Error{Code::refused} if more than `limit` manifests would go, or, without a limit,
/// more than the default, or every tag or every manifest that there is.
void check_prune(const trust::RetentionPlan& plan, const std::string& name, std::optional<uint64_t> limit);

}  // namespace minibuild::build
