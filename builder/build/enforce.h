// Checks the result of a spec against its policy.
#pragma once

#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/build/check.h"
#include "minibuild/trust/inventory.h"

namespace minibuild::build {

/// The policy of a spec with its baseline. Throws Error{Code::usage} located in the spec if the baseline is
/// invalid.
ImagePolicy load_policy(const project::SpecFile& file);

/// Locates each violation in the spec: the entry that added the file, or the key that causes it.
void place(const project::SpecFile& file, std::vector<trust::Violation>& violations);
/// Reports warnings to `progress`; throws Error{Code::refused} with all errors as diagnostics of the spec.
void enforce(const project::SpecFile& file, const ImagePolicy& policy,
             std::vector<trust::Violation> violations, Progress& progress);

/// Drops `root-user` if the spec says explicitly that the image runs as root, with `user: root` or the number
/// 0, unless a policy names the rule.
void accept_declared_root(const spec::Spec& spec, const spec::Policy& policy,
                          std::vector<trust::Violation>& violations);

/// What the spec's base names: a registry reference, or an image on disk as written (`oci:DIR`).
std::vector<std::string> bases_of(const spec::Spec& spec);
/// Vulnerabilities more severe than the policy allows, according to the databases that it names (relative to
/// the spec), else those in the cache from the last `minibuild scan --update`. Throws Error{Code::failed}
/// located in the spec if there are none.
std::vector<trust::Violation> vulnerabilities_of(const project::SpecFile& file, const ImagePolicy& policy,
                                                 const tree::FileTree& tree, store::Cache& cache,
                                                 Progress& progress);
/// The same for an image without a spec. `is_own`: its packages are those that a spec lists.
std::vector<trust::Violation> vulnerabilities_of(const ImagePolicy& policy, const trust::Inventory& inventory,
                                                 store::Cache& cache, bool is_own = false);
/// `latest-tag` violations of the spec's bases.
std::vector<trust::Violation> latest_bases(const spec::Spec& spec);
/// A `network` violation for each stage with network access.
std::vector<trust::Violation> stages_with_network(const spec::Spec& spec);

}  // namespace minibuild::build
