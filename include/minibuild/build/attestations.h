// What is made beside an image and belongs to it: SBOMs and provenance, as the key `attest` asks.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/build/provenance.h"

namespace minibuild::build {

/// A document about one manifest, for those who sign it as well.
struct Statement {
  oci::Descriptor subject;
  std::string predicate_type;
  std::string predicate;  // JSON
};

/// Adds the wanted documents to `built.set.attachments`, so that every output that can hold them has them;
/// the image's digest stays as it is. SBOMs are about each platform's image and depend on it alone;
/// provenance is about what names the whole, and has times. Throws Error{Code::refused} if a declared secret
/// stands in one.
std::vector<Statement> add_attestations(Built& built, const spec::Attest& wanted,
                                        const project::Project& project, const Options& options,
                                        const project::Lock& lock, const Invocation& invocation,
                                        store::Cache& cache);

/// The commit that the directory of a file is at, by the .git above it, without git; nothing if there is none
/// or it cannot be read.
std::optional<GitCommit> commit_of(const std::string& path);

/// The names of arguments (`--set`) whose values look like credentials: provenance leaves these values out.
std::vector<std::string> credential_args(const std::map<std::string, std::string>& set);

}  // namespace minibuild::build
