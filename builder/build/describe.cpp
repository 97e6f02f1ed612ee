#include "builder/build/describe.h"

#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/tree/accounts.h"

namespace minibuild::build {

using base::Code;

void set_env(spec::Environment& env, const std::string& name, const std::string& value) {
  const auto there =
      std::find_if(env.begin(), env.end(), [&](const auto& entry) { return entry.first == name; });
  if (there == env.end())
    env.emplace_back(name, value);
  else
    there->second = value;
}

void merge_sorted(std::vector<std::string>& values, const std::vector<std::string>& more) {
  values.insert(values.end(), more.begin(), more.end());
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

void add_path(spec::Environment& env) {
  const auto is_path = [](const auto& entry) { return entry.first == "PATH"; };
  if (std::none_of(env.begin(), env.end(), is_path)) env.emplace(env.begin(), "PATH", default_path);
}

namespace {

// The user as numbers, `uid:gid`.
std::string numeric_user(const project::SpecFile& file, const Base& base, const tree::FileTree& tree) {
  const bool written = file.spec.user.has_value();
  const std::string user = written ? *file.spec.user : base.image ? base.image->config.user : "";
  const spec::Position position = written ? spec::position_of(file.spec, "user") : spec::Position{1, 1};
  tree::Identity identity;
  if (!user.empty()) {
    try {
      identity = tree::resolve_user(user, tree::read_accounts(tree));
    } catch (const base::Error& error) {
      project::fail_at(file, position, written ? Code::usage : Code::failed,
                       std::string(error.what()) + "; write its number, or add it under 'accounts'");
    }
  }
  return fmt::format("{}:{}", identity.uid, identity.gid);
}

}  // namespace

oci::ImageConfig image_config(const project::SpecFile& file, const Base& base, const tree::FileTree& tree,
                              const oci::Platform& platform, int64_t epoch) {
  const spec::Spec& spec = file.spec;
  oci::ImageConfig config;
  if (base.image) config = base.image->config;
  config.created = base::format_time(epoch);
  config.platform = platform;
  config.user = numeric_user(file, base, tree);
  const spec::Environment base_env = config.env;
  for (const auto& [name, value] : spec.env)
    set_env(config.env, name, spec::expand_base_env(value, base_env));
  add_path(config.env);
  std::vector<std::string> ports;
  for (const spec::Port& port : spec.ports) ports.push_back(fmt::format("{}/{}", port.number, port.protocol));
  merge_sorted(config.exposed_ports, ports);
  merge_sorted(config.volumes, spec.volumes);
  // As in a Dockerfile: a new entrypoint does not go on with the base's arguments.
  if (spec.entrypoint) {
    config.entrypoint = *spec.entrypoint;
    if (!spec.cmd) config.cmd.clear();
  }
  if (spec.cmd) config.cmd = *spec.cmd;
  if (spec.workdir) config.working_dir = *spec.workdir;
  if (spec.stop_signal) config.stop_signal = *spec.stop_signal;
  for (const auto& [name, value] : spec.labels) config.labels[name] = value;
  return config;
}

size_t filled(const std::vector<oci::History>& history) {
  return static_cast<size_t>(std::count_if(history.begin(), history.end(),
                                           [](const oci::History& entry) { return !entry.empty_layer; }));
}

store::Image describe(const project::SpecFile& file, oci::ImageConfig config, const Base& base,
                      const std::vector<store::ImageLayer>& base_layers, const std::vector<MadeLayer>& layers,
                      int64_t epoch) {
  store::Image image;
  // History is for all layers or none: a base whose own is not gets one entry for each of its layers.
  if (base_layers.empty())
    config.history.clear();
  else if (filled(config.history) != base_layers.size())
    config.history.assign(base_layers.size(), {"", "base layer", "", "", false});
  config.diff_ids.clear();
  const auto add = [&](const store::ImageLayer& layer) {
    config.diff_ids.push_back(layer.diff_id);
    image.manifest.layers.push_back(layer.descriptor);
    image.layers.push_back(layer);
  };
  for (const store::ImageLayer& layer : base_layers) add(layer);
  for (const MadeLayer& made : layers) {
    add(made.layer);
    config.history.push_back({base::format_time(epoch), "minibuild", "", made.comment, false});
  }
  image.config = std::move(config);
  image.config_json = oci::to_json(image.config);
  image.manifest.config = {std::string(oci::media_type::config),
                           oci::digest_of(image.config_json),
                           image.config_json.size(),
                           {},
                           {}};
  image.manifest.annotations = file.spec.annotations;
  if (!base.name.empty() && !base_layers.empty()) {
    image.manifest.annotations.emplace("org.opencontainers.image.base.name", base.name);
    image.manifest.annotations.emplace("org.opencontainers.image.base.digest",
                                       oci::to_string(base.image->descriptor.digest));
  }
  image.manifest_json = oci::to_json(image.manifest);
  image.descriptor = {std::string(oci::media_type::manifest),
                      oci::digest_of(image.manifest_json),
                      image.manifest_json.size(),
                      image.config.platform,
                      {}};
  return image;
}

void add_index(const project::SpecFile& file, store::ImageSet& set) {
  oci::ImageIndex index;
  for (const store::Image& image : set.images) index.manifests.push_back(image.descriptor);
  index.annotations = file.spec.annotations;
  set.index_json = oci::to_json(index);
  set.index = oci::Descriptor{
      std::string(oci::media_type::index), oci::digest_of(set.index_json), set.index_json.size(), {}, {}};
}

archive::Compression compression_of(const spec::Compression& wanted) {
  switch (wanted.algorithm) {
    case spec::Algorithm::zstd:
      return {archive::Algorithm::zstd, wanted.level};
    case spec::Algorithm::gzip:
      return {archive::Algorithm::gzip, wanted.level};
    case spec::Algorithm::none:
      return {archive::Algorithm::none, 0};
  }
  return {};
}

}  // namespace minibuild::build
