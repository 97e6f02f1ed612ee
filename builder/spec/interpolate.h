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
};

/// `${NAME}`, `${NAME:-default}` and `$$`. `${env.NAME}` stays if `keep_env`. Anything else after `$` is an
/// error.
std::string interpolate(std::string_view text, const Variables& variables, bool keep_env,
                        std::vector<InterpolationError>& errors);
/// For commands: only `${NAME}` and `${NAME:-default}` of variables that are defined; all else is the
/// shell's.
std::string interpolate_command(std::string_view text, const Variables& variables);

}  // namespace minibuild::spec
