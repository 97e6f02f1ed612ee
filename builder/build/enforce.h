// The policy of a spec, held against what the spec makes.
#pragma once

#include <string>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/trust/policy.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::build {

/// A policy with all that it names: the shared file and the baseline are read.
struct LoadedPolicy {
  spec::Policy policy;
  trust::Baseline baseline;
};
/// Throws Error{Code::usage} with diagnostics for a shared policy that is wrong.
LoadedPolicy load_policy(const SpecFile& file);
/// A policy file by itself.
LoadedPolicy load_policy(const std::string& path);

/// Gives each violation its place in the spec: the entry that brought the file, the key that says it.
void place(const SpecFile& file, std::vector<trust::Violation>& violations);
/// Violations as diagnostics of the spec.
spec::Diagnostics diagnostics_of(const std::vector<trust::Violation>& violations);

/// Tells warnings to `progress`; throws Error{Code::refused} with all errors as diagnostics of the spec.
void enforce(const SpecFile& file, const LoadedPolicy& policy, std::vector<trust::Violation> violations,
             Progress& progress);

/// The references of registries that the spec's base names.
std::vector<std::string> bases_of(const spec::Spec& spec);

}  // namespace minibuild::build
