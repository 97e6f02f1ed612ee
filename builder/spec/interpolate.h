// `${NAME}` in the values of a spec.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace minibuild::spec {

using Variables = std::map<std::string, std::string>;

struct InterpolationError {
  size_t offset = 0;  // in bytes, of the `$`
  std::string message;
  bool grows = false;  // beyond max_grown
};

/// How much the values of arguments may add to the texts of one spec, in bytes.
constexpr size_t max_grown = size_t{16} << 20;

/// `${NAME}`, `${NAME:-default}` and `$$`. `${env.NAME}` stays if `keep_env`. Anything else after `$` is an
/// error, and so is what adds more than `left` bytes, from which what was added is taken.
std::string interpolate(std::string_view text, const Variables& variables, bool keep_env, size_t& left,
                        std::vector<InterpolationError>& errors);
/// For commands: only `${NAME}` and `${NAME:-default}` of variables that are defined; all else is the
/// shell's.
std::string interpolate_command(std::string_view text, const Variables& variables, size_t& left,
                                std::vector<InterpolationError>& errors);

}  // namespace minibuild::spec
