// What looks like a credential, in what goes into an image and in images that were made elsewhere, as
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

/// What looks like a credential in the plan's files, side by side on `jobs` threads. Files that were looked
/// at in an earlier build and are fine are not read. `tree` has what lies around them: what a published
/// package brings is a warning (`trust::is_mild`).
std::vector<trust::Violation> find_credentials(const archive::LayerPlan& plan, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs);
/// The same for each layer of an image that was made elsewhere, so also for what a later layer removes: it
/// can still be taken from the registry. `tree` is what all layers give. What was found in
/// an earlier build is known by the layer.
std::vector<trust::Violation> find_credentials(const store::Image& image, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs);
/// The same for the texts of a config and for annotations. `config_json` of an image that was made elsewhere
/// may hold more than a config has here, such as a health check.
std::vector<trust::Violation> find_credentials(const oci::ImageConfig& config,
                                               const std::map<std::string, std::string>& annotations,
                                               const trust::Baseline& baseline,
                                               const std::string& config_json = "");

}  // namespace minibuild::build
