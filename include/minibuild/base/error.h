// The one exception type of the program.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace minibuild::base {

/// What kind of failure it is; the value is the exit status of the program.
enum class Code { failed = 1, usage = 2, refused = 3, interrupted = 130 };

/// A failure as it is shown to the user: `cannot <do what> <to what>: <cause>`.
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

/// Throws Error{Code::failed} with a message in the format of fmt.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(Code::failed, fmt::format(format, std::forward<Args>(args)...));
}

/// The text of the current `errno`, without the locale's translation.
std::string errno_text();
/// The text of the error number `number`.
std::string errno_text(int number);

}  // namespace minibuild::base
