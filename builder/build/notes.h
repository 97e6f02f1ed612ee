// What the flow notes in the ledger at the moments at which it reads.
#pragma once

#include <string>

#include "builder/build/root.h"
#include "minibuild/build/images.h"
#include "minibuild/build/ledger.h"
#include "minibuild/project/spec_file.h"

namespace minibuild::build {

/// A spec, and the policy file that it names.
void note_spec(Ledger& ledger, const project::SpecFile& file);
/// What one `copy` takes from beside the spec: a file with its hash, or a directory with that of a list of
/// its files (in-toto's dirHash1: `HASH  NAME` by lines, sorted by name). Throws Error if a file changed
/// after `root` was made.
void note_copy(Ledger& ledger, const project::SpecFile& file, const spec::Copy& copy, Root root);
/// An image that is a base or is copied from.
void note_image(Ledger& ledger, const project::SpecFile& file, const oci::ImageLocation& location,
                const oci::Platform& platform, store::Cache& cache, const Registries& registries);
/// A URL without the user and password that it may carry.
std::string without_credentials(const std::string& url);

}  // namespace minibuild::build
