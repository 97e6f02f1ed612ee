// Where secrets that the build was given are looked for, byte by byte, before anything is kept or written.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/build/stages.h"
#include "minibuild/archive/layer.h"
#include "minibuild/trust/declared_secrets.h"

namespace minibuild::build {

/// Throws Error{Code::refused} for a secret in the text of a spec or in a value of --set, naming the line or
/// the argument.
void refuse_secrets(const trust::SecretForms& forms, const project::SpecFile& file);
/// The same for the texts of a config that is to be, and for names and link targets of a plan: before any
/// other message could show one.
void refuse_secrets(const trust::SecretForms& forms, const oci::ImageConfig& config);
void refuse_secret_names(const trust::SecretForms& forms, const archive::LayerPlan& plan,
                         const std::string& what);
/// Throws Error{Code::refused} naming the secret and the file if an entry of the plan has a declared secret
/// in its path, link target, attributes or bytes. `what` is the place: `the image`.
void refuse_secrets(const trust::SecretForms& forms, const archive::LayerPlan& plan, const std::string& what);
/// The same for the layers of a base or of an image that something is copied from, as tar. What the cache has
/// of a layer with a secret is taken out of it.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& base, store::Cache& cache,
                    const std::string& what);
/// The same for config, history, labels and annotations, which are named, and for whole documents.
void refuse_secrets(const trust::SecretForms& forms, const store::Image& image);
void refuse_secrets(const trust::SecretForms& forms, std::string_view document, const std::string& what);
/// The same for the tar of a stage's result; `tree` is what it holds, or is empty where it cannot be read.
void refuse_secrets_of_stage(const trust::SecretForms& forms, const std::string& stage,
                             const std::string& tar_path, const std::function<tree::FileTree()>& read_tree);
/// Passes on what is said, but for messages that have a secret.
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

/// Looks through what changed in a kept directory after `since`; takes out what holds a secret, and throws.
/// What cannot be read makes it throw as well, after `remove_all`.
void refuse_secrets_in_directory(const trust::SecretForms& forms, const std::string& stage,
                                 const std::string& directory, const struct timespec& since,
                                 const std::function<void()>& remove_all);

}  // namespace minibuild::build
