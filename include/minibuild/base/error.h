// The program's only exception type for failures.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace minibuild::base {

/// The kind of failure; its value is the exit status of the program.
enum class Code { failed = 1, usage = 2, refused = 3 };

/// A place in a file that the user wrote; lines and columns count from 1.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
  bool operator==(const Place&) const = default;
};

/// A failure as the user sees it: `cannot <do what> <to what>: <cause>`.
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// An error whose message already shows `place`; callers that would add a place of their own leave it
  /// alone.
  Error(Code code, const std::string& message, Place place)
      : std::runtime_error(message), code_(code), place_(std::move(place)) {}
  Code code() const { return code_; }
  /// Returns std::nullopt if no place in a file is to blame.
  const std::optional<Place>& place() const { return place_; }

 private:
  Code code_;
  std::optional<Place> place_;
};

/// Thrown when the user has asked to stop. It is neither an Error nor a std::exception, so code that handles
/// failures (retries, falls back to a mirror, extends the message) does not catch it. Only `catch (...)`
/// blocks that clean up and rethrow, and the outermost caller, see it.
class Interrupted {
 public:
  /// The exit status that shells report for a program ended by SIGINT.
  static constexpr int exit_status = 130;
};

/// Throws Error{Code::failed} with a message formatted by fmt.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(Code::failed, fmt::format(format, std::forward<Args>(args)...));
}

/// The text for the current `errno`, not translated for the locale.
std::string errno_text();
/// The text for the error number `number`.
std::string errno_text(int number);

}  // namespace minibuild::base
