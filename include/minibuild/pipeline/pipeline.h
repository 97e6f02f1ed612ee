// The public face of minibuild: what its commands do, for any program.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/attestations.h"
#include "minibuild/build/build.h"
#include "minibuild/build/check.h"
#include "minibuild/build/compare.h"
#include "minibuild/build/lock.h"
#include "minibuild/build/plan.h"
#include "minibuild/project/files.h"
#include "minibuild/store/special_files.h"
#include "minibuild/trust/keys.h"

namespace minibuild::pipeline {

/// Whether `dir:` makes devices and setuid files, which act on the machine where they are made.
enum class SpecialFiles { leave_out, preserve };

/// What is asked for. A value: nothing is read or opened by making one.
struct Wish {
  std::string spec = "minibuild.yaml";         // a path, or `minibuild:NAME.yaml`
  std::map<std::string, std::string> set;      // values for the spec's arguments
  std::vector<oci::Platform> platforms;        // empty: the spec's, else this machine's
  std::map<std::string, std::string> secrets;  // by id; never written, shown or told to anybody
  /// The forms in which the secrets are looked for, made once by whoever asks often; null: made when needed.
  std::shared_ptr<const trust::SecretForms> secret_forms{};
  /// Where the image goes; empty: a layout beside the caller, named after the image or the spec. For a stage
  /// only `dir:` and `tar:`, and at least one.
  std::vector<oci::ImageLocation> targets;
  bool locked = false;  // nothing is resolved: the lock file has all that is needed, and no more
  std::string stage;    // build this stage instead of the image
  build::StageRuns stage_runs = build::StageRuns::needed;
  bool provenance = false;  // even if the spec does not ask for it
  SpecialFiles special_files = SpecialFiles::leave_out;
  std::shared_ptr<const trust::Signer> signer{};  // null: nothing is signed
  std::optional<int64_t> epoch;  // SOURCE_DATE_EPOCH: for specs without `epoch`, and the time of signatures
  /// Whose environment stages with the network are shown: `PATH` and `HOME` for messages, proxies and
  /// certificates.
  std::string caller_path{};
  std::string caller_home{};
  spec::Environment caller_network{};
  /// For provenance: the version of this program, a URI of who runs it, a name of this run.
  std::string version{};
  std::string builder = "urn:minibuild:builder";
  std::string invocation{};
};

/// What the flow works with: all that it touches outside of itself.
struct Edges {
  /// Opened when it is first needed, so that a wrong spec leaves nothing behind.
  std::function<store::Cache&()> cache;
  build::Registries registries;
  build::Progress& progress;
  std::function<int64_t()> now;     // seconds since 1970
  std::function<double()> seconds;  // of a clock that only goes forward
  const std::atomic<bool>* cancelled = nullptr;
  int jobs = 1;                                 // stages and layers at a time; no byte depends on it
  std::string helper = "/proc/self/exe";        // a program that calls sandbox::helper_main as minibuild does
  const sandbox::Executor* executor = nullptr;  // of stages' commands; null: this machine's namespaces
  const project::Files* files = &project::disk_files();
};

struct Finished {
  build::Built built;
  std::vector<oci::ImageLocation> targets;  // where it was written
};
/// Builds the image, writes it everywhere, and signs it. A target is complete afterwards or as it was. Throws
/// base::Error: Code::usage for a wrong wish or spec, Code::refused for what breaks a rule or would show a
/// secret, Code::failed for all else; base::Interrupted. No message has one of the secrets.
Finished build(const Wish& wish, const Edges& edges);

/// Builds the stage that the wish names, and writes its files. Throws as `build`.
void build_stage(const Wish& wish, const Edges& edges);

/// What `build` would do. Throws as it would for a wrong spec or an image that cannot be found.
build::Plan plan(const Wish& wish, const Edges& edges);

/// The digests of what the spec names from outside; see build::resolve_lock. Writes the lock file if it
/// changed.
build::Locking lock(const Wish& wish, build::LockMode mode, const std::vector<std::string>& names,
                    const Edges& edges);

struct CheckResult {
  build::Checked checked;
  spec::Diagnostics diagnostics;  // of the spec's text
  std::string source;             // of it
};
/// What is wrong with a spec, as far as that can be said without building it; `new_baseline`: baselines that
/// the policy names need not be there. Throws as `build`.
CheckResult check(const Wish& wish, bool new_baseline, const Edges& edges);

struct Reproduced {
  bool same = false;
  oci::Digest digest;                                                    // of what was built
  std::vector<std::pair<oci::Platform, build::Difference>> differences;  // of platforms that differ
  size_t platforms = 0;                                                  // that were compared
  std::string compressor;  // of the lock file, if this program has another
};
/// Builds the spec for the platforms that an image has, writes nothing, and compares. Throws as `build`.
Reproduced reproduce(const Wish& wish, const oci::ImageLocation& image, const Edges& edges);

/// Where an image goes that nobody named a place for: `NAME.oci`, by its first name or the spec's.
oci::ImageLocation default_target(const std::string& spec, const std::vector<oci::Reference>& names);

/// What a directory that a file tree is made as is without; std::nullopt for other places, which hold it all.
/// `warn` is told of what is left out.
std::optional<store::PlainTree> plain_for(const oci::ImageLocation& target, const tree::FileTree& tree,
                                          SpecialFiles special,
                                          const std::function<void(const std::string& text)>& warn);

/// Throws Error{Code::refused} if `text`, which others will see as `what`, has one of the wish's secrets.
void refuse_secrets(const Wish& wish, const std::string& text, const std::string& what);

}  // namespace minibuild::pipeline
