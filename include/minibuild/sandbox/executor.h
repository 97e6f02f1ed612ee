// What runs the commands of stages.
#pragma once

#include <string>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

/// Runs commands in a root file system that is described, not there: on this machine or elsewhere. Its
/// functions may be called by several threads at once.
class Executor {
 public:
  virtual ~Executor() = default;
  /// As sandbox::run: the commands one after the other until one fails; then the tar of what they left is in
  /// `request.result_fd`.
  virtual Outcome run(const Request& request, const OutputLine& output) const = 0;
};

/// In namespaces of this machine; `helper` as of sandbox::run.
class NamespaceExecutor final : public Executor {
 public:
  explicit NamespaceExecutor(std::string helper) : helper_(std::move(helper)) {}
  Outcome run(const Request& request, const OutputLine& output) const override {
    return sandbox::run(request, helper_, output);
  }

 private:
  std::string helper_;
};

}  // namespace minibuild::sandbox
