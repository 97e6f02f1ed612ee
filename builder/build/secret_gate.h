// Where secrets are looked for before anything is kept or written: those that the build was given, byte by
// byte, and those that only look like one, by their form.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/trust/declared_secrets.h"
#include "minibuild/trust/policy.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::build {

/// Throws Error{Code::refused} naming the secret and the file if an entry of the plan has a declared secret
/// in its path, link target, attributes or bytes. `what` is the place: `the image`.
void refuse_secrets(const trust::SecretForms& forms, const archive::LayerPlan& plan, const std::string& what);
/// The same for the layers of a base, as tar.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& base, store::Cache& cache,
                    const std::string& what);
/// The same for config, history, labels and annotations, which are named, and for whole documents.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& image);
void refuse_secrets(const trust::SecretForms& forms, std::string_view document, const std::string& what);
/// The same for the tar of a stage's result; `tree` is what it holds, or is empty where it cannot be read.
void refuse_secrets_of_stage(const trust::SecretForms& forms, const std::string& stage,
                             const std::string& tar_path, const std::function<tree::FileTree()>& read_tree);
/// Looks through the files of a kept directory that changed after `since`; takes out those that hold a
/// secret, and throws.
void refuse_secrets_in_directory(const trust::SecretForms& forms, const std::string& stage,
                                 const std::string& directory, const struct timespec& since);

/// What looks like a credential in the plan's files, side by side on `jobs` threads. Files that were looked
/// at in an earlier build and are fine are not read.
std::vector<trust::Violation> find_credentials(const archive::LayerPlan& plan,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs);
/// The same for the texts of a config.
std::vector<trust::Violation> find_credentials(const oci::ImageConfig& config,
                                               const trust::Baseline& baseline);

}  // namespace minibuild::build
