// From a spec to an image: the whole flow.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/images.h"
#include "minibuild/build/ledger.h"
#include "minibuild/project/project.h"
#include "minibuild/sandbox/executor.h"
#include "minibuild/store/cache.h"
#include "minibuild/store/image.h"
#include "minibuild/trust/declared_secrets.h"

namespace minibuild::build {

/// Something that a build reports without failing.
struct Warning {
  std::string rule;
  std::string message;
  std::string fix;
  int line = 0;  // in the spec; 0: none
};

/// Receives progress reports. Its functions may be called from several threads at once.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A line about a stage or a phase: `build: rerun, src/main.c changed`.
  virtual void note(const std::string& subject, const std::string& text) = 0;
  /// A violation that is not an error.
  virtual void warning(const Warning& one) {
    note(one.rule, "warning: " + one.message + (one.fix.empty() ? "" : "; " + one.fix));
  }
  /// A line of output from a stage's command.
  virtual void output(const std::string& stage, std::string_view line) = 0;
  /// How much of a layer has been written, in tar bytes.
  virtual void layer(uint64_t done, uint64_t total) = 0;
};

/// Which stages run, and what their `caches` contain then.
enum class StageRuns {
  needed,  // those without a cached result; what earlier runs left
  anew,    // all; nothing: what earlier runs left is deleted
  apart,   // all, and nothing is kept; nothing: temporary directories
};

struct Options {
  std::map<std::string, std::string> secrets;
  std::shared_ptr<const trust::SecretForms>
      secret_forms{};            // of `secrets`, so that they are made once; null: see secret_forms_of
  std::optional<int64_t> epoch;  // SOURCE_DATE_EPOCH, for specs without `epoch`
  std::string stage;             // stop at this stage; its tree is the result
  StageRuns stage_runs = StageRuns::needed;
  int jobs = 1;
  Registries registries;
  std::vector<project::LockedPackages> packages;  // from the lock file
  std::optional<int64_t> now;                     // seconds since 1970, for signed indexes that expire
  bool provenance = false;                        // create provenance for the image, whatever the spec says
  std::shared_ptr<Ledger> ledger{};       // what is read is recorded here; null: the build creates its own
  std::string helper = "/proc/self/exe";  // the executable for sandbox::run
  const sandbox::Executor* executor = nullptr;  // null: this machine's namespaces
  std::string caller_path{};  // the user's $PATH and $HOME, to say where a program is that a stage lacks
  std::string caller_home{};
  /// Proxies and certificate locations from the caller's environment, for stages with network access.
  spec::Environment caller_network{};
  const std::atomic<bool>* cancelled = nullptr;
  /// Seconds since an arbitrary fixed moment, to measure phases.
  std::function<double()> clock;
};

struct Phase {
  std::string name;
  double seconds = 0;
};

/// What `trim` removed from a package.
struct TrimmedPackage {
  std::string name;
  std::vector<std::string> gone;  // paths in the image, sorted
  uint64_t bytes = 0;             // of these
  size_t left = 0;                // files that remain
  bool whole = false;             // nothing remains, and databases no longer list it
};
struct Trimmed {
  std::vector<TrimmedPackage> packages;  // those that lost something
  /// A one-line summary: how much was removed, which packages entirely, which in part.
  std::string text(const spec::Spec& spec) const;
};

struct Built {
  store::ImageSet set;
  std::vector<tree::FileTree> trees;  // of each image, merged
  std::vector<oci::Reference> names;
  std::vector<Phase> phases;
  std::shared_ptr<const Ledger> ledger{};  // what was read
  int64_t epoch = 0;
  spec::Attest attest{};             // of the spec
  std::vector<std::string> bases{};  // references of the registry images that it is based on
  uint64_t files = 0;                // of the first image
  uint64_t layers_reused = 0;        // created earlier and reused unchanged
  std::vector<Trimmed> trimmed{};    // of each image
};

/// Builds the image of every platform. Throws Error: Code::usage with rendered diagnostics for an invalid
/// spec, Code::refused for an image that violates a rule, Code::failed for everything else.
Built build_image(const project::Project& project, const Options& options, store::Cache& cache,
                  Progress& progress);

/// The forms of the options' secrets; computed if they are not set.
std::shared_ptr<const trust::SecretForms> secret_forms_of(const Options& options);
/// Throws Error{Code::refused} if the spec's text, the values of its arguments or the names of its image
/// contain one of the secrets; names the line or the argument.
void refuse_secrets_of_spec(const project::SpecFile& file, const trust::SecretForms& forms);
/// The same for any other text from the user, such as a destination; `what` says where it came from.
void refuse_secrets_of_text(const std::string& text, const std::string& what,
                            const trust::SecretForms& forms);
/// Returns the error unchanged, or one that does not reveal the secret that its message contains.
base::Error without_secrets(const trust::SecretForms& forms, const base::Error& error);

/// Runs stages up to `options.stage` and returns the tree of its result.
tree::FileTree build_stage(const project::Project& project, const Options& options, store::Cache& cache,
                           Progress& progress);

}  // namespace minibuild::build
