// What pruning a registry and pruning a layout have in common.
#pragma once

#include <map>
#include <set>

#include "minibuild/build/prune.h"

namespace minibuild::build {

/// The parts of a manifest or index that matter for retention.
struct ReadManifest {
  trust::StoredManifest stored;  // `pushed` and `created` as far as the document says
  std::vector<oci::Descriptor> entries;
  std::vector<oci::Descriptor> blobs;
};
/// Throws Error naming `what`. For anything but manifests and indexes, only the size is set.
ReadManifest read_manifest(const oci::Descriptor& descriptor, const std::string& bytes,
                           const std::string& what);

/// Fills in the times: from the manifest's annotation, then `modified`, then the config's `created`.
void set_times(trust::StoredManifest& stored, std::optional<int64_t> modified,
               const std::optional<std::string>& config_json);
/// Fills in missing times of an index from the newest of its children.
void inherit_times(std::map<oci::Digest, trust::StoredManifest>& manifests);

/// Detects what was not in the holdings when the plan was made: new manifests, and the targets of new or
/// moved tags.
class Known {
 public:
  void remember(const trust::Holdings& holdings);
  void forget(const oci::Digest& digest) { manifests_.erase(digest); }
  std::set<oci::Digest> added_since(const trust::Holdings& holdings) const;

 private:
  std::map<std::string, oci::Digest> tags_;
  std::set<oci::Digest> manifests_;
};

/// Everything that a plan deletes.
std::set<oci::Digest> going(const trust::RetentionPlan& plan);

/// The list of referrers without the entries that are removed; everything else in it is unchanged.
std::string rewritten_list(const std::string& list_json, const trust::ListUpdate& update);

/// The tags that a plan drops, with or without their manifests.
std::map<std::string, oci::Digest> dropped_tags(const trust::RetentionPlan& plan);

/// The error text if something that stays could not be read; empty otherwise.
std::string why_unread(const trust::RetentionPlan& plan);

std::unique_ptr<PruneTarget> open_registry_target(oci::Reference repository, const spec::Retention& policy,
                                                  const Registries& registries, bool ignore_missing);
std::unique_ptr<PruneTarget> open_layout_target(const std::string& directory, bool ignore_missing);

}  // namespace minibuild::build
