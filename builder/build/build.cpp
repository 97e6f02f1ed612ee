// The flow: base and stages → tree → layers → image, once for each platform.
#include "minibuild/build/build.h"

#include <algorithm>
#include <set>

#include "builder/build/copy.h"
#include "builder/build/describe.h"
#include "builder/build/inputs.h"
#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::Code;

namespace {

// A build of one spec; specs that it stands on are builds of their own.
class Build {
 public:
  Build(std::string spec_path, const Options& options, store::Cache& cache, Progress& progress,
        std::set<std::string> above)
      : spec_path_(std::move(spec_path)),
        options_(options),
        cache_(cache),
        progress_(progress),
        above_(std::move(above)) {}

  Built run() {
    Built built;
    for (const oci::Platform& platform : platforms_of(spec_path_, options_)) build_platform(platform, built);
    if (built.set.images.size() > 1) add_index(last_file_, built.set);
    built.names = last_file_.spec.images;
    built.files = static_cast<uint64_t>(built.trees.empty() ? 0 : built.trees.front().size());
    built.phases = phases_;
    return built;
  }

  tree::FileTree run_stage() {
    const oci::Platform platform = platforms_of(spec_path_, options_).front();
    const SpecFile file = load_spec(spec_path_, options_.set, platform);
    const auto is_it = [&](const spec::Stage& stage) { return stage.name == options_.stage; };
    if (std::none_of(file.spec.stages.begin(), file.spec.stages.end(), is_it)) {
      std::vector<std::string> names;
      for (const spec::Stage& stage : file.spec.stages) names.push_back(stage.name);
      throw base::Error(Code::usage,
                        fmt::format("{} has no stage '{}'; its stages are: {}", spec_path_, options_.stage,
                                    names.empty() ? "none" : base::join(names, ", ")));
    }
    const StageResults results = stages(file, {options_.stage}, platform);
    return results.at(options_.stage)->tree;
  }

 private:
  int64_t epoch(const SpecFile& file) const { return file.spec.epoch.value_or(options_.epoch.value_or(0)); }

  template <typename Task>
  auto timed(const std::string& name, Task task) {
    const double start = options_.clock ? options_.clock() : 0;
    auto result = task();
    const double seconds = (options_.clock ? options_.clock() : 0) - start;
    const auto same = [&](const Phase& phase) { return phase.name == name; };
    const auto there = std::find_if(phases_.begin(), phases_.end(), same);
    if (there == phases_.end())
      phases_.push_back({name, seconds});
    else
      there->seconds += seconds;
    return result;
  }

  StageResults stages(const SpecFile& file, const std::vector<std::string>& targets,
                      const oci::Platform& platform) {
    const ReadBase read = [&](const spec::Base& base) { return read_base(file, base, oci::host_platform()); };
    static_cast<void>(platform);
    const StageContext context{file, options_, cache_, progress_, read, epoch(file)};
    return run_stages(needed_stages(file.spec, targets), context);
  }

  Base read_base(const SpecFile& file, const spec::Base& wanted, const oci::Platform& platform) {
    if (const auto* other = std::get_if<spec::BaseSpec>(&wanted.what))
      return read_spec_base(file, *other, wanted.position, platform);
    return read_plain_base(file, wanted, platform, cache_, options_.registries);
  }

  Base read_spec_base(const SpecFile& file, const spec::BaseSpec& other, spec::Position position,
                      const oci::Platform& platform) {
    const std::string path = beside(file, other.path);
    std::set<std::string> above = above_;
    above.insert(base::real_path(spec_path_));
    if (above.contains(base::real_path(path)))
      fail_at(file, position, Code::usage, fmt::format("the spec '{}' stands on itself", other.path));
    if (above.size() > 16) fail_at(file, position, Code::usage, "more than 16 specs stand on each other");
    Options options = options_;
    options.platforms = {platform};
    options.stage.clear();
    options.set = declared_of(path, options.set, platform);
    Built built = Build(path, options, cache_, progress_, above).run();
    Base base;
    base.image = std::move(built.set.images.front());
    base.tree = std::move(built.trees.front());
    base.id = oci::to_string(base.image->descriptor.digest);
    return base;
  }

  // The stage's tree as a base: its whole content becomes the image's own layer.
  static Base stage_base(const spec::BaseStage& stage, const StageResults& results) {
    Base base;
    base.tree = results.at(stage.name)->tree;
    base.id = results.at(stage.name)->id;
    return base;
  }

  void assemble(const SpecFile& file, const StageResults& results, const oci::Platform& platform,
                tree::FileTree& tree) {
    Target target{file, tree, epoch(file), all_accounts(tree, file), nullptr};
    const Sources sources(file, results, platform, cache_, options_.registries);
    for (const spec::Copy& copy : file.spec.copy) {
      Root root = sources.root_of(copy);
      apply_copy(copy, root, target);
    }
    apply_files(file.spec.files, target);
    apply_accounts(file.spec, target);
    apply_remove(file.spec.remove, tree);
  }

  std::vector<store::ImageLayer> write(const SpecFile& file, const tree::FileTree& below,
                                       const tree::FileTree& above, bool first) {
    archive::LayerPlan whole = archive::difference(below, above);
    if (whole.empty() && !first) return {};
    const archive::Compression compression = compression_of(file.spec.compression);
    const auto report = [this](uint64_t done, uint64_t total) {
      if (options_.cancelled != nullptr && *options_.cancelled)
        throw base::Error(Code::interrupted, "interrupted");
      progress_.layer(done, total);
    };
    std::vector<archive::LayerPlan> plans;
    if (file.spec.single_layer)
      plans.push_back(std::move(whole));
    else
      plans = archive::split(std::move(whole), above);
    std::vector<store::ImageLayer> layers;
    for (const archive::LayerPlan& plan : plans) {
      const archive::Layer layer =
          archive::write_layer(plan, compression, cache_, std::max(1, options_.jobs), report);
      const oci::Descriptor descriptor{
          std::string(archive::layer_media_type(compression.algorithm)), layer.digest, layer.size, {}, {}};
      layers.push_back({descriptor, layer.diff_id, cache_.blob_path(layer.digest), layer.plain_size});
    }
    return layers;
  }

  void build_platform(const oci::Platform& platform, Built& built) {
    last_file_ = timed("spec", [&] { return load_spec(spec_path_, options_.set, platform); });
    const SpecFile& file = last_file_;
    built.epoch = epoch(file);
    const StageResults results =
        timed("stages", [&] { return stages(file, stages_of_image(file.spec), platform); });
    Base base = timed("base", [&] {
      const auto* stage = std::get_if<spec::BaseStage>(&file.spec.base.what);
      return stage != nullptr ? stage_base(*stage, results) : read_base(file, file.spec.base, platform);
    });
    tree::FileTree tree = timed("assemble", [&] {
      tree::FileTree merged = base.tree;
      assemble(file, results, platform, merged);
      return merged;
    });
    oci::ImageConfig config = image_config(file, base, tree, platform, epoch(file));
    static const tree::FileTree nothing;
    std::vector<store::ImageLayer> base_layers;
    const bool keeps_base = base.image && !file.spec.single_layer;
    if (keeps_base) base_layers = base.image->layers;
    const std::vector<store::ImageLayer> layers = timed(
        "layers", [&] { return write(file, keeps_base ? base.tree : nothing, tree, base_layers.empty()); });
    if (!keeps_base) config.history.clear();
    built.set.images.push_back(describe(file, std::move(config), base, base_layers, layers, epoch(file)));
    built.trees.push_back(std::move(tree));
  }

  std::string spec_path_;
  const Options& options_;
  store::Cache& cache_;
  Progress& progress_;
  std::set<std::string> above_;
  SpecFile last_file_;
  std::vector<Phase> phases_;
};

}  // namespace

Built build_image(const std::string& spec_path, const Options& options, store::Cache& cache,
                  Progress& progress) {
  return Build(spec_path, options, cache, progress, {}).run();
}

tree::FileTree build_stage(const std::string& spec_path, const Options& options, store::Cache& cache,
                           Progress& progress) {
  return Build(spec_path, options, cache, progress, {}).run_stage();
}

}  // namespace minibuild::build
