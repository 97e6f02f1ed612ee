// The policy of a spec, held against what the spec makes.
#pragma once

#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/build/check.h"
#include "minibuild/trust/inventory.h"

namespace minibuild::build {

/// The policy of a spec with its baseline. Throws Error{Code::usage} at the spec's place for a baseline that
/// is none.
ImagePolicy load_policy(const project::SpecFile& file);

/// Gives each violation its place in the spec: the entry that brought the file, the key that says it.
void place(const project::SpecFile& file, std::vector<trust::Violation>& violations);
/// Tells warnings to `progress`; throws Error{Code::refused} with all errors as diagnostics of the spec.
void enforce(const project::SpecFile& file, const ImagePolicy& policy,
             std::vector<trust::Violation> violations, Progress& progress);

/// Drops `root-user` if the spec says itself that the image runs as root, by `user: root` or a number that is
/// 0; unless a policy names the rule.
void heed_root(const spec::Spec& spec, const spec::Policy& policy, std::vector<trust::Violation>& violations);

/// What the spec's base names: a reference of a registry, or an image on disk as it is written (`oci:DIR`).
std::vector<std::string> bases_of(const spec::Spec& spec);
/// Vulnerabilities that are worse than the policy allows, by the databases that it names (beside the spec),
/// else by those that the cache has of the last `minibuild scan --update`. Throws Error{Code::failed} at the
/// spec's place if there are none.
std::vector<trust::Violation> vulnerabilities_of(const project::SpecFile& file, const ImagePolicy& policy,
                                                 const tree::FileTree& tree, store::Cache& cache,
                                                 Progress& progress);
/// The same for an image without a spec. `is_own`: its packages are those that a spec lists.
std::vector<trust::Violation> vulnerabilities_of(const ImagePolicy& policy, const trust::Inventory& inventory,
                                                 store::Cache& cache, bool is_own = false);
/// `latest-tag` for those.
std::vector<trust::Violation> latest_bases(const spec::Spec& spec);
/// `network` for each stage that is given the network.
std::vector<trust::Violation> stages_with_network(const spec::Spec& spec);

}  // namespace minibuild::build
