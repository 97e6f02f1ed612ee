// What pruning a registry and pruning a layout share.
#pragma once

#include <map>
#include <set>

#include "minibuild/build/prune.h"

namespace minibuild::build {

/// A manifest or index as it matters for what stays.
struct ReadManifest {
  trust::StoredManifest stored;  // `pushed` and `created` as far as the document says
  std::vector<oci::Descriptor> entries;
  std::vector<oci::Descriptor> blobs;
};
/// Throws Error naming `what`. Anything but manifests and indexes has nothing but its size.
ReadManifest read_manifest(const oci::Descriptor& descriptor, const std::string& bytes,
                           const std::string& what);

/// Fills in the times: of a manifest what its annotation says, then `modified`, then the config's `created`.
void set_times(trust::StoredManifest& stored, std::optional<int64_t> modified,
               const std::optional<std::string>& config_json);
/// What an index does not say, the newest of its children says.
void inherit_times(std::map<oci::Digest, trust::StoredManifest>& manifests);

/// What the holdings had not when the plan was made: new manifests, and where new or moved tags point.
class Known {
 public:
  void remember(const trust::Holdings& holdings);
  void forget(const oci::Digest& digest) { manifests_.erase(digest); }
  std::set<oci::Digest> news(const trust::Holdings& holdings) const;

 private:
  std::map<std::string, oci::Digest> tags_;
  std::set<oci::Digest> manifests_;
};

/// Everything that a plan deletes.
std::set<oci::Digest> going(const trust::RetentionPlan& plan);

/// The list of referrers without those entries that go; everything else in it stays as it is.
std::string rewritten_list(const std::string& list_json, const trust::ListUpdate& update);

/// The tags that a plan drops, with or without their manifests.
std::map<std::string, oci::Digest> dropped_tags(const trust::RetentionPlan& plan);

/// As the text of an error, if something that stays could not be read; empty if all could.
std::string why_unread(const trust::RetentionPlan& plan);

std::unique_ptr<PruneTarget> open_registry_target(oci::Reference repository, const spec::Retention& policy,
                                                  const Registries& registries, bool ignore_missing);
std::unique_ptr<PruneTarget> open_layout_target(const std::string& directory, bool ignore_missing);

}  // namespace minibuild::build
