// Runs the commands of stages.
#pragma once

#include <string>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

/// Runs commands, on this machine or elsewhere, in a root file system that is described rather than present.
/// Several threads may call its functions at the same time.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Like sandbox::run: runs the commands one after the other until one fails. The tar of what they left is
  /// then in `request.result_fd`.
  virtual Outcome run(const Request& request, const OutputLine& output) const = 0;
};

/// Runs them in namespaces on this machine; `helper` is as for sandbox::run.
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
