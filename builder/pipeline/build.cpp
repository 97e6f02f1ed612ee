// From a wish to images in their places: the whole flow.
#include <algorithm>

#include "builder/pipeline/guard.h"
#include "builder/pipeline/targets.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/build/secret_guard.h"
#include "minibuild/pipeline/pipeline.h"
#include "minibuild/store/output.h"

namespace minibuild::pipeline {

using base::Code;

namespace {

build::Options options_of(const Wish& wish, const Guard& guard, const Edges& edges) {
  build::Options options;
  options.secrets = wish.secrets;
  options.secret_forms = guard.forms();
  options.epoch = wish.epoch;
  options.stage = wish.stage;
  options.stage_runs = wish.stage_runs;
  options.provenance = wish.provenance;
  options.jobs = edges.jobs;
  options.registries = edges.registries;
  options.now = edges.now();
  options.helper = edges.helper;
  options.executor = edges.executor;
  options.caller_path = wish.caller_path;
  options.caller_home = wish.caller_home;
  options.caller_network = wish.caller_network;
  options.cancelled = edges.cancelled;
  options.clock = edges.seconds;
  return options;
}

project::Project project_of(const Wish& wish, const Edges& edges) {
  return project::Project(wish.spec, wish.set, wish.platforms, *edges.files);
}

// The spec as it is for the first platform that is wanted.
const project::SpecFile& first_file(const project::Project& project) {
  return project.top(project.has_own_platforms() ? project.platforms().front() : oci::host_platform());
}

// Before anything is read from elsewhere, kept or written.
void refuse_wrong_targets(const Wish& wish, const Guard& guard) {
  for (const oci::ImageLocation& target : wish.targets)
    build::refuse_secrets_of_text(oci::to_string(target),
                                  "a destination (-o), whose name is written and told", *guard.forms());
  for (const oci::ImageLocation& target : wish.targets)
    if (target.transport != oci::Transport::registry) store::check_output(target);
}

// What the names of the lock stand for is what is used from here on.
void use_lock(const project::Lock& lock, build::Options& options) {
  options.registries.pinned = project::pins_of(lock);
  options.packages = lock.packages;
}

// The digests to use for names from outside: those of the lock file, as it is or as it will be written.
build::Locking resolve(const project::Project& project, const Wish& wish, build::Options& options,
                       store::Cache& cache, build::Progress& progress) {
  const auto mode = wish.locked ? build::LockMode::exact : build::LockMode::as_needed;
  build::Locking locking = build::resolve_lock(project, options, mode, cache);
  if (!locking.compressor.empty())
    progress.note("lock",
                  fmt::format("warning: {} was made with another compressor ({}): the same files may get "
                              "another digest; to accept: minibuild lock {}",
                              project::lock_path(project.path()), locking.compressor, project.path()));
  for (const std::string& warning : locking.warnings) progress.note("lock", "warning: " + warning);
  for (const std::string& entry : locking.dropped)
    progress.note("lock", fmt::format("dropped {}: the spec has no use for it any more", entry));
  use_lock(locking.lock, options);
  return locking;
}

void write_lock(const project::Project& project, const Wish& wish, const build::Locking& locking,
                build::Progress& progress) {
  // A shipped spec has its lock, and no place for another.
  const bool shipped = project.path().starts_with(project::shipped_prefix);
  if (!locking.changed || wish.locked || shipped) return;
  const std::string path = project::lock_path(project.path());
  try {
    project::write_lock(path, locking.before, locking.lock);
    progress.note("lock", "written to " + path);
  } catch (const base::Error& error) {
    progress.note("lock", std::string("warning: ") + error.what());
  }
}

// Runs `task` between the lock that is needed and the lock that is written. A refused build leaves nothing
// behind; another failure does not make what was learned less true.
template <typename Task>
auto locked(const project::Project& project, const Wish& wish, build::Options& options, store::Cache& cache,
            build::Progress& progress, Task task) {
  const build::Locking locking = resolve(project, wish, options, cache, progress);
  const auto keep = [&] {
    cache.save();
    write_lock(project, wish, locking, progress);
  };
  try {
    auto result = task(locking.lock);
    keep();
    return result;
  } catch (const base::Error& error) {
    if (error.code() != Code::refused)
      keep();
    else
      cache.save();
    throw;
  } catch (const base::Interrupted&) {
    keep();
    throw;
  }
}

build::Invocation invocation_of(const Wish& wish, int64_t started, const Edges& edges) {
  build::Invocation invocation;
  invocation.version = wish.version;
  invocation.builder = wish.builder;
  invocation.id = wish.invocation;
  invocation.finished = wish.epoch.value_or(edges.now());
  invocation.started = std::min(started, invocation.finished);
  invocation.git = build::commit_of(wish.spec);
  return invocation;
}

// SBOMs and provenance, as the spec or the wish asks.
std::vector<build::Statement> attest(build::Built& built, const project::Project& project, const Wish& wish,
                                     const build::Options& options, const project::Lock& lock,
                                     const build::Invocation& invocation, store::Cache& cache,
                                     build::Progress& progress) {
  spec::Attest wanted = built.attest;
  wanted.provenance = wanted.provenance || wish.provenance;
  if (wanted.provenance)
    for (const std::string& name : build::credential_args(project.set()))
      progress.note("provenance",
                    fmt::format("warning: the value of --set {} looks like a credential and is left "
                                "out; stages get credentials with --secret",
                                base::printable(name)));
  return build::add_attestations(built, wanted, project, options, lock, invocation, cache);
}

}  // namespace

void refuse_secrets(const Wish& wish, const std::string& text, const std::string& what) {
  build::refuse_secrets_of_text(text, what, *Guard(wish).forms());
}

Finished build(const Wish& wish, const Edges& edges) {
  const Guard guard(wish);
  return guard.over([&] {
    refuse_wrong_targets(wish, guard);
    const project::Project project = project_of(wish, edges);
    build::refuse_secrets_of_spec(first_file(project), *guard.forms());
    store::Cache& cache = edges.cache();
    build::Options options = options_of(wish, guard, edges);
    return locked(project, wish, options, cache, edges.progress, [&](const project::Lock& lock) {
      const int64_t started = edges.now();
      Finished finished{build::build_image(project, options, cache, edges.progress), wish.targets};
      build::Built& built = finished.built;
      if (finished.targets.empty()) finished.targets.push_back(default_target(wish.spec, built.names));
      const double begin = edges.seconds();
      const std::vector<build::Statement> statements = attest(
          built, project, wish, options, lock, invocation_of(wish, started, edges), cache, edges.progress);
      Publication publication{wish, built, finished.targets, cache, options.registries, edges};
      publication.write();
      publication.sign(statements);
      built.phases.push_back({"output", edges.seconds() - begin});
      return finished;
    });
  });
}

void build_stage(const Wish& wish, const Edges& edges) {
  const Guard guard(wish);
  guard.over([&] {
    refuse_image_targets(wish.targets);
    refuse_wrong_targets(wish, guard);
    const project::Project project = project_of(wish, edges);
    build::refuse_secrets_of_spec(first_file(project), *guard.forms());
    store::Cache& cache = edges.cache();
    build::Options options = options_of(wish, guard, edges);
    locked(project, wish, options, cache, edges.progress, [&](const project::Lock&) {
      const tree::FileTree tree = build::build_stage(project, options, cache, edges.progress);
      write_tree(tree, wish, cache, edges.progress);
      return 0;
    });
  });
}

build::Plan plan(const Wish& wish, const Edges& edges) {
  const Guard guard(wish);
  return guard.over([&] {
    const project::Project project = project_of(wish, edges);
    std::vector<oci::ImageLocation> targets = wish.targets;
    const project::SpecFile& file = first_file(project);
    if (targets.empty()) targets.push_back(default_target(wish.spec, file.spec.images));
    return build::make_plan(project, options_of(wish, guard, edges), targets, edges.cache());
  });
}

build::Locking lock(const Wish& wish, build::LockMode mode, const std::vector<std::string>& names,
                    const Edges& edges) {
  const Guard guard(wish);
  return guard.over([&] {
    const project::Project project = project_of(wish, edges);
    store::Cache& cache = edges.cache();
    build::Locking locking = build::resolve_lock(project, options_of(wish, guard, edges), mode, cache, names);
    cache.save();
    if (locking.changed)
      project::write_lock(project::lock_path(project.path()), locking.before, locking.lock);
    return locking;
  });
}

CheckResult check(const Wish& wish, bool new_baseline, const Edges& edges) {
  const Guard guard(wish);
  return guard.over([&] {
    const project::Project project = project_of(wish, edges);
    project::SpecFile file = project.look(oci::host_platform());
    // Also of one that is wrong: its lines are shown.
    build::refuse_secrets_of_spec(file, *guard.forms());
    if (new_baseline) build::drop_missing_baselines(file);
    CheckResult result{{}, file.diagnostics, file.source};
    if (spec::has_errors(result.diagnostics)) return result;
    const build::Options options = options_of(wish, guard, edges);
    build::guard_secrets(project, options);
    store::Cache& cache = edges.cache();
    result.checked = build::check(project, file, options, cache);
    cache.save();
    return result;
  });
}

Reproduced reproduce(const Wish& wish, const oci::ImageLocation& image, const Edges& edges) {
  const Guard guard(wish);
  return guard.over([&] {
    const project::Project given = project_of(wish, edges);
    build::Options options = options_of(wish, guard, edges);
    build::guard_secrets(given, options);
    store::Cache& cache = edges.cache();
    if (options.stage_runs == build::StageRuns::apart && !given.top(oci::host_platform()).spec.stages.empty())
      edges.progress.note(
          "reproduce", "stages run anew, with empty 'caches'; --reuse-stages takes what earlier builds kept");
    const store::ImageSet want = build::read_image(image, std::nullopt, cache, options.registries);
    // The platforms are those that the image has, whatever this machine is.
    std::vector<oci::Platform> platforms;
    for (const store::Image& one : want.images) platforms.push_back(one.config.platform);
    const project::Project project(given, platforms);
    const build::Locking locking = build::resolve_lock(project, options, build::LockMode::as_needed, cache);
    use_lock(locking.lock, options);
    const build::Built built = build::build_image(project, options, cache, edges.progress);
    cache.save();
    Reproduced result{false, store::top_of(built.set).digest, {}, want.images.size(), locking.compressor};
    result.same = store::top_of(want).digest == result.digest;
    for (size_t i = 0; i < want.images.size() && !result.same; ++i) {
      const store::Image& one = want.images[i];
      const build::Opened before{one, store::image_tree(one, cache, oci::to_string(image))};
      build::Difference difference = build::compare(before, {built.set.images[i], built.trees[i]});
      if (!difference.same_manifest)
        result.differences.emplace_back(one.config.platform, std::move(difference));
    }
    return result;
  });
}

}  // namespace minibuild::pipeline
