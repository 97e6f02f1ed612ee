// What not every file system can do, and what is done instead: NFS and 9p know no flags of rename, FUSE and
// CIFS no fsync of a directory, some no locks.
#pragma once

#include <sys/types.h>

#include <string>

#include "minibuild/base/file.h"

namespace minibuild::base {

/// `a file`, `a directory`, `a pipe` …, of `st_mode`.
std::string kind_of_file(mode_t mode);

/// fsync; a file system that has none is no failure. Throws Error `cannot write WHAT to disk: cause`.
void sync_to_disk(int fd, const std::string& what);

/// Renames `from`; false, with nothing done, if something is at `to`. Throws Error with the cause alone on
/// other failures.
bool rename_new(const std::string& from, const std::string& to);

/// The directories `from` and `to` change places. Where the file system cannot do that in one step, `to` is
/// missing for a moment. Throws Error with the cause alone; both are then where they were.
void exchange(const std::string& from, const std::string& to);

/// Locks the open file (flock, exclusive) as soon as nobody else has it locked. Without a lock where the file
/// system knows none. Throws Interrupted when the user ends the wait.
void lock_file(int fd, const std::string& path);

/// An exclusive lock on the file, made if missing; none if others hold one, or where the file system knows no
/// locks.
Fd try_lock(const std::string& path);

}  // namespace minibuild::base
