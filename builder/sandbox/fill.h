// The stage's file system on disk: written from a tar at the start, read into a tar at the end.
#pragma once

#include "minibuild/base/stream.h"

namespace minibuild::sandbox {

/// Unpacks a tar into an empty directory. Every operation is relative to the directory and follows no link.
/// Owners that the user namespace does not have are left out.
void unpack_tree(base::Source& source, int directory);

/// Writes everything in the directory as a tar, in the order of paths, without what is mounted there. Sockets
/// are left out.
void pack_tree(int directory, base::Sink& sink);

}  // namespace minibuild::sandbox
