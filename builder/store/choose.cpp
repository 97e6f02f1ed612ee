#include "builder/store/choose.h"

#include <algorithm>
#include <limits>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/store/attachments.h"
#include "minibuild/store/image.h"

namespace minibuild::store {

using base::fail;

namespace {

constexpr size_t max_visited = 10'000;

std::string text_of(const oci::Json& json, const char* key) {
  if (!json.is_object()) return {};
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// The config of a manifest whose media type may say anything: what has a rootfs is an image's.
std::optional<oci::Json> image_config(const BlobSource& source, const oci::Json& manifest,
                                      const std::string& what) {
  const auto config = manifest.find("config");
  if (config == manifest.end() || !config->is_object()) return std::nullopt;
  const oci::Descriptor descriptor = oci::parse_descriptor(*config, what + ", config");
  if (descriptor.size > oci::max_json_size) return std::nullopt;
  const std::string name = "config " + oci::to_string(descriptor.digest);
  const bool said = oci::is_image_config(descriptor.media_type);
  const std::string bytes = read_document(source, descriptor, what);
  if (!said && !bytes.starts_with('{')) return std::nullopt;
  oci::Json json = oci::parse_json(bytes, name);
  if (!json.is_object() || !json.contains("rootfs")) return std::nullopt;
  return json;
}

struct Entry {
  oci::Descriptor descriptor;
  bool wants_features = false;  // of the system (os.features), beside what a platform's name says
};

std::vector<Entry> entries_of(const std::string& index_json, const oci::Json& json, const std::string& what) {
  std::vector<Entry> entries;
  for (oci::Descriptor& one : oci::parse_index(index_json, "index " + what).manifests) {
    const oci::Json platform = json["manifests"][entries.size()].value("platform", oci::Json());
    const bool features =
        platform.is_object() && platform.contains("os.features") && !platform["os.features"].empty();
    entries.push_back({std::move(one), features});
  }
  return entries;
}

std::vector<Entry> entries_of(const std::vector<oci::Descriptor>& descriptors) {
  std::vector<Entry> entries;
  for (const oci::Descriptor& one : descriptors) entries.push_back({one});
  return entries;
}

// What an entry says of its platform; half a platform says nothing.
std::optional<oci::Platform> said_by(const oci::Descriptor& entry) {
  return entry.platform && !entry.platform->architecture.empty() ? entry.platform : std::nullopt;
}

bool is_attestation(const oci::Descriptor& entry) {
  const std::optional<oci::Platform> platform = said_by(entry);
  return entry.annotations.contains("vnd.docker.reference.type") || (platform && !oci::is_known(*platform));
}

bool says_document(const oci::Descriptor& entry) {
  return oci::is_document(entry.media_type) || entry.media_type.empty();
}

// The index or manifest that an entry names, whatever type it says; nothing for what is neither.
std::optional<std::string> read_entry(const BlobSource& source, const oci::Descriptor& entry,
                                      const std::string& namer) {
  const bool is_document = says_document(entry);
  if (!is_document && (!said_by(entry) || entry.size > oci::max_json_size)) return std::nullopt;
  std::string text = read_document(source, entry, namer);
  if (!is_document && !text.starts_with('{')) return std::nullopt;
  return text;
}

// The platform of a manifest that is an image: what its config says, else the index that it is in.
std::optional<oci::Platform> asked_of_config(const BlobSource& source, const oci::Json& manifest,
                                             const std::string& what,
                                             const std::optional<oci::Platform>& outer) {
  const std::optional<oci::Json> config = image_config(source, manifest, what);
  if (!config) return std::nullopt;
  oci::Platform platform{text_of(*config, "os"), text_of(*config, "architecture"),
                         text_of(*config, "variant")};
  if (platform.os.empty()) platform.os = "linux";
  return oci::is_known(platform) ? platform : outer;
}

// A walk through an index and those in it, which ends however often they name each other's.
class Walk {
 public:
  Walk(const BlobSource& source, std::optional<oci::Platform> wanted)
      : source_(source), wanted_(std::move(wanted)) {}

  // Everything there is. `outer` is what the index that names them says of its own platform.
  void visit(const std::vector<Entry>& entries, const std::optional<oci::Platform>& outer,
             const std::string& namer, int depth = 1) {
    check(namer, depth);
    for (const Entry& entry : entries) visit(entry.descriptor, outer, namer, depth);
  }

  // The first that fits, in the order of preference.
  std::optional<oci::Descriptor> choose(const std::vector<Entry>& entries,
                                        const std::optional<oci::Platform>& outer, const std::string& namer,
                                        int depth = 1) {
    check(namer, depth);
    std::vector<std::pair<int, const oci::Descriptor*>> order;
    for (const auto& [entry, wants_features] : entries) {
      if (is_attestation(entry)) continue;
      const std::optional<oci::Platform> platform = said_by(entry);
      const std::optional<int> far = platform ? oci::distance(*wanted_, *platform) : last;
      if (!far) continue;
      const bool says_all = platform && says_document(entry);
      order.emplace_back(says_all ? *far + (wants_features ? after_features : 0) : last, &entry);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& one, const auto& other) { return one.first < other.first; });
    for (const auto& [far, entry] : order)
      if (auto found = choose(*entry, outer, namer, depth)) return found;
    return std::nullopt;
  }

  std::vector<Candidate> take() { return std::move(found_); }

 private:
  static constexpr int last = std::numeric_limits<int>::max();
  static constexpr int after_features = 1'000'000;  // more than any distance

  void check(const std::string& namer, int depth) const {
    if (depth > max_index_depth) fail("{}: its indexes are more than {} deep", namer, max_index_depth);
  }
  void count() {
    if (++visited_ > max_visited) fail("it names more than {} images", max_visited);
  }

  void visit(const oci::Descriptor& entry, const std::optional<oci::Platform>& outer,
             const std::string& namer, int depth) {
    count();
    std::optional<oci::Platform> platform = said_by(entry);
    const auto add = [&](std::string other) {
      found_.push_back({entry, std::move(platform), std::move(other)});
    };
    if (is_attestation(entry)) return add("an attestation");
    const bool fits = !wanted_ || !platform || oci::distance(*wanted_, *platform);
    const bool says_image = platform && oci::is_manifest(entry.media_type) && entry.artifact_type.empty();
    if (!fits || (says_image && !wanted_)) return add("");
    const std::optional<std::string> text = read_entry(source_, entry, namer);
    if (!text) return add(fmt::format("a blob of the type {}", base::printable(entry.media_type)));
    const std::string what = oci::to_string(entry.digest);
    const oci::Json json = oci::parse_json(*text, what);
    if (oci::kind_of(json) == oci::Kind::index)
      return visit(entries_of(*text, json, what), platform ? platform : outer, what, depth + 1);
    std::string other = other_than_image(source_, entry, json);
    if (other.empty() && !platform) platform = asked_of_config(source_, json, what, outer);
    add(std::move(other));
  }

  std::optional<oci::Descriptor> choose(const oci::Descriptor& entry,
                                        const std::optional<oci::Platform>& outer, const std::string& namer,
                                        int depth) {
    count();
    const std::optional<std::string> text = read_entry(source_, entry, namer);
    if (!text) return std::nullopt;
    const std::string what = oci::to_string(entry.digest);
    const oci::Json json = oci::parse_json(*text, what);
    oci::Descriptor image = entry;
    image.platform = said_by(entry);
    if (oci::kind_of(json) == oci::Kind::index)
      return choose(entries_of(*text, json, what), image.platform ? image.platform : outer, what, depth + 1);
    if (!other_than_image(source_, entry, json).empty()) return std::nullopt;
    if (!image.platform) image.platform = asked_of_config(source_, json, what, outer);
    if (!image.platform || !oci::distance(*wanted_, *image.platform)) return std::nullopt;
    return image;
  }

  const BlobSource& source_;
  std::optional<oci::Platform> wanted_;
  std::vector<Candidate> found_;
  size_t visited_ = 0;
};

// What there is, for people: each thing once.
std::string listed(const std::vector<Candidate>& candidates) {
  const bool images = std::any_of(candidates.begin(), candidates.end(),
                                  [](const Candidate& one) { return one.other.empty(); });
  std::vector<std::string> have;
  for (const Candidate& one : candidates) {
    if (images && !one.other.empty()) continue;
    const std::string text = !one.other.empty() ? one.other
                             : one.platform     ? oci::to_string(oci::normal_form(*one.platform))
                                                : "an image that does not say its platform";
    if (std::find(have.begin(), have.end(), text) == have.end()) have.push_back(text);
  }
  constexpr size_t most = 20;
  if (have.size() > most) {
    const size_t more = have.size() - most;
    have.resize(most);
    have.push_back(fmt::format("{} more", more));
  }
  return base::join(have, ", ");
}

}  // namespace

std::string other_than_image(const BlobSource& source, const oci::Descriptor& descriptor,
                             const oci::Json& manifest) {
  const std::string what = "manifest " + oci::to_string(descriptor.digest);
  if (oci::kind_of(manifest) == oci::Kind::other) return "neither a manifest nor an index";
  const auto config = manifest.find("config");
  const std::string config_type =
      config != manifest.end() && config->is_object() ? text_of(*config, "mediaType") : std::string();
  // Whoever says that it is an image has to be one: what is missing is told when it is read.
  if (oci::is_image_config(config_type) || image_config(source, manifest, what)) return "";
  const std::string artifact = text_of(manifest, "artifactType");
  const std::string& type = artifact.empty() ? config_type : artifact;
  return type.empty() ? "an artifact"
                      : fmt::format("an artifact of the type {}", base::printable(type.substr(0, 200)));
}

std::vector<Candidate> candidates_of(const BlobSource& source, const std::vector<oci::Descriptor>& entries,
                                     const std::optional<oci::Platform>& wanted) {
  Walk walk(source, wanted);
  walk.visit(entries_of(entries), std::nullopt, "its index");
  return walk.take();
}

std::vector<oci::Descriptor> images_of(const std::vector<Candidate>& candidates) {
  std::vector<oci::Descriptor> images;
  for (const Candidate& one : candidates) {
    if (!one.other.empty()) continue;
    images.push_back(one.descriptor);
    if (one.platform) images.back().platform = one.platform;
  }
  if (!images.empty()) return images;
  if (candidates.empty()) fail("its index names nothing");
  fail("it holds no image, only {}", listed(candidates));
}

oci::Descriptor image_for(const BlobSource& source, const std::vector<oci::Descriptor>& entries,
                          const oci::Platform& wanted) {
  if (auto found = Walk(source, wanted).choose(entries_of(entries), std::nullopt, "its index")) return *found;
  const std::vector<Candidate> candidates = candidates_of(source, entries, wanted);
  images_of(candidates);
  fail("it has no image for {}, only for: {}", oci::to_string(wanted), listed(candidates));
}

}  // namespace minibuild::store
