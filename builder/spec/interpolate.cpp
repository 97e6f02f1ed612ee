#include "builder/spec/interpolate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/spec/spec.h"

namespace minibuild::spec {

namespace {

// MAX_ARG_STRLEN of Linux: no program can be started with a longer one.
constexpr size_t max_variable = size_t{128} << 10;

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// What stands between `${` and `}`.
struct Field {
  std::string_view name;
  std::optional<std::string_view> fallback;
  size_t end = 0;  // behind the `}`
};

std::optional<Field> field_at(std::string_view text, size_t dollar) {
  const size_t close = text.find('}', dollar);
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view inner = text.substr(dollar + 2, close - dollar - 2);
  Field field{inner, std::nullopt, close + 1};
  if (const size_t colon = inner.find(":-"); colon != std::string_view::npos) {
    field.name = inner.substr(0, colon);
    field.fallback = inner.substr(colon + 2);
  }
  return field;
}

std::string undefined(std::string_view name, const Variables& variables) {
  std::vector<std::string> names;
  for (const auto& [known, value] : variables) names.push_back(known);
  const std::string close = base::nearest(name, names);
  std::string message = fmt::format("'{}' is not defined", base::printable(name));
  if (!close.empty()) return message + fmt::format("; did you mean '{}'?", close);
  return message + "; add it to 'args', or write $${...} for the text itself";
}

// Puts a value in; false, and an error at `dollar`, if the spec would grow too much.
bool put(std::string_view value, size_t dollar, size_t& left, std::string& out,
         std::vector<InterpolationError>& errors) {
  if (value.size() > left) {
    errors.push_back(
        {dollar,
         fmt::format("the values of arguments make the spec grow by more than {} MiB", max_grown >> 20U),
         true});
    return false;
  }
  left -= value.size();
  out += value;
  return true;
}

}  // namespace

std::string interpolate(std::string_view text, const Variables& variables, bool keep_env, size_t& left,
                        std::vector<InterpolationError>& errors) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t dollar = text.find('$', at);
    if (dollar == std::string_view::npos) break;
    out += text.substr(at, dollar - at);
    const char next = dollar + 1 < text.size() ? text[dollar + 1] : '\0';
    if (next == '$') {
      out.push_back('$');
      at = dollar + 2;
      continue;
    }
    const std::optional<Field> field = next == '{' ? field_at(text, dollar) : std::nullopt;
    if (!field) {
      errors.push_back(
          {dollar, next == '{' ? "'${' has no '}'"
                               : "a single '$'; write '$$' for a dollar sign, or '${NAME}' for an argument"});
      at = dollar + 1;
      continue;
    }
    at = field->end;
    const auto it = variables.find(std::string(field->name));
    if (keep_env && field->name.starts_with("env.") && is_name(field->name.substr(4)) && !field->fallback)
      out += text.substr(dollar, at - dollar);
    else if (!is_name(field->name))
      errors.push_back({dollar, fmt::format("'{}' is not a name", base::printable(field->name))});
    else if (it != variables.end() && !(field->fallback && it->second.empty())) {
      if (!put(it->second, dollar, left, out, errors)) return {};
    } else if (field->fallback)
      out += *field->fallback;
    else
      errors.push_back({dollar, undefined(field->name, variables)});
  }
  if (at < text.size()) out += text.substr(at);
  return out;
}

std::string interpolate_command(std::string_view text, const Variables& variables, size_t& left,
                                std::vector<InterpolationError>& errors) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t dollar = text.find("${", at);
    if (dollar == std::string_view::npos) break;
    out += text.substr(at, dollar - at);
    // `$${` is the shell's process number and a brace.
    const bool escaped = dollar > 0 && text[dollar - 1] == '$';
    const std::optional<Field> field = escaped ? std::nullopt : field_at(text, dollar);
    const auto it = field ? variables.find(std::string(field->name)) : variables.end();
    if (it == variables.end()) {
      out += "${";
      at = dollar + 2;
      continue;
    }
    const std::string_view value = field->fallback && it->second.empty() ? *field->fallback : it->second;
    if (!put(value, dollar, left, out, errors)) return {};
    at = field->end;
  }
  if (at < text.size()) out += text.substr(at);
  return out;
}

std::string expand_base_env(std::string_view value, const Environment& base) {
  std::string out;
  size_t at = 0;
  while (at < value.size()) {
    const size_t dollar = value.find("${env.", at);
    const std::optional<Field> field =
        dollar == std::string_view::npos ? std::nullopt : field_at(value, dollar);
    if (!field) break;
    out += value.substr(at, dollar - at);
    const std::string_view name = field->name.substr(4);
    for (const auto& [known, text] : base)
      if (known == name) out += text;
    if (out.size() > max_variable) break;
    at = field->end;
  }
  out += value.substr(at);
  if (out.size() > max_variable)
    base::fail(
        "a variable of the environment grows beyond {} KiB with what the base has, more than Linux gives to "
        "a "
        "program: {}",
        max_variable >> 10U, base::printable(value.substr(0, 80)));
  return out;
}

}  // namespace minibuild::spec
