// The secrets of a wish: what may not be read, said or written with them.
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

  /// What `task` gives; an error that would show a secret becomes one that does not.
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

/// What the lower rooms are told of a wish.
build::Options options_of(const Wish& wish, const Guard& guard, const Edges& edges);

}  // namespace minibuild::pipeline
