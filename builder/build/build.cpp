// The flow: base and stages → tree → layers → image, once for each platform.
#include "minibuild/build/build.h"

#include <algorithm>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "builder/build/copy.h"
#include "builder/build/credentials.h"
#include "builder/build/describe.h"
#include "builder/build/enforce.h"
#include "builder/build/libraries.h"
#include "builder/build/notes.h"
#include "builder/build/packages.h"
#include "builder/build/secret_gate.h"
#include "builder/build/stages.h"
#include "builder/build/started.h"
#include "builder/build/trim.h"
#include "minibuild/archive/layer.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/certificates.h"

namespace minibuild::build {

using base::Code;

namespace {

// What the builds of one call know of each other: a spec that several stand on is built once.
class Shared {
 public:
  StageMemory memory;

  // The image of this spec, made by whoever asks first; the others wait for it. Specs stand on each other in
  // no circle.
  template <typename Make>
  Base once(const project::SpecFile* key, Make make) {
    std::promise<Base> promise;
    std::shared_future<Base> known;
    {
      const std::lock_guard lock(mutex_);
      const auto [it, is_new] = bases_.try_emplace(key);
      if (is_new) it->second = promise.get_future().share();
      if (!is_new) known = it->second;
    }
    if (known.valid()) return known.get();
    try {
      Base base = make();
      promise.set_value(base);
      return base;
    } catch (...) {
      promise.set_exception(std::current_exception());
      throw;
    }
  }

 private:
  std::mutex mutex_;
  std::map<const project::SpecFile*, std::shared_future<Base>> bases_;
};

// A build of one spec; specs that it stands on are builds of their own.
class Build {
  // A phase of the build, by its name, with the seconds that it takes.
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

 public:
  // `below`: null for the project's own spec.
  Build(const project::Project& project, const project::SpecFile* below, const Options& options,
        store::Cache& cache, Progress& progress, Shared& shared)
      : project_(project),
        below_(below),
        options_(options),
        cache_(cache),
        progress_(progress),
        shared_(shared) {}

  Built run() {
    Built built;
    if (below_ != nullptr) {
      build_platform(*below_, built);
    } else {
      const std::vector<oci::Platform> platforms = project_.platforms();
      check_bases(platforms.front());
      for (const oci::Platform& platform : platforms)
        build_platform(*timed("spec", [&] { return &project_.top(platform); }), built);
      const project::SpecFile& last = project_.top(platforms.back());
      if (built.set.images.size() > 1) {
        add_index(last, built.set);
        refuse_secrets(*options_.secret_forms, built.set.index_json, "the image's index");
      }
      built.names = last.spec.images;
      built.attest = last.spec.attest;
    }
    built.ledger = options_.ledger;
    built.files = static_cast<uint64_t>(built.trees.empty() ? 0 : built.trees.front().size());
    built.phases = phases_;
    return built;
  }

  tree::FileTree run_stage() {
    const oci::Platform platform = project_.platforms().front();
    check_bases(platform);
    const project::SpecFile& file = project_.top(platform);
    refuse_secrets(*options_.secret_forms, file);
    const auto is_it = [&](const spec::Stage& stage) { return stage.name == options_.stage; };
    if (std::none_of(file.spec.stages.begin(), file.spec.stages.end(), is_it)) {
      std::vector<std::string> names;
      for (const spec::Stage& stage : file.spec.stages) names.push_back(stage.name);
      throw base::Error(
          Code::usage, fmt::format("{} has no stage '{}'; its stages are: {}", file.spec.file, options_.stage,
                                   names.empty() ? "none" : base::join(names, ", ")));
    }
    const StageResults results = stages(file, {options_.stage});
    return with_time(results.at(options_.stage)->tree, epoch(file));
  }

 private:
  int64_t epoch(const project::SpecFile& file) const {
    return file.spec.epoch.value_or(options_.epoch.value_or(0));
  }

  StageResults stages(const project::SpecFile& file, const std::vector<std::string>& targets) {
    const ReadBase read = [&](const spec::Base& base) { return read_base(file, base, oci::host_platform()); };
    const StageContext context{project_,  file, options_,    cache_,
                               progress_, read, epoch(file), shared_.memory};
    return run_stages(needed_stages(file.spec, targets), context);
  }

  Base read_base(const project::SpecFile& file, const spec::Base& wanted, const oci::Platform& platform) {
    if (const auto* other = std::get_if<spec::BaseSpec>(&wanted.what))
      return read_spec_base(file, *other, platform);
    return read_plain_base(file, wanted, platform, cache_, options_.registries, options_.ledger.get());
  }

  Base read_spec_base(const project::SpecFile& file, const spec::BaseSpec& other,
                      const oci::Platform& platform) {
    const project::SpecFile& below = project_.below(file, other, platform);
    return shared_.once(&below, [&] {
      Built built = Build(project_, &below, options_, cache_, progress_, shared_).run();
      Base base;
      base.names = built.bases;
      base.image = std::move(built.set.images.front());
      base.tree = std::move(built.trees.front());
      base.id = oci::to_string(base.image->descriptor.digest);
      return base;
    });
  }

  void check_bases(const oci::Platform& platform) const {
    project_.refuse_cycles(platform, [&](const project::SpecFile& file, bool is_top) {
      return needed_stages(file.spec, is_top && !options_.stage.empty() ? std::vector{options_.stage}
                                                                        : stages_of_image(file.spec));
    });
  }

  // What a stage left has the times at which its commands ran, which must not reach an image.
  static tree::FileTree with_time(const tree::FileTree& tree, int64_t epoch) {
    tree::FileTree out;
    for (const auto& [path, node] : tree.nodes()) {
      tree::Node copy = node;
      copy.mtime = epoch;
      if (copy.link_group != 0) out.reserve_link_group(copy.link_group);
      out.put(path, std::move(copy), epoch);
    }
    return out;
  }

  // The stage's tree as a base: its whole content becomes the image's own layer.
  Base stage_base(const project::SpecFile& file, const spec::BaseStage& stage,
                  const StageResults& results) const {
    Base base;
    for (const auto& [path, node] : results.at(stage.name)->tree.nodes())
      if (const std::string why = why_not_in_image(path); !why.empty())
        project::fail_at(
            file, file.spec.base.position, Code::failed,
            fmt::format(
                "cannot make an image of the stage '{}': /{}: {}; remove it in the stage, or 'copy' what the "
                "image needs",
                stage.name, base::printable(path), why));
    base.tree = with_time(results.at(stage.name)->tree, epoch(file));
    base.id = results.at(stage.name)->id;
    return base;
  }

  void assemble(const project::SpecFile& file, const StageResults& results, const oci::Platform& platform,
                tree::FileTree& tree, std::set<std::string>& written) {
    Target target{file, tree, epoch(file), all_accounts(tree, file), nullptr, &written};
    const Sources sources(file, results, platform, cache_, options_);
    for (const spec::Copy& copy : file.spec.copy) apply_copy(copy, sources.root_of(copy), target);
    apply_files(file.spec.files, target);
    apply_closures(target);
    apply_accounts(file.spec, target);
    for (const std::string& glob : apply_remove(file.spec.remove, tree))
      progress_.note("remove",
                     fmt::format("warning: nothing in the image matches '{}'", base::printable(glob)));
  }

  MadeLayer write_plan(const project::SpecFile& file, const archive::LayerPlan& plan, std::string comment) {
    const archive::Compression compression = compression_of(file.spec.compression);
    const auto report = [this](uint64_t done, uint64_t total) {
      if (options_.cancelled != nullptr && *options_.cancelled) throw base::Interrupted();
      progress_.layer(done, total);
    };
    const archive::Layer layer =
        archive::write_layer(plan, compression, cache_, std::max(1, options_.jobs), report);
    const oci::Descriptor descriptor{
        std::string(archive::layer_media_type(compression.algorithm)), layer.digest, layer.size, {}, {}};
    return {{descriptor, layer.diff_id, cache_.blob_path(layer.digest), layer.plain_size},
            std::move(comment)};
  }

  // What is copied and written; `above` is the tree that it was planned from.
  void write(const project::SpecFile& file, archive::LayerPlan whole, const tree::FileTree& above,
             std::vector<MadeLayer>& layers, bool first) {
    if (whole.empty() && !first) return;
    refuse_secrets(*options_.secret_forms, whole, "the image");
    std::vector<archive::LayerPlan> plans;
    if (file.spec.single_layer)
      plans.push_back(std::move(whole));
    else
      plans = archive::split(std::move(whole), above);
    for (const archive::LayerPlan& plan : plans)
      layers.push_back(write_plan(file, plan, "copied and written files"));
  }

  // Puts the packages of the image into its tree.
  std::optional<Packaged> put_packages(const project::SpecFile& file, const oci::Platform& platform,
                                       tree::FileTree& tree) {
    std::optional<Packaged> packaged =
        add_packages(project_, file, nullptr, platform, tree, epoch(file), options_, cache_);
    if (!packaged) return packaged;
    for (const std::string& warning : packaged->installation.warnings)
      progress_.note("packages", "warning: " + warning);
    build::put_packages(packaged->installation, tree);
    return packaged;
  }

  // Certificates that the spec brought, into the bundle of the base or of the packages.
  void trust_certificates(const project::SpecFile& file, const tree::FileTree& before,
                          const std::optional<Packaged>& packaged, tree::FileTree& tree) {
    std::vector<std::string> warnings;
    const packages::Format format =
        packages::has_database(tree, packages::Format::apk) ? packages::Format::apk : packages::Format::deb;
    static const std::vector<packages::Package> none;
    packages::update_certificates(before, packaged ? packaged->packages : none, format, epoch(file), tree,
                                  warnings);
    for (const std::string& warning : warnings) progress_.note("certificates", "warning: " + warning);
  }

  Trimmed trim_packages(const project::SpecFile& file, const Base& base, const Packaged& packaged,
                        const std::set<std::string>& written, const oci::Platform& platform,
                        tree::FileTree& tree) {
    const StartedCommand command = command_of(image_config(file, base, tree, platform, epoch(file)));
    Trimmed trimmed =
        trim({file.spec, command, packaged.installation.owners, packaged.names, written, base.tree}, tree);
    drop_dangling(packaged.installation, written, tree);
    progress_.note("trim", trimmed.text(file.spec));
    return trimmed;
  }

  // Links that were made for packages whose files went.
  static void drop_dangling(const packages::Installation& installation, const std::set<std::string>& written,
                            tree::FileTree& tree) {
    bool again = true;
    while (again) {
      again = false;
      for (const auto& [path, node] : installation.groups.back().tree.nodes()) {
        const tree::Node* there = tree.find(path);
        const bool same = there != nullptr && there->type == tree::NodeType::symlink &&
                          node.type == there->type && node.target == there->target;
        if (!same || written.contains(path) || tree.find(tree.resolve(path, true)) != nullptr) continue;
        tree.remove(path);
        if (path == "etc/localtime") tree.remove("etc/timezone");
        again = true;
      }
    }
  }

  // The layers of packages have what the finished image keeps; what is overwritten later stays in them, so
  // that they are the same in every image.
  static void keep_only(const tree::FileTree& finished, packages::Installation& installation) {
    for (packages::Group& group : installation.groups) {
      std::vector<std::string> gone;
      for (const auto& [path, node] : group.tree.nodes())
        if (finished.find(path) == nullptr) gone.push_back(path);
      for (const std::string& path : gone) group.tree.remove(path);
      // Lists of what a trimmed package still has belong to its layer.
      tree::for_each_below(finished, "var/lib/dpkg/status.d",
                           [&](const std::string& path, const tree::Node& node) {
                             if (group.tree.find(path) != nullptr) group.tree.put(path, node, 0);
                           });
    }
  }

  // What programs need and would not find. What the image starts is always looked at, all else where packages
  // say what belongs together: of the base once, then of what is put on it.
  std::vector<trust::Violation> missing_libraries_of(const project::SpecFile& file,
                                                     const oci::ImageConfig& config, const Base& base,
                                                     const tree::FileTree& tree) {
    static const tree::FileTree nothing;
    const auto supplier = [&](const std::string& library) {
      return package_with_library(library, options_, cache_);
    };
    LibrarySubject whole{config, tree, nothing};
    for (const spec::Copy& copy : file.spec.copy)
      whole.search.insert(whole.search.end(), copy.closure_search.begin(), copy.closure_search.end());
    whole.all = packages::has_database(tree, packages::Format::deb) ||
                packages::has_database(tree, packages::Format::apk);
    if (!whole.all || !base.image || base.tree.empty()) return examine_libraries(whole, cache_, supplier);
    // A base that lacks something may get it now; one that loses something may lack it now.
    const bool loses =
        std::any_of(base.tree.nodes().begin(), base.tree.nodes().end(), [&](const auto& entry) {
          return entry.second.type != tree::NodeType::directory && tree.find(entry.first) == nullptr;
        });
    const auto unknown = [](const std::string&) { return std::string(); };
    if (loses || !examine_libraries({base.image->config, base.tree, nothing}, cache_, unknown).empty())
      return examine_libraries(whole, cache_, supplier);
    return examine_libraries({config, tree, base.tree, whole.search}, cache_, supplier);
  }

  // What can be said before a layer is written; secrets of specs below too, all else of the image alone.
  void enforce_before(const project::SpecFile& file, const ImagePolicy& policy,
                      const oci::ImageConfig& config, const Base& base, const archive::LayerPlan& own,
                      const tree::FileTree& tree) {
    refuse_secrets(*options_.secret_forms, config);
    refuse_secret_names(*options_.secret_forms, own, "the image");
    const int jobs = std::max(1, options_.jobs);
    std::vector<trust::Violation> found;
    if (std::holds_alternative<spec::BaseImage>(file.spec.base.what) && base.image)
      found = find_credentials(*base.image, base.tree, policy.baseline, cache_, jobs);
    for (trust::Violation& one : found) one.position = file.spec.base.position;
    for (const auto& more : {find_credentials(own, tree, policy.baseline, cache_, jobs),
                             find_credentials(config, file.spec.annotations, policy.baseline)})
      found.insert(found.end(), more.begin(), more.end());
    if (is_top()) {
      std::vector<std::string> bases = bases_of(file.spec);
      for (const std::string& one : base.names) bases.push_back(one);
      const trust::Subject subject{tree, config, file.spec.images, bases};
      for (const auto& more :
           {trust::examine(subject, policy.policy), latest_bases(file.spec), stages_with_network(file.spec),
            vulnerabilities_of(file, policy, tree, cache_, progress_)})
        found.insert(found.end(), more.begin(), more.end());
      accept_declared_root(file.spec, policy.policy, found);
    }
    enforce(file, policy, std::move(found), progress_);
  }

  void enforce_after(const project::SpecFile& file, const ImagePolicy& policy, const store::Image& image,
                     const Base& base, const tree::FileTree& tree) {
    refuse_secrets(*options_.secret_forms, image);
    if (!is_top()) return;
    std::vector<trust::Violation> found = missing_libraries_of(file, image.config, base, tree);
    uint64_t size = 0;
    for (const store::ImageLayer& layer : image.layers) size += layer.descriptor.size;
    if (auto large = trust::examine_size(size, policy.policy)) found.push_back(std::move(*large));
    enforce(file, policy, std::move(found), progress_);
  }

  void build_platform(const project::SpecFile& file, Built& built) {
    const oci::Platform& platform = file.platform;
    refuse_secrets(*options_.secret_forms, file);
    if (is_top() && (options_.provenance || file.spec.attest.provenance)) options_.ledger->note_contents();
    note_spec(*options_.ledger, file);
    built.epoch = epoch(file);
    const StageResults results = timed("stages", [&] { return stages(file, stages_of_image(file.spec)); });
    Base base = timed("base", [&] {
      const auto* stage = std::get_if<spec::BaseStage>(&file.spec.base.what);
      return stage != nullptr ? stage_base(file, *stage, results) : read_base(file, file.spec.base, platform);
    });
    tree::FileTree tree = base.tree;
    std::optional<Packaged> packaged = timed("packages", [&] { return put_packages(file, platform, tree); });
    timed("assemble", [&] {
      const tree::FileTree before = packages::certificate_part(tree);
      std::set<std::string> written;
      assemble(file, results, platform, tree, written);
      trust_certificates(file, before, packaged, tree);
      if (packaged && file.spec.trim.on)
        built.trimmed.push_back(trim_packages(file, base, *packaged, written, platform, tree));
      else
        built.trimmed.emplace_back();
      return 0;
    });
    oci::ImageConfig config = image_config(file, base, tree, platform, epoch(file));
    const ImagePolicy policy = load_policy(file);
    static const tree::FileTree nothing;
    // What a stage left becomes a layer of this image.
    const tree::FileTree& kept = base.image ? base.tree : nothing;
    tree::FileTree with_packages;
    if (packaged) {
      keep_only(tree, packaged->installation);
      with_packages = kept;
      put_groups(packaged->installation, with_packages);
    }
    archive::LayerPlan own = archive::difference(packaged ? with_packages : kept, tree);
    timed("checks", [&] {
      if (base.image && !std::holds_alternative<spec::BaseSpec>(file.spec.base.what))
        refuse_secrets(*options_.secret_forms, *base.image, cache_, "the base");
      enforce_before(file, policy, config, base, own, tree);
      return 0;
    });
    const bool keeps_base = base.image && !file.spec.single_layer;
    const std::vector<store::ImageLayer> base_layers =
        keeps_base ? base.image->layers : std::vector<store::ImageLayer>();
    const std::vector<MadeLayer> layers = timed("layers", [&] {
      std::vector<MadeLayer> made;
      if (file.spec.single_layer) {
        write(file, archive::difference(nothing, tree), tree, made, true);
        return made;
      }
      if (packaged)
        for (const packages::Group& group : packaged->installation.groups) {
          if (group.tree.empty()) continue;
          const archive::LayerPlan plan = archive::difference(nothing, group.tree);
          refuse_secrets(*options_.secret_forms, plan, "the packages");
          made.push_back(write_plan(file, plan, group.label));
        }
      write(file, std::move(own), tree, made, base_layers.empty() && made.empty());
      return made;
    });
    if (!keeps_base) config.history.clear();
    built.bases = base.names;
    for (const std::string& one : bases_of(file.spec)) built.bases.push_back(one);
    built.set.images.push_back(describe(file, std::move(config), base, base_layers, layers, epoch(file)));
    timed("checks", [&] {
      enforce_after(file, policy, built.set.images.back(), base, tree);
      return 0;
    });
    built.trees.push_back(std::move(tree));
  }

  bool is_top() const { return below_ == nullptr; }

  const project::Project& project_;
  const project::SpecFile* below_;
  const Options& options_;
  store::Cache& cache_;
  Progress& progress_;
  Shared& shared_;
  std::vector<Phase> phases_;
};

}  // namespace

std::shared_ptr<const trust::SecretForms> secret_forms_of(const Options& options) {
  return options.secret_forms ? options.secret_forms
                              : std::make_shared<const trust::SecretForms>(options.secrets);
}

namespace {

Options with_forms(const Options& options) {
  Options own = options;
  own.secret_forms = secret_forms_of(options);
  if (!own.ledger) own.ledger = std::make_shared<Ledger>();
  return own;
}

}  // namespace

Built build_image(const project::Project& project, const Options& options, store::Cache& cache,
                  Progress& progress) {
  const Options own = with_forms(options);
  DiscreetProgress discreet(progress, *own.secret_forms);
  try {
    Shared shared;
    return Build(project, nullptr, own, cache, discreet, shared).run();
  } catch (const base::Error& error) {
    throw without_secrets(*own.secret_forms, error);
  }
}

tree::FileTree build_stage(const project::Project& project, const Options& options, store::Cache& cache,
                           Progress& progress) {
  const Options own = with_forms(options);
  DiscreetProgress discreet(progress, *own.secret_forms);
  try {
    Shared shared;
    return Build(project, nullptr, own, cache, discreet, shared).run_stage();
  } catch (const base::Error& error) {
    throw without_secrets(*own.secret_forms, error);
  }
}

void refuse_secrets_of_text(const std::string& text, const std::string& what,
                            const trust::SecretForms& forms) {
  refuse_secrets(forms, text, what);
}

void refuse_secrets_of_spec(const project::SpecFile& file, const trust::SecretForms& forms) {
  refuse_secrets(forms, file);
}

}  // namespace minibuild::build
