// Checks of a spec without building it, and of a finished image from any builder.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/trust/policy.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::build {

/// What a check found.
struct Checked {
  spec::Diagnostics wrong;                   // the spec cannot be built
  std::vector<trust::Violation> violations;  // what the policy finds in the result, located in the spec
  trust::Baseline baseline{};                // what the policy already accepts
};
/// Checks everything about `file`, the project's spec, that can be checked without building: that sources
/// exist, and all rules that need neither the base nor the output of stages. Searches the files that `copy`
/// takes from the directory of the spec.
Checked check(const project::Project& project, const project::SpecFile& file, const Options& options,
              store::Cache& cache);
/// Drops baselines that the policy names but that do not exist, for callers that are about to write them.
void drop_missing_baselines(project::SpecFile& file);

/// The policy in a file such as `policy.file` names, with its baseline; an empty path means the default
/// policy. Throws Error{Code::usage} with diagnostics.
struct ImagePolicy {
  spec::Policy policy;
  trust::Baseline baseline;
  std::string directory = ".";  // of its file; the paths in it are relative to this
};
ImagePolicy image_policy(const std::string& path);

/// Applies all rules to an image; `names` are the references that it is known by.
std::vector<trust::Violation> check_image(const store::Image& image, const std::vector<oci::Reference>& names,
                                          const ImagePolicy& policy, store::Cache& cache, int jobs);

/// For display: at most this many per rule, followed by the number of further ones.
inline constexpr size_t most_shown = 10;
/// Violations as diagnostics of the spec in which they are located.
spec::Diagnostics diagnostics_of(const std::vector<trust::Violation>& violations,
                                 size_t most = std::numeric_limits<size_t>::max());

}  // namespace minibuild::build
