#include "minibuild/build/rebase.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::fail;

namespace {

const std::string name_key = "org.opencontainers.image.base.name";
const std::string digest_key = "org.opencontainers.image.base.digest";

size_t filled(const std::vector<oci::History>& history) {
  return static_cast<size_t>(std::count_if(history.begin(), history.end(),
                                           [](const oci::History& entry) { return !entry.empty_layer; }));
}

// The entries after those of the first `layers` layers; entries without a layer right behind them belong to
// them.
std::vector<oci::History> history_above(const std::vector<oci::History>& history, size_t layers) {
  size_t seen = 0;
  size_t i = 0;
  while (i < history.size() && (seen < layers || history[i].empty_layer))
    seen += history[i++].empty_layer ? 0 : 1;
  return {history.begin() + static_cast<std::ptrdiff_t>(i), history.end()};
}

oci::ImageLocation old_base(const store::Image& image) {
  const oci::Annotations& annotations = image.manifest.annotations;
  const auto name = annotations.find(name_key);
  const auto digest = annotations.find(digest_key);
  if (name == annotations.end() || digest == annotations.end())
    fail("its base is not known: it lacks the annotations {} and {}", name_key, digest_key);
  oci::Reference reference = oci::parse_reference(name->second);
  if (reference.host.empty())
    fail("the annotation {} names no registry: '{}'", name_key, base::printable(name->second));
  reference.tag.clear();
  reference.digest = oci::parse_digest(digest->second, "the annotation " + digest_key);
  return {oci::Transport::registry, oci::to_string(reference), ""};
}

}  // namespace

store::Image rebase(const store::Image& image, const oci::ImageLocation& onto, store::Cache& cache,
                    const Registries& registries) {
  const oci::Platform& platform = image.config.platform;
  const oci::ImageLocation from = old_base(image);
  const store::Image before = read_image(from, platform, cache, registries).images.front();
  const store::Image after = read_image(onto, platform, cache, registries).images.front();
  const size_t below = before.layers.size();
  const bool fits = below <= image.layers.size() &&
                    std::equal(before.layers.begin(), before.layers.end(), image.layers.begin(),
                               [](const store::ImageLayer& a, const store::ImageLayer& b) {
                                 return a.diff_id == b.diff_id;
                               });
  if (!fits)
    fail("its first layers are not those of its base {}; it has to be built again", oci::to_string(from));
  store::Image result;
  result.config = image.config;
  result.layers = after.layers;
  result.layers.insert(result.layers.end(), image.layers.begin() + static_cast<std::ptrdiff_t>(below),
                       image.layers.end());
  result.config.diff_ids.clear();
  result.manifest = image.manifest;
  result.manifest.layers.clear();
  for (const store::ImageLayer& layer : result.layers) {
    result.config.diff_ids.push_back(layer.diff_id);
    result.manifest.layers.push_back(layer.descriptor);
  }
  const std::vector<oci::History> above = history_above(image.config.history, below);
  result.config.history = after.config.history;
  if (filled(after.config.history) != after.layers.size())
    result.config.history.assign(after.layers.size(), {"", "base layer", "", "", false});
  result.config.history.insert(result.config.history.end(), above.begin(), above.end());
  if (filled(result.config.history) != result.layers.size())
    result.config.history.clear();  // for all layers or none
  if (onto.transport == oci::Transport::registry) {
    oci::Reference name = oci::parse_reference(onto.path);
    name.digest.reset();
    result.manifest.annotations[name_key] = oci::to_string(name);
    result.manifest.annotations[digest_key] = oci::to_string(after.descriptor.digest);
  } else {
    result.manifest.annotations.erase(name_key);
    result.manifest.annotations.erase(digest_key);
  }
  result.config_json = oci::to_json(result.config);
  result.manifest.media_type = std::string(oci::media_type::manifest);
  result.manifest.config = {std::string(oci::media_type::config),
                            oci::digest_of(result.config_json),
                            result.config_json.size(),
                            {},
                            {}};
  result.manifest_json = oci::to_json(result.manifest);
  result.descriptor = image.descriptor;
  result.descriptor.media_type = result.manifest.media_type;
  result.descriptor.digest = oci::digest_of(result.manifest_json);
  result.descriptor.size = result.manifest_json.size();
  return result;
}

}  // namespace minibuild::build
