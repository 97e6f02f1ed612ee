// Searches for the build's secrets, byte by byte, before anything is kept or written.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/trust/declared_secrets.h"

namespace minibuild::build {

/// Throws Error{Code::refused} for a secret in the text of a spec or in a --set value, naming the line or the
/// argument.
void refuse_secrets(const trust::SecretForms& forms, const project::SpecFile& file);
/// The same for the texts of a future config, and for names and link targets in a plan; must come before any
/// other message that could reveal one.
void refuse_secrets(const trust::SecretForms& forms, const oci::ImageConfig& config);
void refuse_secret_names(const trust::SecretForms& forms, const archive::LayerPlan& plan,
                         const std::string& what);
/// Throws Error{Code::refused} naming the secret and the file if an entry of the plan contains a declared
/// secret in its path, link target, attributes or bytes. `what` is the place: `the image`.
void refuse_secrets(const trust::SecretForms& forms, const archive::LayerPlan& plan, const std::string& what);
/// The same for the layers, as tar, of a base or of an image that is copied from. A layer that contains a
/// secret is removed from the cache.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& base, store::Cache& cache,
                    const std::string& what);
/// The same for config, history, labels and annotations, which the error names, and for whole documents.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& image);
void refuse_secrets(const trust::SecretForms& forms, std::string_view document, const std::string& what);
/// The same for the tar of a stage's result; `read_tree` returns its contents, or an empty tree if it cannot
/// be read.
void refuse_secrets_of_stage(const trust::SecretForms& forms, const std::string& stage,
                             const std::string& tar_path, const std::function<tree::FileTree()>& read_tree);
/// Forwards progress reports, except messages that contain a secret.
class DiscreetProgress : public Progress {
 public:
  DiscreetProgress(Progress& progress, const trust::SecretForms& forms)
      : progress_(progress), forms_(forms) {}
  void note(const std::string& subject, const std::string& text) override;
  void warning(const Warning& one) override;
  void output(const std::string& stage, std::string_view line) override { progress_.output(stage, line); }
  void layer(uint64_t done, uint64_t total) override { progress_.layer(done, total); }

 private:
  Progress& progress_;
  const trust::SecretForms& forms_;
};

/// Searches what changed in a kept directory after `since`; removes what contains a secret, and throws. Also
/// throws if something cannot be read, after calling `remove_all`.
void refuse_secrets_in_directory(const trust::SecretForms& forms, const std::string& stage,
                                 const std::string& directory, const struct timespec& since,
                                 const std::function<void()>& remove_all);

}  // namespace minibuild::build
