// The secrets of a wish, and the guard that keeps them out of errors and outputs.
#pragma once

#include <memory>
#include <string>

#include "minibuild/base/error.h"
#include "minibuild/build/build.h"
#include "minibuild/pipeline/pipeline.h"

namespace minibuild::pipeline {

class Guard {
 public:
  explicit Guard(const Wish& wish)
      : forms_(wish.secret_forms ? wish.secret_forms
                                 : std::make_shared<const trust::SecretForms>(wish.secrets)) {}

  const std::shared_ptr<const trust::SecretForms>& forms() const { return forms_; }

  /// Returns the result of `task`; an error that would reveal a secret is replaced by one that does not.
  template <typename Task>
  auto over(Task task) const {
    try {
      return task();
    } catch (const base::Error& error) {
      throw build::without_secrets(*forms_, error);
    }
  }

 private:
  std::shared_ptr<const trust::SecretForms> forms_;
};

}  // namespace minibuild::pipeline
