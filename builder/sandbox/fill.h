// The stage's file system on disk: written from a tar at the start, read into a tar at the end.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "minibuild/base/stream.h"

namespace minibuild::sandbox {

/// Unpacks a tar into an empty directory. Every operation is relative to the directory and follows no link.
/// Owners that the user namespace does not have are left out. `times`: nanoseconds since 1970 of paths that
/// do not get the times of their entries.
void unpack_tree(base::Source& source, int directory, const std::map<std::string, int64_t>& times = {});

/// Writes everything in the directory as a tar, in the order of paths, without what is mounted there. Sockets
/// are left out.
void pack_tree(int directory, base::Sink& sink);
/// The same into an empty file: runs of zeros become holes, so that a sparse file of the stage takes no more
/// there than it took in the stage.
void pack_tree_sparsely(int directory, int file);

/// What is kept for later runs, following nothing: files lose setuid and setgid, and times that lie ahead
/// become the present, since nothing could be newer than they.
void settle_kept(int directory);

}  // namespace minibuild::sandbox
