// A spec with everything that is read along with it: the specs that it builds on, their policies, their lock
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

/// What a build uses of a spec: the image that it defines, or its stages.
enum class Part { image, stages };

/// The spec that was requested. Each of its files is opened at most once, and each spec is parsed at most
/// once for the same platform and arguments, when first needed. Later calls get the same value, whatever
/// happens to the file meanwhile. Several threads may call its functions at the same time; what they return
/// lives as long as the project.
class Project {
 public:
  /// `spec` is a path or `minibuild:NAME.yaml`; `set` holds values for its arguments. Without `platforms`,
  /// the spec's own are used, else that of this machine. Reads nothing yet. `files` must outlive the project.
  Project(std::string spec, std::map<std::string, std::string> set, std::vector<oci::Platform> platforms,
          const Files& files = disk_files());
  /// The same project for other platforms; what one of the two has read, the other does not read again.
  Project(const Project& same, std::vector<oci::Platform> platforms);
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;
  Project(Project&&) = delete;
  Project& operator=(Project&&) = delete;

  const std::string& path() const { return path_; }
  const std::map<std::string, std::string>& set() const { return set_; }
  /// As given, else the spec's, else this machine's: never empty. Throws like `top`.
  std::vector<oci::Platform> platforms() const;
  /// True if they were given rather than taken from the spec.
  bool has_own_platforms() const { return !platforms_.empty(); }

  /// The spec itself; its errors are left to the caller. Throws Error{Code::usage} if it cannot be read.
  const SpecFile& look(const oci::Platform& platform) const;
  /// Like `look`, but throws Error{Code::usage} with all diagnostics rendered if there are errors.
  const SpecFile& top(const oci::Platform& platform) const;
  /// The spec that `base` in `above` names, for a platform. It gets those of `above`'s arguments that it
  /// declares. Throws like `top`.
  const SpecFile& below(const SpecFile& above, const spec::BaseSpec& base,
                        const oci::Platform& platform) const;
  /// The name of a spec in lock files and messages: empty for the top, `distroless/cc`, or a path from the
  /// top's directory.
  std::string name_of(const SpecFile& file) const;

  /// Visits what a build uses: the image for each of `images`, the stages for each of `machines`, and before
  /// them both parts of the specs that they build on, each once. Throws like `below`.
  void walk(const std::vector<oci::Platform>& images, const std::vector<oci::Platform>& machines,
            const std::function<void(const SpecFile&, Part)>& visit) const;
  /// Throws Error{Code::usage} at its place if a spec builds on itself, or if more than 16 build on each
  /// other, through the bases of the image or of the stages that `needed` returns for each spec.
  using Needed = std::function<std::vector<const spec::Stage*>(const SpecFile&, bool is_top)>;
  void refuse_cycles(const oci::Platform& platform, const Needed& needed) const;

  /// The lock file of the spec; std::nullopt if there is none. Throws like `parse_lock`.
  const std::optional<Lock>& lock() const { return lock_of(path_); }
  /// The lock file next to a spec of the project, or that of a shipped spec.
  const std::optional<Lock>& lock_of(const std::string& spec_path) const;
  /// `:LINE` of the first occurrence of the text `value` in the lock file of a spec, for messages; empty if
  /// there is none.
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
