// Retention in an OCI layout on disk.
#include <algorithm>
#include <array>

#include "builder/build/error_context.h"
#include "builder/build/prune.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/store/blob_source.h"
#include "minibuild/store/output.h"

namespace minibuild::build {

using base::fail;

namespace {

class LayoutTarget : public PruneTarget {
 public:
  LayoutTarget(std::string directory, bool ignore_missing)
      : directory_(std::move(directory)), ignore_missing_(ignore_missing) {}

  trust::Holdings read() override {
    return with_context("prune oci:" + directory_, [&] {
      trust::Holdings holdings = read_all();
      known_.remember(holdings);
      return holdings;
    });
  }

  PruneResult remove(const spec::Retention& policy, const trust::RetentionPlan& plan, int64_t now,
                     const std::function<void(const std::string&)>& told) override {
    return with_context("prune oci:" + directory_, [&] {
      const base::Fd lock = store::lock_layout(directory_);
      const trust::Holdings holdings = read_all();
      const trust::RetentionPlan fresh =
          trust::plan_retention(policy, holdings, now, known_.added_since(holdings));
      if (const std::string why = why_unread(fresh); !why.empty()) fail("{}. Nothing was deleted", why);
      PruneResult result;
      const std::set<oci::Digest> agreed = going(plan);
      // No more than was shown: an image that came meanwhile may push others out, at the next time.
      std::set<oci::Digest> gone = going(fresh);
      std::erase_if(gone, [&](const oci::Digest& digest) { return !agreed.contains(digest); });
      for (const trust::ManifestDecision& one : fresh.manifests)
        if (one.keep && agreed.contains(one.digest))
          result.remarks.push_back(
              fmt::format("{} stays after all: {}", oci::to_string(one.digest), one.why));
      std::vector<std::string> deleted;  // told when it is so
      const std::string index = new_index(fresh, dropped_tags(plan), gone, deleted);
      result.tags = deleted.size();
      for (const oci::Digest& digest : gone)
        deleted.push_back(fmt::format("deleted {}", oci::to_string(digest)));
      result.manifests = gone.size();
      result.kept = holdings.manifests.size() - gone.size();
      const store::LayoutCleaning cleaning = store::clean_layout(directory_, index, needed(holdings, gone));
      result.blobs = cleaning.blobs;
      result.freed = cleaning.freed;
      for (const std::string& one : deleted) told(one);
      return result;
    });
  }

 private:
  std::string blob_path(const oci::Digest& digest) const {
    return directory_ + "/" + store::blob_name(digest);
  }

  trust::Holdings read_all() {
    check_version();
    trust::Holdings holdings;
    manifests_.clear();
    rewritten_.clear();
    index_json_ = base::read_file(directory_ + "/index.json", oci::max_json_size);
    index_ = oci::parse_index(index_json_, "index.json");
    std::vector<oci::Descriptor> todo = index_.manifests;
    for (const oci::Descriptor& entry : index_.manifests) {
      const std::string tag = oci::tag_of(entry);
      if (tag.empty()) continue;
      if (!ignore_missing_ && !base::exists(blob_path(entry.digest))) holdings.lost_tags.insert(tag);
      const auto [it, is_new] = holdings.tags.emplace(tag, entry.digest);
      if (!is_new && it->second != entry.digest)
        fail("its index.json has two images under the tag '{}'; remove one", base::printable(tag));
    }
    while (!todo.empty()) {
      const oci::Descriptor descriptor = todo.back();
      todo.pop_back();
      if (manifests_.contains(descriptor.digest)) continue;
      if (!base::exists(blob_path(descriptor.digest))) {
        if (!ignore_missing_ && oci::is_index(descriptor.media_type))
          holdings.lost_indexes.insert(descriptor.digest);
        continue;
      }
      ReadManifest read = read_one(descriptor);
      todo.insert(todo.end(), read.entries.begin(), read.entries.end());
      holdings.manifests[descriptor.digest] = read.stored;
      manifests_[descriptor.digest] = std::move(read);
    }
    inherit_times(holdings.manifests);
    return holdings;
  }

  void check_version() const {
    const std::string path = directory_ + "/oci-layout";
    if (!base::exists(path)) fail("it is no OCI layout: it has no file oci-layout");
    const oci::Json json = oci::parse_json(base::read_file(path, oci::max_json_size), "oci-layout");
    const auto version = json.is_object() ? json.find("imageLayoutVersion") : json.end();
    const std::string text = version != json.end() && version->is_string() ? version->get<std::string>() : "";
    if (!text.starts_with("1."))
      fail("its oci-layout has the version '{}', want 1.0.0", base::printable(text));
  }

  ReadManifest read_one(const oci::Descriptor& descriptor) const {
    const bool document = oci::is_index(descriptor.media_type) || oci::is_manifest(descriptor.media_type);
    const std::string what = "blob " + oci::to_string(descriptor.digest);
    if (!document) {
      check_opaque(descriptor, what);
      return read_manifest(descriptor, "", "");
    }
    const std::string bytes = base::read_file(blob_path(descriptor.digest), oci::max_json_size);
    if (!oci::has_digest(bytes, descriptor.digest))
      fail("{} does not have the bytes that its name says", what);
    ReadManifest read = read_manifest(descriptor, bytes, what);
    set_times(read.stored, std::nullopt, config_of(read));
    return read;
  }

  // What is no manifest may be a layer, as in the caches of BuildKit; but not a document that may name blobs
  // in a way that is not understood.
  void check_opaque(const oci::Descriptor& descriptor, const std::string& what) const {
    if (descriptor.media_type.starts_with("application/vnd.buildkit.cacheconfig.")) return;
    const base::Fd file = base::open_file(blob_path(descriptor.digest));
    std::array<char, 1> first{};
    base::FdSource source(file.get(), what);
    if (source.read(first) == 1 && first[0] == '{')
      fail("{} has the media type '{}'; what it needs is not known, so nothing is deleted", what,
           base::printable(descriptor.media_type));
  }

  std::optional<std::string> config_of(const ReadManifest& read) const {
    if (read.blobs.empty()) return std::nullopt;
    const oci::Descriptor& config = read.blobs.front();
    const bool image =
        config.media_type == oci::media_type::config || config.media_type == oci::media_type::docker_config;
    if (!image || !base::exists(blob_path(config.digest))) return std::nullopt;
    try {
      std::string bytes = base::read_file(blob_path(config.digest), oci::max_json_size);
      if (oci::has_digest(bytes, config.digest)) return bytes;
    } catch (const base::Error&) {
      return std::nullopt;  // too large: its time is not known
    }
    return std::nullopt;
  }

  // index.json without what goes; fields that are not understood stay.
  std::string new_index(const trust::RetentionPlan& fresh, const std::map<std::string, oci::Digest>& agreed,
                        const std::set<oci::Digest>& gone, std::vector<std::string>& deleted) {
    const std::map<std::string, oci::Digest> dropped = dropped_tags(fresh);
    oci::Json json = oci::parse_json(index_json_, "index.json");
    oci::Json entries = oci::Json::array();
    for (size_t i = 0; i < index_.manifests.size(); ++i) {
      const oci::Descriptor& entry = index_.manifests[i];
      const std::string tag = oci::tag_of(entry);
      const auto was = agreed.find(tag);
      const bool goes = tag.empty()
                            ? gone.contains(entry.digest)
                            : dropped.contains(tag) && was != agreed.end() && was->second == entry.digest;
      oci::Json kept = json["manifests"][i];
      if (!goes) {
        if (!tag.empty() && gone.contains(entry.digest)) rewrite(fresh, tag, kept);
        entries.push_back(std::move(kept));
      } else if (!tag.empty()) {
        deleted.push_back(fmt::format("deleted the tag {}", base::printable(tag)));
      }
    }
    if (entries.size() == index_.manifests.size() && rewritten_.empty()) return index_json_;
    json["manifests"] = std::move(entries);
    return json.dump();
  }

  void rewrite(const trust::RetentionPlan& fresh, const std::string& tag, oci::Json& entry) {
    for (const trust::ListUpdate& update : fresh.lists) {
      if (update.tag != tag) continue;
      const std::string bytes =
          rewritten_list(base::read_file(blob_path(update.list), oci::max_json_size), update);
      const oci::Digest digest = oci::digest_of(bytes);
      base::write_file_atomic(blob_path(digest), bytes, 0444);
      rewritten_.insert(digest);
      entry["digest"] = oci::to_string(digest);
      entry["size"] = bytes.size();
    }
  }

  std::set<oci::Digest> needed(const trust::Holdings& holdings, const std::set<oci::Digest>& gone) const {
    std::set<oci::Digest> all = rewritten_;
    for (const auto& [digest, manifest] : holdings.manifests) {
      if (gone.contains(digest)) continue;
      all.insert(digest);
      for (const oci::Descriptor& blob : manifests_.at(digest).blobs) all.insert(blob.digest);
    }
    return all;
  }

  std::string directory_;
  bool ignore_missing_;
  Known known_;
  std::string index_json_;
  oci::ImageIndex index_;
  std::map<oci::Digest, ReadManifest> manifests_;
  std::set<oci::Digest> rewritten_;
};

}  // namespace

std::unique_ptr<PruneTarget> open_layout_target(const std::string& directory, bool ignore_missing) {
  return std::make_unique<LayoutTarget>(directory, ignore_missing);
}

}  // namespace minibuild::build
