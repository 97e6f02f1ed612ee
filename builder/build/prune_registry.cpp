// Retention in a repository of a registry.
#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "builder/build/error_context.h"
#include "builder/build/parallel.h"
#include "builder/build/prune.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::fail;
using trust::Fate;

namespace {

constexpr size_t max_manifests = 200'000;
// How many are deleted before everything is looked at again.
constexpr size_t round_size = 25;

class RegistryTarget : public PruneTarget {
 public:
  RegistryTarget(oci::Reference repository, const spec::Retention& policy, const Registries& registries,
                 bool ignore_missing)
      : repository_(std::move(repository)),
        ignore_missing_(ignore_missing),
        client_(registries.client()),
        needs_created_(std::any_of(policy.rules.begin(), policy.rules.end(), [](const auto& rule) {
          return std::find(rule.by.begin(), rule.by.end(), spec::KeepBy::created) != rule.by.end();
        })) {}

  trust::Holdings read() override {
    return with_context("prune " + name(), [&] {
      trust::Holdings holdings = look();
      known_.remember(holdings);
      return holdings;
    });
  }

  PruneResult remove(const spec::Retention& policy, const trust::RetentionPlan& plan, int64_t now,
                     const std::function<void(const std::string&)>& told) override {
    return with_context("prune " + name(), [&] {
      PruneResult result;
      const std::set<oci::Digest> agreed = going(plan);
      std::set<oci::Digest> saved;
      while (true) {
        const trust::Holdings holdings = look();
        const trust::RetentionPlan fresh =
            trust::plan_retention(policy, holdings, now, known_.added_since(holdings));
        if (const std::string why = why_unread(fresh); !why.empty())
          fail("{}. {}", why, deleted_text(result));
        for (const trust::ManifestDecision& one : fresh.manifests)
          if (one.keep && agreed.contains(one.digest) && saved.insert(one.digest).second)
            result.remarks.push_back(fmt::format("{} stays after all: {}", oci::to_string(one.digest),
                                                 again_.contains(one.digest)
                                                     ? "the registry has it although it was told to delete it"
                                                     : one.why));
        result.manifests = deleted_.size() - missing_.size();
        result.kept = holdings.manifests.size();
        result.tags = 0;
        for (const auto& [digest, count] : told_tags_) result.tags += count;
        const std::vector<oci::Digest> round = next_round(fresh, agreed);
        if (!doubt_.empty() && (!round.empty() || !dropped_tags(plan).empty()))
          fail("{}. {}", doubt_, deleted_text(result));
        if (round.empty()) {
          remove_tags(plan, fresh, result, told);
          return result;
        }
        for (const oci::Digest& digest : round) remove_one(digest, holdings, fresh, result, told);
      }
    });
  }

 private:
  struct Document {
    ReadManifest read;
    oci::Descriptor descriptor;
  };

  static std::string deleted_text(const PruneResult& result) {
    return result.manifests == 0 ? "Nothing was deleted"
                                 : fmt::format("{} manifest{} deleted before", result.manifests,
                                               result.manifests == 1 ? " was" : "s were");
  }

  std::string name() const { return repository_.host + "/" + repository_.repository; }
  oci::Reference tagged(const std::string& tag) const {
    return {repository_.host, repository_.repository, tag, std::nullopt};
  }
  oci::Reference exact(const oci::Digest& digest) const {
    return {repository_.host, repository_.repository, "", digest};
  }

  // --- Reading -----------------------------------------------------------------------------------------

  // What is listed and not there may have gone in that moment, or come in the next one. What was lost before
  // is not waited for again.
  trust::Holdings look() {
    trust::Holdings holdings = read_all();
    for (const int pause : {200, 600}) {
      const bool known = std::includes(lost_before_.lost_tags.begin(), lost_before_.lost_tags.end(),
                                       holdings.lost_tags.begin(), holdings.lost_tags.end()) &&
                         std::includes(lost_before_.lost_indexes.begin(), lost_before_.lost_indexes.end(),
                                       holdings.lost_indexes.begin(), holdings.lost_indexes.end());
      if (known) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(pause));
      holdings = read_all();
    }
    lost_before_.lost_tags = holdings.lost_tags;
    lost_before_.lost_indexes = holdings.lost_indexes;
    return holdings;
  }

  trust::Holdings read_all() {
    trust::Holdings holdings;
    lost_indexes_.clear();
    holdings.repository = repository_.repository;
    present_.clear();
    std::map<oci::Digest, oci::Descriptor> wanted;
    // First of all what each tag names: after that, whatever a tag is moved to is noticed as news.
    for (auto& [tag, descriptor] : resolve_tags(holdings.lost_tags)) {
      wanted.emplace(descriptor.digest, descriptor);
      holdings.tags[tag] = descriptor.digest;
      // Somebody pushed it again after it was deleted.
      if (deleted_.erase(descriptor.digest) > 0) {
        again_.insert(descriptor.digest);
        missing_.erase(descriptor.digest);
        told_tags_.erase(descriptor.digest);
        known_.forget(descriptor.digest);
      }
    }
    // What lost its parent in an earlier round is not named by anything any more.
    for (const auto& [digest, document] : documents_) wanted.emplace(digest, document.descriptor);
    while (!wanted.empty()) wanted = read_wave(wanted);
    // A tag whose manifest went between two questions is gone too.
    std::erase_if(holdings.tags, [&](const auto& tag) {
      const bool is_lost = !present_.contains(tag.second);
      if (is_lost) holdings.lost_tags.insert(tag.first);
      return is_lost;
    });
    holdings.lost_indexes = lost_indexes_;
    if (ignore_missing_) {
      holdings.lost_tags.clear();
      holdings.lost_indexes.clear();
    }
    for (const oci::Digest& digest : present_) holdings.manifests[digest] = documents_.at(digest).read.stored;
    for (auto& [digest, manifest] : holdings.manifests)
      if (const auto it = referred_.find(digest); it != referred_.end() && !manifest.subject)
        manifest.subject = it->second;
    inherit_times(holdings.manifests);
    return holdings;
  }

  // `lost` gets the names that the registry lists and does not know, but for those that it was told to
  // delete. Names that it listed before are asked for, too: where one is still there, the list is a part.
  std::map<std::string, oci::Descriptor> resolve_tags(std::set<std::string>& lost) {
    registry::Client::TagList list = client_.tags(repository_);
    // A server that gave more at once cuts no shorter list.
    doubt_ = list.largest_page < largest_page_ ? "" : list.doubt;
    largest_page_ = std::max(largest_page_, list.largest_page);
    const std::set<std::string> listed(list.tags.begin(), list.tags.end());
    std::vector<std::string> names(listed.begin(), listed.end());
    for (const std::string& tag : listed_before_)
      if (!listed.contains(tag) && !deleted_tags_.contains(tag)) names.push_back(tag);
    listed_before_ = listed;
    std::mutex mutex;
    std::map<std::string, oci::Descriptor> found;
    for_each_in_parallel(names.size(), client_.parallel(), [&](size_t i) {
      const std::optional<oci::Descriptor> descriptor = client_.find_manifest(tagged(names[i]));
      const std::lock_guard lock(mutex);
      const bool is_listed = listed.contains(names[i]);
      if (descriptor && !is_listed)
        fail(
            "the registry's list of tags lacks {}, which is there and was listed before: others may be "
            "missing, and what "
            "they name would be deleted; try again",
            names[i]);
      if (descriptor)
        found[names[i]] = *descriptor;
      else if (is_listed && !deleted_tags_.contains(names[i]))
        lost.insert(names[i]);
    });
    return found;
  }

  // Reads manifests and asks who refers to them; gives what they name.
  std::map<oci::Digest, oci::Descriptor> read_wave(const std::map<oci::Digest, oci::Descriptor>& wanted) {
    std::vector<oci::Descriptor> list;
    for (const auto& [digest, descriptor] : wanted)
      if (!present_.contains(digest) && !deleted_.contains(digest)) list.push_back(descriptor);
    if (present_.size() + list.size() > max_manifests) fail("it has more than {} manifests", max_manifests);
    std::mutex mutex;
    std::vector<std::vector<oci::Descriptor>> next(list.size());
    for_each_in_parallel(list.size(), client_.parallel(), [&](size_t i) {
      if (!load(list[i], mutex)) {
        const std::lock_guard lock(mutex);
        if (oci::is_index(list[i].media_type)) lost_indexes_.insert(list[i].digest);
        return;
      }
      next[i] = referrers_of(list[i].digest, mutex);
      const std::lock_guard lock(mutex);
      present_.insert(list[i].digest);
      const std::vector<oci::Descriptor>& entries = documents_.at(list[i].digest).read.entries;
      next[i].insert(next[i].end(), entries.begin(), entries.end());
    });
    std::map<oci::Digest, oci::Descriptor> below;
    for (const std::vector<oci::Descriptor>& some : next)
      for (const oci::Descriptor& one : some)
        if (!present_.contains(one.digest) && !deleted_.contains(one.digest)) below.emplace(one.digest, one);
    return below;
  }

  // Makes sure that the document is known; false if the registry has not got it.
  bool load(const oci::Descriptor& descriptor, std::mutex& mutex) {
    {
      const std::lock_guard lock(mutex);
      if (documents_.contains(descriptor.digest)) return true;
    }
    Document document;
    document.descriptor = descriptor;
    const std::optional<oci::Descriptor> legacy = find_legacy(descriptor);
    if (!legacy) {
      registry::Client::Document served;
      try {
        served = client_.manifest(exact(descriptor.digest));
      } catch (const registry::Refused& refused) {
        if (refused.status() == 404) return false;
        throw;
      }
      document.descriptor = served.descriptor;
      document.read = read_manifest(served.descriptor, served.bytes, oci::to_string(descriptor.digest));
      set_times(document.read.stored, served.modified, config_of(document.read, served.modified));
    } else {
      document.read = read_manifest(*legacy, "", "");
    }
    const std::lock_guard lock(mutex);
    documents_.emplace(descriptor.digest, std::move(document));
    return true;
  }

  // Docker's schema 1 names no other manifest, so it need not be understood. What else there may be has to
  // be: reading it fails.
  std::optional<oci::Descriptor> find_legacy(const oci::Descriptor& descriptor) {
    if (oci::is_index(descriptor.media_type) || oci::is_manifest(descriptor.media_type)) return std::nullopt;
    const auto there = client_.find_manifest(exact(descriptor.digest));
    const bool legacy =
        there && there->media_type.starts_with("application/vnd.docker.distribution.manifest.v1");
    return legacy ? there : std::nullopt;
  }

  // The config, if the time in it is needed.
  std::optional<std::string> config_of(const ReadManifest& read, std::optional<int64_t> modified) {
    const bool known = read.stored.pushed || trust::is_known_time(modified);
    if (read.blobs.empty() || (known && !needs_created_)) return std::nullopt;
    const oci::Descriptor& config = read.blobs.front();
    if (config.media_type != oci::media_type::config && config.media_type != oci::media_type::docker_config)
      return std::nullopt;
    if (config.size > oci::max_json_size) return std::nullopt;
    try {
      return client_.small_blob(repository_, config);
    } catch (const registry::Refused& refused) {
      if (refused.status() == 404) return std::nullopt;
      throw;
    }
  }

  // By the API, where there is one; the lists under tags are found by their tags.
  std::vector<oci::Descriptor> referrers_of(const oci::Digest& digest, std::mutex& mutex) {
    {
      const std::lock_guard lock(mutex);
      if (no_api_) return {};
    }
    const auto found = client_.referrers_by_api(repository_, digest);
    const std::lock_guard lock(mutex);
    (found ? has_api_ : no_api_) = true;
    if (has_api_ && no_api_)
      fail(
          "the registry lists what belongs to some manifests, and for {} says that it cannot: what it leaves "
          "out would be "
          "taken for nothing; try again",
          oci::to_string(digest));
    if (!found) return {};
    for (const oci::Descriptor& one : *found) referred_.try_emplace(one.digest, digest);
    return *found;
  }

  // --- Deleting ----------------------------------------------------------------------------------------

  std::vector<oci::Digest> next_round(const trust::RetentionPlan& fresh,
                                      const std::set<oci::Digest>& agreed) const {
    std::vector<oci::Digest> round;
    for (const std::vector<oci::Digest>& group : fresh.groups) {
      if (!round.empty() && round.size() + group.size() > round_size) break;
      for (const oci::Digest& digest : group)
        if (agreed.contains(digest) && !deleted_.contains(digest)) round.push_back(digest);
    }
    return round;
  }

  void remove_one(const oci::Digest& digest, const trust::Holdings& holdings,
                  const trust::RetentionPlan& fresh, PruneResult& result,
                  const std::function<void(const std::string&)>& told) {
    std::vector<std::string> tags;
    for (const auto& [tag, named] : holdings.tags)
      if (named == digest) tags.push_back(tag);
    for (const trust::ListUpdate& update : fresh.lists) {
      if (update.list != digest) continue;
      rewrite(update);
      std::erase(tags, update.tag);
      told(fmt::format("{}: lists only what stays", update.tag));
    }
    const auto deletion = client_.delete_manifest(repository_, oci::to_string(digest));
    if (deletion == registry::Client::Deletion::unsupported)
      fail(
          "the registry deletes no manifests; deletion has to be switched on there (docker-registry: "
          "'storage: {{delete: {{enabled: true}}}}' in its configuration, or "
          "REGISTRY_STORAGE_DELETE_ENABLED=true). {}",
          deleted_text(result));
    deleted_.insert(digest);
    deleted_tags_.insert(tags.begin(), tags.end());
    told_tags_[digest] = tags.size();
    documents_.erase(digest);
    if (deletion == registry::Client::Deletion::missing) {
      missing_.insert(digest);
      told_tags_.erase(digest);
      return;
    }
    ++result.manifests;
    told(fmt::format("deleted {}{}", oci::to_string(digest),
                     tags.empty() ? "" : " (" + base::join(tags, ", ") + ")"));
  }

  void rewrite(const trust::ListUpdate& update) {
    // The registry itself is asked what the tag names, not a mirror.
    const std::optional<oci::Descriptor> named = client_.find_manifest(tagged(update.tag));
    if (!named || named->digest != update.list)
      fail("the list {} has changed meanwhile; try again", update.tag);
    const registry::Client::Document list = client_.manifest(exact(update.list));
    client_.put_manifest(repository_, update.tag, list.descriptor.media_type,
                         rewritten_list(list.bytes, update));
  }

  // Tags whose image stays: deleted by name, where the registry can do that.
  void remove_tags(const trust::RetentionPlan& plan, const trust::RetentionPlan& fresh, PruneResult& result,
                   const std::function<void(const std::string&)>& told) {
    const std::map<std::string, oci::Digest> agreed = dropped_tags(plan);
    std::vector<std::string> stay;
    bool supported = true;
    for (const trust::TagDecision& one : fresh.tags) {
      const auto it = agreed.find(one.tag);
      if (one.fate != Fate::untag || it == agreed.end() || it->second != one.digest) continue;
      if (again_.contains(one.digest)) continue;  // a remark tells of it
      if (supported) supported = remove_tag(one, fresh, result, told);
      if (!supported) stay.push_back(one.tag);
    }
    if (!stay.empty())
      result.remarks.push_back(fmt::format(
          "{} tag{} because the image has another name that stays, and the registry deletes no tag alone: {}",
          stay.size(), stay.size() == 1 ? " stays" : "s stay", base::join(stay, ", ")));
  }

  bool remove_tag(const trust::TagDecision& one, const trust::RetentionPlan& fresh, PruneResult& result,
                  const std::function<void(const std::string&)>& told) {
    const std::optional<oci::Descriptor> named = client_.find_manifest(tagged(one.tag));
    if (!named || named->digest != one.digest) return true;  // it was moved meanwhile
    const registry::Client::Document image = client_.manifest(exact(one.digest));
    const auto deletion = client_.delete_manifest(repository_, one.tag);
    if (deletion == registry::Client::Deletion::unsupported) return false;
    if (deletion == registry::Client::Deletion::missing) return true;
    if (!client_.find_manifest(exact(one.digest))) restore(one, fresh, image);
    // Some say yes and leave it.
    if (const auto still = client_.find_manifest(tagged(one.tag)); still && still->digest == one.digest)
      return false;
    ++result.tags;
    told(fmt::format("deleted the tag {}", one.tag));
    return true;
  }

  // Some registries take the image away with any of its tags.
  [[noreturn]] void restore(const trust::TagDecision& one, const trust::RetentionPlan& fresh,
                            const registry::Client::Document& image) {
    client_.put_manifest(repository_, oci::to_string(one.digest), image.descriptor.media_type, image.bytes);
    for (const trust::TagDecision& other : fresh.tags)
      if (other.digest == one.digest && other.fate == Fate::keep && !client_.find_manifest(tagged(other.tag)))
        client_.put_manifest(repository_, other.tag, image.descriptor.media_type, image.bytes);
    fail(
        "the registry deleted the image {} with its tag {}, although other tags name it; it was put back "
        "with "
        "them",
        oci::to_string(one.digest), one.tag);
  }

  oci::Reference repository_;
  bool ignore_missing_;
  registry::Client& client_;
  bool needs_created_;
  bool no_api_ = false;   // of referrers
  bool has_api_ = false;  // for at least one manifest
  Known known_;
  std::map<oci::Digest, Document> documents_;    // all that was ever read and not deleted
  std::map<oci::Digest, oci::Digest> referred_;  // to what, as the API says
  std::set<oci::Digest> present_;                // in the last reading
  std::set<oci::Digest> deleted_;
  std::set<std::string> deleted_tags_;       // with their manifests
  std::set<std::string> listed_before_;      // in the last reading
  size_t largest_page_ = 0;                  // of tags, in all readings
  std::string doubt_;                        // whether the last reading knows all tags
  std::set<oci::Digest> again_;              // there after they were deleted
  std::set<oci::Digest> lost_indexes_;       // in the last reading
  std::map<oci::Digest, size_t> told_tags_;  // how many went with each
  trust::Holdings lost_before_;              // what was lost in the last look, nothing else
  std::set<oci::Digest> missing_;            // of the deleted ones, those that were gone before
};

}  // namespace

std::unique_ptr<PruneTarget> open_registry_target(oci::Reference repository, const spec::Retention& policy,
                                                  const Registries& registries, bool ignore_missing) {
  return std::make_unique<RegistryTarget>(std::move(repository), policy, registries, ignore_missing);
}

}  // namespace minibuild::build
