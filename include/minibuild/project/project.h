// A spec with all that it is read together with: the specs that it stands on, their policies, their lock
// files.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "minibuild/project/files.h"
#include "minibuild/project/lock_file.h"
#include "minibuild/project/spec_file.h"

namespace minibuild::project {

/// What a build uses of a spec: the image that it makes, or its stages.
enum class Part { image, stages };

/// What was asked for. Every file of it is opened at most once and every spec parsed at most once for the
/// same platform and arguments, when it is first needed; whoever asks again gets the same value, whatever
/// happens to the file meanwhile. Its functions may be called by several threads at once; what they give
/// lives as long as the project.
class Project {
 public:
  /// `spec` is a path or `minibuild:NAME.yaml`; `set` are values for its arguments; without `platforms` they
  /// are the spec's own, else that of this machine. Reads nothing yet. `files` must outlive the project.
  Project(std::string spec, std::map<std::string, std::string> set, std::vector<oci::Platform> platforms,
          const Files& files = disk_files());
  /// The same for other platforms; what one of the two has read the other does not read again.
  Project(const Project& same, std::vector<oci::Platform> platforms);
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;
  Project(Project&&) = delete;
  Project& operator=(Project&&) = delete;

  const std::string& path() const { return path_; }
  const std::map<std::string, std::string>& set() const { return set_; }
  /// As given, else of the spec, else this machine's: never empty. Throws as `top`.
  std::vector<oci::Platform> platforms() const;
  /// True if they were given, not found in the spec.
  bool has_own_platforms() const { return !platforms_.empty(); }

  /// The spec itself, with its errors left to the caller. Throws Error{Code::usage} if it cannot be read.
  const SpecFile& look(const oci::Platform& platform) const;
  /// As `look`, and throws Error{Code::usage} with all diagnostics rendered if there are errors.
  const SpecFile& top(const oci::Platform& platform) const;
  /// The spec that `base` of `above` names, for a platform: given those of `above`'s arguments that it
  /// declares. Throws as `top`.
  const SpecFile& below(const SpecFile& above, const spec::BaseSpec& base,
                        const oci::Platform& platform) const;
  /// The name that a spec has in lock files and messages: empty for the top, `distroless/cc`, or a path from
  /// the top's directory.
  std::string name_of(const SpecFile& file) const;

  /// Visits what a build uses: the image for each of `images`, the stages for each of `machines`, and before
  /// them both parts of the specs that they stand on, each once. Throws as `below`.
  void walk(const std::vector<oci::Platform>& images, const std::vector<oci::Platform>& machines,
            const std::function<void(const SpecFile&, Part)>& visit) const;
  /// Throws Error{Code::usage} at its place if a spec stands on itself, or more than 16 on each other, by the
  /// bases of the image or of the stages that `needed` gives of each spec.
  using Needed = std::function<std::vector<const spec::Stage*>(const SpecFile&, bool is_top)>;
  void refuse_cycles(const oci::Platform& platform, const Needed& needed) const;

  /// The lock file of the spec; std::nullopt if there is none. Throws as `parse_lock`.
  const std::optional<Lock>& lock() const { return lock_of(path_); }
  /// The lock file beside a spec of the project, or that of a shipped one.
  const std::optional<Lock>& lock_of(const std::string& spec_path) const;
  /// `:LINE` of the first text `value` in the lock file of a spec, for messages; empty if it is not there.
  std::string line_in_lock(const std::string& spec_path, const std::string& value) const;

 private:
  struct State;
  const std::string& text(const std::string& path, size_t limit) const;
  const SpecFile& parsed(const std::string& path, const std::map<std::string, std::string>& set,
                         const oci::Platform& platform) const;
  void join_policy(SpecFile& file) const;
  std::string real_name(const std::string& path) const;

  std::string path_;
  std::map<std::string, std::string> set_;
  std::vector<oci::Platform> platforms_;
  const Files& files_;
  std::shared_ptr<State> state_;
};

}  // namespace minibuild::project
