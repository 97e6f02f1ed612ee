// Messages to the user, separate from the result.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace minibuild::cli {

/// Writes to stderr. If stderr is closed, full, or no longer read by anybody, the operation in progress does
/// not fail.
template <typename... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

}  // namespace minibuild::cli
