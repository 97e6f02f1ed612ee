// The documents that accompany an image: SBOMs and provenance, as the key `attest` requests.
#pragma once

#include <string>
#include <vector>

#include "minibuild/build/build.h"
#include "minibuild/build/provenance.h"

namespace minibuild::build {

/// A document about one manifest, for callers that also sign it.
struct Statement {
  oci::Descriptor subject;
  std::string predicate_type;
  std::string predicate;  // JSON
};

/// Adds the wanted documents to `built.set.attachments`, so that every output that can hold them includes
/// them; the image's digest does not change. SBOMs describe each platform's image and depend on it alone;
/// provenance describes the top-level manifest or index, and contains times. Throws Error{Code::refused} if
/// one of them contains a declared secret.
std::vector<Statement> add_attestations(Built& built, const spec::Attest& wanted,
                                        const project::Project& project, const Options& options,
                                        const project::Lock& lock, const Invocation& invocation,
                                        store::Cache& cache);

/// The commit that a file's directory is at, read from the .git above it, without running git; std::nullopt
/// if there is none or it cannot be read.
std::optional<GitCommit> commit_of(const std::string& path);

/// The names of arguments (`--set`) whose values look like credentials: provenance omits these values.
std::vector<std::string> credential_args(const std::map<std::string, std::string>& set);

}  // namespace minibuild::build
