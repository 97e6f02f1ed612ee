// The one exception type of the program.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace minibuild::base {

/// What kind of failure it is; the value is the exit status of the program.
enum class Code { failed = 1, usage = 2, refused = 3 };

/// Where in a file that the user wrote; lines and columns count from 1.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
  bool operator==(const Place&) const = default;
};

/// A failure as it is shown to the user: `cannot <do what> <to what>: <cause>`.
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// One whose message shows `place`; whoever would add a place of their own leaves it as it is.
  Error(Code code, const std::string& message, Place place)
      : std::runtime_error(message), code_(code), place_(std::move(place)) {}
  Code code() const { return code_; }
  /// std::nullopt if no place in a file is to blame.
  const std::optional<Place>& place() const { return place_; }

 private:
  Code code_;
  std::optional<Place> place_;
};

/// Thrown where the user has asked for the end. It is no Error and no std::exception, so that nothing that
/// deals with failures (a second try, a mirror, a message with more words) takes it for one; only `catch
/// (...)`, to clean up and throw again, and the caller at the very top see it.
class Interrupted {
 public:
  /// The exit status that a shell gives to what SIGINT ended.
  static constexpr int exit_status = 130;
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
