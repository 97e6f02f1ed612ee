// Finds what looks like a credential in the contents of a new image and in images built elsewhere, as
// violations of the rule `secret`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/trust/policy.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::build {

/// Finds what looks like a credential in the plan's files, on `jobs` threads in parallel. Files that an
/// earlier build found clean are not read. `tree` is their context: what a published package contains is a
/// warning (`trust::is_mild`).
std::vector<trust::Violation> find_credentials(const archive::LayerPlan& plan, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs);
/// The same for each layer of an image built elsewhere, and therefore also for files that a later layer
/// removes: they can still be fetched from the registry. `tree` is the merged tree of all layers. Findings of
/// an earlier build are remembered by layer.
std::vector<trust::Violation> find_credentials(const store::Image& image, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs);
/// The same for the texts of a config and for annotations. The `config_json` of an image built elsewhere may
/// contain more than the parsed config, such as a health check.
std::vector<trust::Violation> find_credentials(const oci::ImageConfig& config,
                                               const std::map<std::string, std::string>& annotations,
                                               const trust::Baseline& baseline,
                                               const std::string& config_json = "");

}  // namespace minibuild::build
