// The directories of a stage's `caches`: who is using them, which inputs they have seen, and what must not
// stay in them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/build/input_times.h"
#include "minibuild/build/build.h"
#include "minibuild/sandbox/sandbox.h"
#include "minibuild/store/cache.h"

namespace minibuild::build {

/// One run's use of its kept directories. Runs that share a directory take turns. If it is unknown which
/// inputs a directory's content was made from, the run treats all inputs as new.
class KeptDirectories {
 public:
  /// `directories` are paths in the sandbox. Waits for other users of a directory; if so, `waits` is called
  /// once for it. With StageRuns::anew they are emptied; with StageRuns::apart they are new directories that
  /// are deleted with this object. Throws Interrupted.
  KeptDirectories(const std::vector<std::string>& directories, const std::string& project,
                  const Options& options, store::Cache& cache,
                  const std::function<void(const std::string& directory)>& waits);
  ~KeptDirectories();
  KeptDirectories(const KeptDirectories&) = delete;
  KeptDirectories& operator=(const KeptDirectories&) = delete;
  KeptDirectories(KeptDirectories&&) = delete;
  KeptDirectories& operator=(KeptDirectories&&) = delete;

  const std::vector<sandbox::CacheMount>& mounts() const { return mounts_; }
  /// For each that is not empty: what it has seen, if known.
  const std::vector<std::optional<Seen>>& seen() const { return seen_; }
  /// Later than everything in them, in nanoseconds since 1970.
  int64_t now() const { return now_; }
  /// Must be called before the run.
  void note(const Seen& seen);

  /// Must be called before a run that is given secrets: whatever it leaves is searched, or removed.
  void expect_search();
  /// Searches what changed since `since` in each directory for declared secrets. Anything that contains one
  /// is removed, as is a directory that cannot be searched. Throws the first such Error.
  void search(const std::string& stage, const struct timespec& since);

 private:
  struct Directory {
    base::Hash id{};
    std::string path;
    std::optional<base::FileLock> lock;
    std::unique_ptr<base::TemporaryDirectory> apart;
  };
  void open(Directory& directory, const std::string& inside,
            const std::function<void(const std::string&)>& waits);
  void lock(Directory& directory, const std::string& inside,
            const std::function<void(const std::string&)>& waits);

  const Options& options_;
  store::Cache& cache_;
  std::vector<Directory> directories_;  // in lock order
  std::vector<sandbox::CacheMount> mounts_;
  std::vector<std::optional<Seen>> seen_;
  std::vector<std::unique_ptr<base::AtomicFile>> unsearched_;
  int64_t now_ = 0;
};

/// Removes what killed stages left: their work directories, and kept directories that could not be searched
/// for secrets.
void remove_leftovers(const Options& options, store::Cache& cache);

}  // namespace minibuild::build
