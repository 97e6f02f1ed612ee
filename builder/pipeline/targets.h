// Where a build's result goes: it is written to every target, then signed where possible.
#pragma once

#include <vector>

#include "minibuild/pipeline/pipeline.h"

namespace minibuild::pipeline {

/// Throws Error{Code::usage} unless there is a target, and every target can hold a file tree.
void refuse_image_targets(const std::vector<oci::ImageLocation>& targets);
/// Writes a stage's files to the wish's targets.
void write_tree(const tree::FileTree& tree, const Wish& wish, store::Cache& cache, build::Progress& progress);

/// An image on its way to its targets.
class Publication {
 public:
  Publication(const Wish& wish, const build::Built& built, const std::vector<oci::ImageLocation>& targets,
              store::Cache& cache, const build::Registries& registries, const Edges& edges)
      : wish_(wish),
        built_(built),
        targets_(targets),
        cache_(cache),
        registries_(registries),
        edges_(edges) {}

  /// Writes to every target; reports where SBOMs and provenance cannot be stored.
  void write() const;
  /// Signs the statements, then the image itself, in registries and layouts; does nothing without a signer.
  void sign(const std::vector<build::Statement>& statements) const;

 private:
  const Wish& wish_;
  const build::Built& built_;
  const std::vector<oci::ImageLocation>& targets_;
  store::Cache& cache_;
  const build::Registries& registries_;
  const Edges& edges_;
};

}  // namespace minibuild::pipeline
