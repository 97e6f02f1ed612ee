// Retention: the parts that do not depend on where the images are.
#include "builder/build/prune.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::build {

using base::Code;
using base::Error;
using trust::Fate;

namespace {

constexpr const char* created_annotation = "org.opencontainers.image.created";
constexpr int max_index_depth = 8;

std::optional<int64_t> time_of(const std::string& text) {
  // Seconds alone are no RFC 3339 time.
  const std::optional<int64_t> time = text.size() < 20 ? std::nullopt : base::parse_time(text);
  return trust::is_known_time(time) ? time : std::nullopt;
}

std::string annotation(const oci::Json& json, const char* name) {
  const auto all = json.find("annotations");
  if (all == json.end() || !all->is_object()) return {};
  const auto one = all->find(name);
  return one != all->end() && one->is_string() ? one->get<std::string>() : "";
}

uint64_t add_sizes(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

}  // namespace

ReadManifest read_manifest(const oci::Descriptor& descriptor, const std::string& bytes,
                           const std::string& what) {
  ReadManifest read;
  read.stored.media_type = descriptor.media_type;
  read.stored.size = descriptor.size;
  const bool index = oci::is_index(descriptor.media_type);
  if (!index && !oci::is_manifest(descriptor.media_type)) return read;
  const oci::Json json = oci::parse_json(bytes, what);
  if (index) {
    read.entries = oci::parse_index(bytes, what).manifests;
    for (const oci::Descriptor& entry : read.entries) read.stored.children.push_back(entry.digest);
  } else {
    const oci::Manifest manifest = oci::parse_manifest(bytes, what);
    read.blobs = manifest.layers;
    read.blobs.insert(read.blobs.begin(), manifest.config);
    for (const oci::Descriptor& blob : read.blobs) read.stored.size = add_sizes(read.stored.size, blob.size);
  }
  if (const auto subject = json.find("subject"); subject != json.end() && !subject->is_null()) {
    if (!subject->is_object() || !subject->contains("digest") || !(*subject)["digest"].is_string())
      base::fail("cannot read {}: its subject has no digest", what);
    read.stored.subject = oci::parse_digest((*subject)["digest"].get<std::string>(), what);
  }
  if (const auto type = json.find("artifactType"); type != json.end() && type->is_string())
    read.stored.artifact_type = type->get<std::string>();
  read.stored.pushed = time_of(annotation(json, created_annotation));
  return read;
}

void set_times(trust::StoredManifest& stored, std::optional<int64_t> modified,
               const std::optional<std::string>& config_json) {
  const std::optional<int64_t> annotated = stored.pushed;
  if (config_json) {
    try {
      const oci::Json json = oci::parse_json(*config_json, "the config");
      if (json.is_object() && json.contains("created") && json["created"].is_string())
        stored.created = time_of(json["created"].get<std::string>());
    } catch (const Error&) {
      stored.created.reset();  // a config that cannot be read says nothing of when it was made
    }
  }
  if (!stored.pushed && trust::is_known_time(modified)) stored.pushed = modified;
  if (!stored.pushed) stored.pushed = stored.created;
  if (!stored.created) stored.created = annotated;
}

void inherit_times(std::map<oci::Digest, trust::StoredManifest>& manifests) {
  for (int depth = 0; depth < max_index_depth; ++depth) {
    bool changed = false;
    for (auto& [digest, manifest] : manifests) {
      if (manifest.pushed && manifest.created) continue;
      std::optional<int64_t> pushed;
      std::optional<int64_t> created;
      for (const oci::Digest& child : manifest.children) {
        const auto it = manifests.find(child);
        if (it == manifests.end()) continue;
        pushed = std::max(pushed, it->second.pushed);
        created = std::max(created, it->second.created);
      }
      changed |= (!manifest.pushed && pushed) || (!manifest.created && created);
      if (!manifest.pushed) manifest.pushed = pushed;
      if (!manifest.created) manifest.created = created;
    }
    if (!changed) return;
  }
}

void Known::remember(const trust::Holdings& holdings) {
  tags_ = holdings.tags;
  for (const auto& [digest, manifest] : holdings.manifests) manifests_.insert(digest);
}

std::set<oci::Digest> Known::added_since(const trust::Holdings& holdings) const {
  std::set<oci::Digest> found;
  for (const auto& [digest, manifest] : holdings.manifests)
    if (!manifests_.contains(digest)) found.insert(digest);
  for (const auto& [tag, digest] : holdings.tags) {
    const auto it = tags_.find(tag);
    if (it == tags_.end() || it->second != digest) found.insert(digest);
  }
  return found;
}

std::set<oci::Digest> going(const trust::RetentionPlan& plan) {
  std::set<oci::Digest> all;
  for (const std::vector<oci::Digest>& group : plan.groups) all.insert(group.begin(), group.end());
  return all;
}

std::map<std::string, oci::Digest> dropped_tags(const trust::RetentionPlan& plan) {
  std::map<std::string, oci::Digest> dropped;
  for (const trust::TagDecision& one : plan.tags)
    if (one.fate == Fate::untag || one.fate == Fate::remove) dropped[one.tag] = one.digest;
  return dropped;
}

std::string rewritten_list(const std::string& list_json, const trust::ListUpdate& update) {
  oci::Json json = oci::parse_json(list_json, "the list " + update.tag);
  if (!json.is_object() || !json.contains("manifests") || !json["manifests"].is_array())
    base::fail("the list {} is not an index", update.tag);
  oci::Json entries = oci::Json::array();
  for (const oci::Json& entry : json["manifests"]) {
    if (!entry.is_object() || !entry.contains("digest") || !entry["digest"].is_string())
      base::fail("the list {} has an entry without a digest", update.tag);
    const oci::Digest digest =
        oci::parse_digest(entry["digest"].get<std::string>(), "the list " + update.tag);
    if (std::find(update.go.begin(), update.go.end(), digest) == update.go.end()) entries.push_back(entry);
  }
  json["manifests"] = std::move(entries);
  return json.dump();
}

std::unique_ptr<PruneTarget> open_prune_target(const oci::ImageLocation& location,
                                               const spec::Retention& policy, const Registries& registries,
                                               bool ignore_missing) {
  const std::string shown = oci::to_string(location);
  if (location.transport == oci::Transport::registry) {
    oci::Reference reference = oci::parse_reference(location.path);
    if (!reference.tag.empty() || reference.digest) {
      const std::string named = reference.digest ? "digest" : "tag";
      reference.tag.clear();
      reference.digest.reset();
      throw Error(Code::usage, fmt::format("cannot prune {}: it names one {}, but a policy is about a whole "
                                           "repository; write docker://{}",
                                           shown, named, oci::to_string(reference)));
    }
    if (registries.offline || !registries.client)
      throw Error(Code::usage, fmt::format("cannot prune {}: --offline forbids asking it", shown));
    return open_registry_target(std::move(reference), policy, registries, ignore_missing);
  }
  if (location.transport != oci::Transport::oci_layout)
    throw Error(Code::usage, fmt::format("cannot prune {}: an archive cannot be made smaller; a repository "
                                         "(docker://HOST/REPOSITORY) or a layout (oci:DIR) can",
                                         shown));
  if (!location.tag.empty())
    throw Error(Code::usage, fmt::format("cannot prune {}: it names one tag, but a policy is about a whole "
                                         "layout; write oci:{}",
                                         shown, location.path));
  return open_layout_target(location.path, ignore_missing);
}

std::string why_unread(const trust::RetentionPlan& plan) {
  if (plan.unread.empty()) return {};
  return fmt::format(
      "{} stays, but {} not there, so that nobody knows what it needs; try again, or say "
      "--ignore-missing if {} gone for good",
      base::join(plan.unread, ", "), plan.unread.size() == 1 ? "is" : "are",
      plan.unread.size() == 1 ? "it is" : "they are");
}

void check_prune(const trust::RetentionPlan& plan, const std::string& name, std::optional<uint64_t> limit) {
  if (!plan.applies)
    throw Error(Code::usage,
                fmt::format("cannot prune {}: no rule of the policy is about it, so that all of it "
                            "would go; look at 'repositories', or add a rule",
                            name));
  if (!plan.unread.empty())
    throw Error(Code::failed,
                fmt::format("cannot prune {}: {}. Nothing was deleted", name, why_unread(plan)));
  const size_t count = going(plan).size();
  if (count > limit.value_or(default_max_deletions))
    throw Error(
        Code::refused,
        fmt::format("refused to prune {}: {} manifests would go, and {} {}; if all of that is meant, say "
                    "--max-deletions {}",
                    name, count, limit ? "at most" : "without --max-deletions at most",
                    limit ? fmt::format("{} may", *limit) : fmt::format("{} may", default_max_deletions),
                    count));
  const bool none_stays = std::none_of(plan.tags.begin(), plan.tags.end(),
                                       [](const auto& tag) { return tag.fate == Fate::keep; });
  const bool all_goes = count == plan.manifests.size();
  if (count > 0 && !limit && (all_goes || (none_stays && !plan.tags.empty())))
    throw Error(Code::refused,
                fmt::format("refused to prune {}: no {} of it would stay; if that is meant, say "
                            "--max-deletions {}",
                            name, plan.tags.empty() ? "image" : "tag", count));
}

}  // namespace minibuild::build
