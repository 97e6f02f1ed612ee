// Errors that say what was being done.
#pragma once

#include <fmt/format.h>

#include <string>

#include "minibuild/base/error.h"
#include "minibuild/oci/reference.h"

namespace minibuild::build {

/// What `task` gives; its errors become `cannot ACTION: cause`, but for an interruption.
template <typename Task>
auto naming(const std::string& action, Task task) {
  try {
    return task();
  } catch (const base::Error& error) {
    throw base::Error(error.code(), fmt::format("cannot {}: {}", action, error.what()));
  }
}

template <typename Task>
auto naming(const char* what, const oci::ImageLocation& location, Task task) {
  return naming(fmt::format("{} {}", what, oci::to_string(location)), std::move(task));
}

}  // namespace minibuild::build
