// The directories of a stage's `caches`: who uses them, what they have seen of inputs, and what may not stay
// in them.
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

/// One run's use of its kept directories. Several runs may use one at the same time; then nobody knows
/// afterwards which inputs its content was made of, and the next run takes all inputs for new.
class KeptDirectories {
 public:
  /// `directories` are paths in the sandbox. Waits for whoever uses one; `waits` is called once if so. With
  /// StageRuns::anew they are emptied, with StageRuns::apart they are new ones that go with this object.
  /// Throws Interrupted.
  KeptDirectories(const std::vector<std::string>& directories, const std::string& project,
                  const Options& options, store::Cache& cache,
                  const std::function<void(const std::string& directory)>& waits);
  ~KeptDirectories();
  KeptDirectories(const KeptDirectories&) = delete;
  KeptDirectories& operator=(const KeptDirectories&) = delete;
  KeptDirectories(KeptDirectories&&) = delete;
  KeptDirectories& operator=(KeptDirectories&&) = delete;

  const std::vector<sandbox::CacheMount>& mounts() const { return mounts_; }
  /// For each that holds anything: what it has seen, if that is known.
  const std::vector<std::optional<Seen>>& seen() const { return seen_; }
  /// Later than everything in them, in nanoseconds since 1970.
  int64_t now() const { return now_; }
  /// To be called before the run.
  void note(const Seen& seen);

  /// Before a run that is given secrets: whatever it leaves is searched, or goes.
  void expect_search();
  /// Looks through what changed since `since` for declared secrets, in each of them; what holds one goes, and
  /// so does a directory that cannot be searched. Throws what was found first.
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
  std::vector<Directory> directories_;  // in the order of their locks
  std::vector<sandbox::CacheMount> mounts_;
  std::vector<std::optional<Seen>> seen_;
  std::vector<std::unique_ptr<base::AtomicFile>> unsearched_;
  int64_t now_ = 0;
};

/// Of stages that were killed: what they worked in, and kept directories that could not be searched for
/// secrets.
void remove_leftovers(const Options& options, store::Cache& cache);

}  // namespace minibuild::build
