// This machine as the commands of a stage on `base: host` see it.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace minibuild::sandbox {

/// Examines the parts of the machine that such a stage is shown, in a sandbox of its own and as the stage's
/// user. What the commands could not see does not exist here, and what they could not read is not readable.
/// The examining process starts with the first question that concerns the machine at all, and ends with this
/// object. Any number of threads may use it. Throws Error if the sandbox cannot be set up.
class HostView {
 public:
  struct Seen {
    struct stat st {};
    std::string target;     // of a symbolic link
    bool readable = false;  // a file can be opened, a directory listed and entered; else always true
  };

  /// `helper` is as for sandbox::run.
  explicit HostView(std::string helper);
  ~HostView();
  HostView(const HostView&) = delete;
  HostView& operator=(const HostView&) = delete;
  HostView(HostView&&) = delete;
  HostView& operator=(HostView&&) = delete;

  /// What is at `path`, which has no leading `/`; a link there is not followed. Returns std::nullopt if the
  /// path is not shown. Answers never change once given.
  std::optional<Seen> look(const std::string& path);
  /// Visits everything below the directory `path`, directories before their content. Visits nothing if it
  /// cannot be read.
  void for_each_below(const std::string& path,
                      const std::function<void(const std::string& path, const Seen& seen)>& visit);

 private:
  struct Process;
  Process& process();

  std::string helper_;
  std::mutex mutex_;
  std::unique_ptr<Process> process_;
  std::map<std::string, std::optional<Seen>> known_;
};

}  // namespace minibuild::sandbox
