// Applies retention rules: reads what a repository or a layout contains, and deletes what no rule keeps.
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
  size_t tags = 0;       // removed, with their manifest or alone
  size_t blobs = 0;      // removed from a layout
  uint64_t freed = 0;    // size of these, in bytes
  size_t kept = 0;       // manifests that remain
  /// What was not deleted although the plan said so, and why.
  std::vector<std::string> remarks;
};

/// A repository of a registry, or an OCI layout on disk.
class PruneTarget {
 public:
  virtual ~PruneTarget() = default;
  /// Returns all tags and manifests that can be found: a registry only reveals what is reachable from a tag
  /// through indexes and referrers. Throws Error if anything cannot be read: then it is unknown what that
  /// needs.
  virtual trust::Holdings read() = 0;
  /// Deletes what `plan`, made from `read`, says. Reads everything again first: what has since gained a tag,
  /// a parent or a referrer stays, and so does anything new. `told` is called for each manifest. Throws Error
  /// `cannot prune …: cause`; what was deleted before stays deleted, and the rest is untouched.
  virtual PruneResult remove(const spec::Retention& policy, const trust::RetentionPlan& plan, int64_t now,
                             const std::function<void(const std::string&)>& told) = 0;
};

/// `location` is a repository without a tag, or a layout without one; throws Error{Code::usage} for others.
/// `policy` determines which times must be read. With `ignore_missing`, anything that is referenced but
/// missing is ignored.
std::unique_ptr<PruneTarget> open_prune_target(const oci::ImageLocation& location,
                                               const spec::Retention& policy, const Registries& registries,
                                               bool ignore_missing);

/// How many manifests may be deleted unless a limit is given.
inline constexpr uint64_t default_max_deletions = 1000;
/// Throws Error{Code::usage} if no rule applies to the repository, Error{Code::failed} if something that
/// stays could not be read, and Error{Code::refused} if more than `limit` manifests would be deleted or,
/// without a limit, more than the default, every tag or every manifest.
void check_prune(const trust::RetentionPlan& plan, const std::string& name, std::optional<uint64_t> limit);

}  // namespace minibuild::build
