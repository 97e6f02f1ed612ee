// Stages: what each depends on, running it in the sandbox, and its cached result.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "builder/build/copy.h"
#include "builder/build/root.h"
#include "minibuild/build/build.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::build {

/// An image or a tree that something is based on.
struct Base {
  tree::FileTree tree;
  std::optional<store::Image> image;  // with its layers, if it is an image
  std::string id;                     // identifies the content, for stage keys
  std::string name;                   // of an image in a registry, without its digest
  std::vector<std::string> names{};   // of a spec: the references of what it is based on
};

/// Reads the base of the final image or of a stage; `host` and `stage` are not handled here.
using ReadBase = std::function<Base(const spec::Base&)>;

struct StageResult {
  tree::FileTree tree;
  std::shared_ptr<sandbox::HostView> host;  // provides the host's tools behind the tree
  std::string id;
};
using StageResults = std::map<std::string, std::shared_ptr<const StageResult>>;

/// What the stages of one build share and determine once.
class StageMemory {
 public:
  /// The state of the host's tools, determined when the first stage needs it.
  const sandbox::HostState& host();
  /// The result of a stage that ran in this build, by its key.
  std::optional<oci::Digest> find(const base::Hash& key) const;
  void note(const base::Hash& key, const oci::Digest& result);

 private:
  std::once_flag once_;
  sandbox::HostState host_;
  mutable std::mutex mutex_;
  std::map<base::Hash, oci::Digest> ran_;
};

struct StageContext {
  const project::Project& project;
  const project::SpecFile& file;
  const Options& options;
  store::Cache& cache;
  Progress& progress;
  const ReadBase& read_base;
  int64_t epoch = 0;
  StageMemory& memory;
  std::shared_ptr<sandbox::HostView> host = std::make_shared<sandbox::HostView>(options.helper);
};

/// The names of the stages that `targets` need, dependencies first.
std::vector<const spec::Stage*> needed_stages(const spec::Spec& spec,
                                              const std::vector<std::string>& targets);
/// The stages that the final image copies from.
std::vector<std::string> stages_of_image(const spec::Spec& spec);
/// Runs the stages, in parallel if they do not depend on each other, or takes their results from the cache.
/// If one fails, the others are stopped and its error is thrown.
StageResults run_stages(const std::vector<const spec::Stage*>& stages, const StageContext& context);

/// What is known about a stage before anything runs.
struct StageForecast {
  std::string text;  // `cached`, `rerun, src/main.c changed`, `run, not built before`
  std::shared_ptr<const StageResult> result;  // if cached
  std::optional<oci::Digest> blob{};          // the cached result itself
};
/// By stage name. Nothing is run; with `registries.offline` nothing is fetched.
std::map<std::string, StageForecast> forecast_stages(const std::vector<const spec::Stage*>& stages,
                                                     const StageContext& context);

/// What the `copy` entries of a stage or an image copy from.
class Sources {
 public:
  Sources(const project::SpecFile& file, const StageResults& results, oci::Platform platform,
          store::Cache& cache, const Options& options)
      : file_(file),
        results_(results),
        platform_(std::move(platform)),
        cache_(cache),
        options_(options),
        local_(file) {}
  /// The root of one entry: a stage's result, an image, a download, or the files next to the spec.
  Root root_of(const spec::Copy& copy) const;

 private:
  const project::SpecFile& file_;
  const StageResults& results_;
  oci::Platform platform_;
  store::Cache& cache_;
  const Options& options_;
  LocalSource local_;
};

/// A base that needs no build: scratch, or an image, with errors located in the spec. What it is gets
/// recorded in the ledger, if one is given.
Base read_plain_base(const project::SpecFile& file, const spec::Base& wanted, const oci::Platform& platform,
                     store::Cache& cache, const Registries& registries, Ledger* ledger = nullptr);
/// The digest that the spec or the lock gives a registry image; std::nullopt for others.
std::optional<oci::Digest> pinned_digest(const oci::ImageLocation& location, const Registries& registries);
/// Throws Error{Code::refused} at `position` unless one of the keys signed the image that `location` names.
/// Does nothing if there are no keys, or if this digest has already been verified. `digest` is that of a
/// registry image.
void require_signed_base(const project::SpecFile& file, const oci::ImageLocation& location,
                         const std::optional<oci::Digest>& digest, const std::vector<std::string>& keys,
                         const std::string& identity, spec::Position position, store::Cache& cache,
                         const Registries& registries);

}  // namespace minibuild::build
