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

constexpr int max_depth = 32;
constexpr size_t max_candidates = 10'000;

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

class Walk {
 public:
  Walk(const BlobSource& source, const std::optional<oci::Platform>& wanted)
      : source_(source), wanted_(wanted) {}

  void visit(const oci::Descriptor& entry, std::optional<oci::Platform> platform, const std::string& namer,
             int depth) {
    if (depth > max_depth) fail("its indexes are more than {} deep", max_depth);
    if (found_.size() > max_candidates) fail("it holds more than {} images", max_candidates);
    if (entry.platform) platform = entry.platform;
    const auto add = [&](std::string other) {
      found_.push_back({entry, std::move(platform), std::move(other)});
    };
    if (entry.annotations.contains("vnd.docker.reference.type") || (platform && !oci::is_known(*platform)))
      return add("an attestation");
    if (!oci::is_document(entry.media_type) && !entry.media_type.empty() && !platform)
      return add(fmt::format("a blob of the type {}", base::printable(entry.media_type)));
    if (!entry.artifact_type.empty() && !platform)
      return add(fmt::format("an artifact of the type {}", base::printable(entry.artifact_type)));
    const bool fits = !wanted_ || !platform || oci::distance(*wanted_, *platform);
    if (!fits || (platform && !oci::is_index(entry.media_type))) return add("");
    const std::string what = oci::to_string(entry.digest);
    const std::string text = read_document(source_, entry, namer);
    const oci::Json json = oci::parse_json(text, what);
    if (oci::kind_of(json) == oci::Kind::index) {
      for (const oci::Descriptor& below : oci::parse_index(text, "index " + what).manifests)
        visit(below, platform, what, depth + 1);
      return;
    }
    std::string other = other_than_image(source_, entry, json);
    if (other.empty()) {
      if (const auto config = image_config(source_, json, what))
        platform = {text_of(*config, "os"), text_of(*config, "architecture"), text_of(*config, "variant")};
      if (platform && !oci::is_known(*platform)) platform.reset();
    }
    add(std::move(other));
  }

  std::vector<Candidate> take() { return std::move(found_); }

 private:
  const BlobSource& source_;
  const std::optional<oci::Platform>& wanted_;
  std::vector<Candidate> found_;
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
  for (const oci::Descriptor& entry : entries) walk.visit(entry, std::nullopt, "its index", 1);
  return walk.take();
}

std::vector<oci::Descriptor> images_for(const std::vector<Candidate>& candidates,
                                        const std::optional<oci::Platform>& wanted) {
  std::vector<oci::Descriptor> images;
  int nearest = std::numeric_limits<int>::max();
  for (const Candidate& one : candidates) {
    if (!one.other.empty()) continue;
    oci::Descriptor image = one.descriptor;
    if (one.platform) image.platform = one.platform;
    if (!wanted) {
      images.push_back(std::move(image));
      continue;
    }
    const std::optional<int> far = one.platform ? oci::distance(*wanted, *one.platform) : std::nullopt;
    if (!far || *far >= nearest) continue;
    nearest = *far;
    images = {std::move(image)};
  }
  if (!images.empty()) return images;
  if (candidates.empty()) fail("its index names nothing");
  const bool others = std::none_of(candidates.begin(), candidates.end(),
                                   [](const Candidate& one) { return one.other.empty(); });
  if (others) fail("it holds no image, only {}", listed(candidates));
  fail("it has no image for {}, only for: {}", oci::to_string(*wanted), listed(candidates));
}

}  // namespace minibuild::store
