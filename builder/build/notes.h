// What the build flow records in the ledger when it reads something.
#pragma once

#include <string>

#include "builder/build/root.h"
#include "minibuild/build/images.h"
#include "minibuild/build/ledger.h"
#include "minibuild/project/spec_file.h"

namespace minibuild::build {

/// Records a spec, and the policy file that it names.
void note_spec(Ledger& ledger, const project::SpecFile& file);
/// Records what one `copy` takes from the directory of the spec: a file with its hash, or a directory with
/// the hash of its file list (in-toto's dirHash1: lines of `HASH  NAME`, sorted by name). Throws Error if a
/// file changed after `root` was created.
void note_copy(Ledger& ledger, const project::SpecFile& file, const spec::Copy& copy, Root root);
/// Records an image that is a base or that is copied from.
void note_image(Ledger& ledger, const project::SpecFile& file, const oci::ImageLocation& location,
                const oci::Platform& platform, store::Cache& cache, const Registries& registries);
/// The URL without any user and password.
std::string without_credentials(const std::string& url);

}  // namespace minibuild::build
