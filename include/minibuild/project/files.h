// Where the texts of a project come from.
#pragma once

#include <cstddef>
#include <string>

namespace minibuild::project {

/// The files that a person writes: specs, policies, lock files. This is a project's only access to a disk;
/// tests have an in-memory version.
class Files {
 public:
  virtual ~Files() = default;
  /// The text of a spec. Throws Error `cannot open PATH: cause`, also for anything that is not a regular
  /// file, because its lock file and what it copies are next to it.
  virtual std::string read_spec(const std::string& path) const = 0;
  /// The whole text of another file of at most `limit` bytes. Throws Error `cannot open PATH: cause`.
  virtual std::string read(const std::string& path, size_t limit) const = 0;
  virtual bool exists(const std::string& path) const = 0;
  /// One name for each file, whatever links and dots `path` contains.
  virtual std::string real_name(const std::string& path) const = 0;
};

/// The files of this machine.
const Files& disk_files();

}  // namespace minibuild::project
