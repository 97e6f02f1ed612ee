// Errors that say what was being attempted.
#pragma once

#include <fmt/format.h>

#include <string>

#include "minibuild/base/error.h"
#include "minibuild/oci/reference.h"

namespace minibuild::build {

/// Returns the result of `task`; its errors become `cannot ACTION: cause`, except an interruption.
template <typename Task>
auto with_context(const std::string& action, Task task) {
  try {
    return task();
  } catch (const base::Error& error) {
    throw base::Error(error.code(), fmt::format("cannot {}: {}", action, error.what()));
  }
}

template <typename Task>
auto with_context(const char* what, const oci::ImageLocation& location, Task task) {
  return with_context(fmt::format("{} {}", what, oci::to_string(location)), std::move(task));
}

}  // namespace minibuild::build
