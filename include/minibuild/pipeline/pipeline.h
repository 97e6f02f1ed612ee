// The public interface of minibuild: what its commands do, for any program.
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

/// Whether `dir:` creates devices and setuid files, which affect the machine on which they are created.
enum class SpecialFiles { leave_out, preserve };

/// A request. It is a value: creating one reads and opens nothing.
struct Wish {
  std::string spec = "minibuild.yaml";         // a path, or `minibuild:NAME.yaml`
  std::map<std::string, std::string> set;      // values for the spec's arguments
  std::vector<oci::Platform> platforms;        // empty: the spec's, else this machine's
  std::map<std::string, std::string> secrets;  // by id; never written, shown or disclosed to anybody
  /// The forms in which the secrets are searched for; a caller that searches often makes them once. null:
  /// made when needed.
  std::shared_ptr<const trust::SecretForms> secret_forms{};
  /// Where the image goes; empty: a layout next to the caller, named after the image or the spec. For a stage
  /// only `dir:` and `tar:`, and at least one.
  std::vector<oci::ImageLocation> targets;
  bool locked = false;  // nothing is resolved: the lock file must have exactly what is needed
  std::string stage;    // build this stage instead of the image
  build::StageRuns stage_runs = build::StageRuns::needed;
  bool provenance = false;  // even if the spec does not request it
  SpecialFiles special_files = SpecialFiles::leave_out;
  std::shared_ptr<const trust::Signer> signer{};  // null: nothing is signed
  std::optional<int64_t> epoch;  // SOURCE_DATE_EPOCH: for specs without `epoch`, and as time of signatures
  /// The caller's environment: `PATH` and `HOME` for messages; the variables for proxies and certificates for
  /// stages with a network.
  std::string caller_path{};
  std::string caller_home{};
  spec::Environment caller_network{};
  /// For provenance: the version of this program, a URI of who runs it, a name for this run.
  std::string version{};
  std::string builder = "urn:minibuild:builder";
  std::string invocation{};
};

/// Everything outside itself that the flow works with.
struct Edges {
  /// Opened when first needed, so that a faulty spec leaves nothing behind.
  std::function<store::Cache&()> cache;
  build::Registries registries;
  build::Progress& progress;
  std::function<int64_t()> now;     // seconds since 1970
  std::function<double()> seconds;  // of a monotonic clock
  const std::atomic<bool>* cancelled = nullptr;
  int jobs = 1;                                 // stages and layers at a time; does not affect any byte
  std::string helper = "/proc/self/exe";        // a program that calls sandbox::helper_main as minibuild does
  const sandbox::Executor* executor = nullptr;  // for the commands of stages; null: this machine's namespaces
  const project::Files* files = &project::disk_files();
};

struct Finished {
  build::Built built;
  std::vector<oci::ImageLocation> targets;  // where it was written
};
/// Builds the image, writes it to every target, and signs it. Afterwards a target is complete or unchanged.
/// Throws base::Error: Code::usage for a faulty wish or spec, Code::refused for anything that breaks a rule
/// or would expose a secret, Code::failed for everything else; also base::Interrupted. No message contains
/// any of the secrets.
Finished build(const Wish& wish, const Edges& edges);

/// Builds the stage that the wish names, and writes its files. Throws like `build`.
void build_stage(const Wish& wish, const Edges& edges);

/// What `build` would do. Throws as `build` would for a faulty spec or an image that cannot be found.
build::Plan plan(const Wish& wish, const Edges& edges);

/// Resolves what the spec names from outside to digests; see build::resolve_lock. Writes the lock file if it
/// changed.
build::Locking lock(const Wish& wish, build::LockMode mode, const std::vector<std::string>& names,
                    const Edges& edges);

struct CheckResult {
  build::Checked checked;
  spec::Diagnostics diagnostics;  // of the spec's text
  std::string source;             // the spec's text
};
/// What is wrong with a spec, as far as that can be determined without building it. With `new_baseline`,
/// baselines that the policy names need not exist. Throws like `build`.
CheckResult check(const Wish& wish, bool new_baseline, const Edges& edges);

struct Reproduced {
  bool same = false;
  oci::Digest digest;                                                    // of what was built
  std::vector<std::pair<oci::Platform, build::Difference>> differences;  // of platforms that differ
  size_t platforms = 0;                                                  // the number compared
  std::string compressor;  // of the lock file, if this program has another
};
/// Builds the spec for the platforms that an image has, writes nothing, and compares. Throws like `build`.
Reproduced reproduce(const Wish& wish, const oci::ImageLocation& image, const Edges& edges);

/// The default place for an image: `NAME.oci`, after its first name or the spec's.
oci::ImageLocation default_target(const std::string& spec, const std::vector<oci::Reference>& names);

/// Whether `build` signs what it writes to a target: registries and layouts keep signatures.
bool can_be_signed(const oci::ImageLocation& place);

/// The tree that a directory target can hold, and what it leaves out; std::nullopt for other targets, which
/// hold everything. `warn` receives what is left out.
std::optional<store::PlainTree> plain_for(const oci::ImageLocation& target, const tree::FileTree& tree,
                                          SpecialFiles special,
                                          const std::function<void(const std::string& text)>& warn);

/// Throws Error{Code::refused} if `text`, which others will see as `what`, contains one of the wish's
/// secrets.
void refuse_secrets(const Wish& wish, const std::string& text, const std::string& what);

}  // namespace minibuild::pipeline
