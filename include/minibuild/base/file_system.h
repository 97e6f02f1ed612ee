// Features that not every file system supports, with fallbacks: NFS and 9p do not support rename flags, FUSE
// and CIFS do not support fsync on directories, and some file systems have no locks.
#pragma once

#include <sys/types.h>

#include <string>

#include "minibuild/base/file.h"

namespace minibuild::base {

/// `a file`, `a directory`, `a pipe` …, for an `st_mode`.
std::string kind_of_file(mode_t mode);

/// fsync; a file system that does not support it is not an error. Throws Error `cannot write WHAT to disk:
/// cause`.
void sync_to_disk(int fd, const std::string& what);

/// Renames `from`. Returns false, without doing anything, if `to` exists. On other failures throws Error with
/// only the cause.
bool rename_new(const std::string& from, const std::string& to);

/// Swaps the directories `from` and `to`. Where the file system cannot do that in one step, `to` is missing
/// for a moment. On failure throws Error with only the cause; both directories are then where they were.
void exchange(const std::string& from, const std::string& to);

/// Locks the open file (flock, exclusive), waiting until nobody else has it locked. Where the file system
/// does not support locks, returns without one. Throws Interrupted if the user ends the wait.
void lock_file(int fd, const std::string& path);

/// Takes an exclusive lock on the file, which is created if missing. Returns an empty Fd if others hold a
/// lock or the file system does not support locks.
Fd try_lock(const std::string& path);

}  // namespace minibuild::base
