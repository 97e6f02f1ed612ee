// What can be said of a spec without building it, and of a finished image of any builder.
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
  spec::Diagnostics wrong;  // the spec cannot be built
  std::vector<trust::Violation>
      violations;              // the policy's word on what it would make, with places in the spec
  trust::Baseline baseline{};  // what the policy knows already
};
/// Everything that can be said of `file`, the project's spec, without building: the existence of sources, and
/// all rules that need neither the base nor what stages make. Files that `copy` takes from beside the spec
/// are looked through.
Checked check(const project::Project& project, const project::SpecFile& file, const Options& options,
              store::Cache& cache);
/// Lets baselines pass that the policy names and that are not there, for whoever is about to write them.
void drop_missing_baselines(project::SpecFile& file);

/// The policy of a file, as `policy.file` names one, with its baseline; an empty path is the policy that
/// holds by default. Throws Error{Code::usage} with diagnostics.
struct ImagePolicy {
  spec::Policy policy;
  trust::Baseline baseline;
  std::string directory = ".";  // of its file; what the paths in it begin from
};
ImagePolicy image_policy(const std::string& path);

/// All rules on an image; `names` are the references that it is known by.
std::vector<trust::Violation> check_image(const store::Image& image, const std::vector<oci::Reference>& names,
                                          const ImagePolicy& policy, store::Cache& cache, int jobs);

/// For people: so many of one rule, and then how many more.
inline constexpr size_t most_shown = 10;
/// Violations as diagnostics of the spec that they have places in.
spec::Diagnostics diagnostics_of(const std::vector<trust::Violation>& violations,
                                 size_t most = std::numeric_limits<size_t>::max());

}  // namespace minibuild::build
