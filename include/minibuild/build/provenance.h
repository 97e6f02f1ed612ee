// Where an image came from: a build's parameters and inputs, as provenance.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/build/lock.h"
#include "minibuild/trust/provenance.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::build {

/// The commit of the directory that contains the spec.
struct GitCommit {
  std::string repository;  // URL without credentials; may be empty
  std::string commit;      // hexadecimal
};

/// What the build flow does not know about itself.
struct Invocation {
  std::string version;  // of minibuild
  std::string builder;  // URI of who ran the build
  std::string id;       // of this run; may be empty
  int64_t started = 0;  // seconds since 1970
  int64_t finished = 0;
  std::optional<GitCommit> git{};
};

/// What went into the images of `built`: what its ledger recorded as read, the lock, packages. Secret values
/// do not appear, wherever they were used.
trust::Provenance describe_build(const project::Project& project, const Options& options,
                                 const project::Lock& lock, const Built& built, const Invocation& invocation);

/// The subjects of the statement: the index or only image under each of its names, then each platform's
/// image.
std::vector<trust::Resource> subjects_of(const Built& built);

/// The package files in a lock, for `trust::add_package_files`.
std::vector<trust::PackageFile> package_files(const project::Lock& lock);

}  // namespace minibuild::build
