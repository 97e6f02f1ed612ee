#include "builder/spec/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "minibuild/base/text.h"
#include "minibuild/tree/accounts.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::spec {

namespace {

std::string_view kind_name(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::scalar:
      return node.is_null() ? "nothing" : "a string";
    case YamlNode::Kind::sequence:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a map";
  }
  return "";
}

size_t code_points(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char c) { return (static_cast<uint8_t>(c) & 0xC0U) != 0x80; }));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

std::string one_of(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i)
    out += fmt::format("{}'{}'", i == 0 ? "" : i + 1 == words.size() ? " or " : ", ", words[i]);
  return out;
}

void Reader::error(Position position, std::string message, std::string rule) {
  diagnostics_.push_back({Severity::error, std::move(rule), position, std::move(message)});
}

void Reader::warning(Position position, std::string message, std::string rule) {
  diagnostics_.push_back({Severity::warning, std::move(rule), position, std::move(message)});
}

bool Reader::check_map(const YamlNode& node, std::string_view what, const Keys& keys,
                       std::string_view example) {
  if (node.kind != YamlNode::Kind::mapping) {
    error(node.position, fmt::format("{} must be a map, got {}; write {}", what, kind_name(node), example),
          "type");
    return false;
  }
  std::vector<std::string> all = keys.known;
  all.insert(all.end(), keys.later.begin(), keys.later.end());
  for (const YamlEntry& entry : node.entries) {
    if (std::find(keys.known.begin(), keys.known.end(), entry.key) != keys.known.end()) continue;
    const std::string shown = base::printable(entry.key.substr(0, 80));
    if (std::find(keys.later.begin(), keys.later.end(), entry.key) != keys.later.end()) {
      error(entry.position, fmt::format("'{}' is not supported by this version of minibuild yet", shown),
            "unsupported");
      continue;
    }
    const std::string close = base::nearest(entry.key, all);
    error(entry.position,
          close.empty() ? fmt::format("unknown key '{}'; {} has {}", shown, what, one_of(keys.known))
                        : fmt::format("unknown key '{}'; did you mean '{}'?", shown, close),
          "unknown-key");
  }
  return true;
}

std::optional<std::string> Reader::scalar(const YamlNode& node, std::string_view what,
                                          std::string_view example) {
  const std::string hint = example.empty() ? "" : fmt::format("; write {}", example);
  if (node.kind != YamlNode::Kind::scalar) {
    error(node.position, fmt::format("{} must be a string, got {}{}", what, kind_name(node), hint), "type");
    return std::nullopt;
  }
  if (node.is_null()) {
    error(node.position, fmt::format("{} has no value{}", what, hint), "type");
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> Reader::text(const YamlNode& node, std::string_view what,
                                        std::string_view example) {
  const std::optional<std::string> raw = scalar(node, what, example);
  if (!raw) return std::nullopt;
  std::vector<InterpolationError> errors;
  std::string value = interpolate(*raw, variables_, false, growth_left_, errors);
  if (!report(node, *raw, errors)) return std::nullopt;
  return value;
}

std::optional<std::string> Reader::text_keeping_env(const YamlNode& node, std::string_view what) {
  const std::optional<std::string> raw = scalar(node, what, {});
  if (!raw) return std::nullopt;
  std::vector<InterpolationError> errors;
  std::string value = interpolate(*raw, variables_, true, growth_left_, errors);
  if (!report(node, *raw, errors)) return std::nullopt;
  return value;
}

std::optional<std::string> Reader::command_text(const YamlNode& node, std::string_view what) {
  const std::optional<std::string> raw = scalar(node, what, "a command such as 'make'");
  if (!raw) return std::nullopt;
  std::vector<InterpolationError> errors;
  std::string value = interpolate_command(*raw, variables_, growth_left_, errors);
  if (!report(node, *raw, errors)) return std::nullopt;
  return value;
}

bool Reader::report(const YamlNode& node, std::string_view raw,
                    const std::vector<InterpolationError>& errors) {
  for (const InterpolationError& one : errors) {
    Position position = node.position;
    if (node.inline_style)
      position.column += static_cast<int>(code_points(raw.substr(0, one.offset))) + (node.plain ? 0 : 1);
    if (!one.grows || !std::exchange(told_growth_, true))
      error(position, one.message, one.grows ? "limit" : "undefined");
  }
  return errors.empty();
}

std::optional<bool> Reader::boolean(const YamlNode& node, std::string_view what) {
  const std::optional<std::string> value = text(node, what, "true or false");
  if (!value) return std::nullopt;
  if (*value == "true") return true;
  if (*value == "false") return false;
  error(node.position, fmt::format("{} is '{}', want true or false", what, base::printable(*value)), "type");
  return std::nullopt;
}

std::optional<uint64_t> Reader::number(const YamlNode& node, std::string_view what, uint64_t min,
                                       uint64_t max) {
  const std::optional<std::string> value = text(node, what);
  if (!value) return std::nullopt;
  const std::optional<uint64_t> result = base::parse_number(*value, max);
  if (result && *result >= min) return result;
  error(node.position, fmt::format("{} is '{}', want a number from {} to {}", what,
                                   base::printable(value->substr(0, 60)), min, max));
  return std::nullopt;
}

std::optional<uint32_t> Reader::mode(const YamlNode& node, std::string_view what) {
  const std::optional<std::string> value = text(node, what, "permission bits such as '0644'");
  if (!value) return std::nullopt;
  std::string_view digits = *value;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  const bool octal =
      !digits.empty() && digits.size() <= 5 && digits.find_first_not_of("01234567") == std::string_view::npos;
  uint32_t bits = 0;
  for (const char c : octal ? digits : std::string_view()) bits = bits * 8 + static_cast<uint32_t>(c - '0');
  if (!octal || bits > 07777) {
    error(node.position, fmt::format("{} is '{}', want permission bits in octal such as '0644' or '0755'",
                                     what, base::printable(value->substr(0, 60))));
    return std::nullopt;
  }
  if (node.plain && !value->starts_with('0')) {
    error(node.position,
          fmt::format("{} is {}, which reads as a decimal number; write '0{}'", what, *value, *value));
    return std::nullopt;
  }
  return bits;
}

std::optional<std::string> Reader::absolute_path(const YamlNode& node, std::string_view what) {
  std::optional<std::string> path = text(node, what, "a path such as /usr/bin/hello");
  if (!path) return std::nullopt;
  if (has_control(*path) || path->find('\0') != std::string::npos) {
    error(node.position, fmt::format("{} holds a control character: '{}'", what, base::printable(*path)));
    return std::nullopt;
  }
  if (!path->starts_with('/')) {
    error(node.position, fmt::format("{} must be an absolute path, got '{}'; write '/{}'", what, *path,
                                     tree::normalise(*path)));
    return std::nullopt;
  }
  for (const std::string& part : base::split(*path, '/')) {
    if (part == "..") {
      error(node.position, fmt::format("{} must not hold '..', got '{}'", what, *path));
      return std::nullopt;
    }
    if (part.starts_with(".wh.")) {
      error(
          node.position,
          fmt::format("{} has the component '{}', but names that begin with '.wh.' mark deletions in layers",
                      what, part));
      return std::nullopt;
    }
    if (part.size() > 255) {
      error(node.position,
            fmt::format("{} has a component of {} bytes, want at most 255", what, part.size()));
      return std::nullopt;
    }
  }
  if (path->size() > 4096) {
    error(node.position, fmt::format("{} has {} bytes, want at most 4096", what, path->size()));
    return std::nullopt;
  }
  return path;
}

std::vector<std::string> Reader::texts(const YamlNode& node, std::string_view what,
                                       std::string_view example) {
  std::vector<std::string> out;
  if (node.kind != YamlNode::Kind::sequence) {
    error(node.position, fmt::format("{} must be a list, got {}; write {}", what, kind_name(node), example),
          "type");
    return out;
  }
  for (const YamlNode& item : node.items)
    if (std::optional<std::string> one = text(item, fmt::format("an entry of {}", what)))
      out.push_back(std::move(*one));
  return out;
}

std::vector<std::string> Reader::globs(const YamlNode& node, std::string_view what) {
  const std::vector<std::string> out = texts(node, what, "a list of patterns such as ['**/*.md']");
  for (const std::string& glob : out)
    if (const std::string why = tree::glob_error(glob); !why.empty())
      error(node.position,
            fmt::format("{} has the malformed pattern '{}': {}", what, base::printable(glob), why));
  return out;
}

std::vector<std::string> Reader::ignore_list(const YamlNode& node, std::string_view what) {
  const std::vector<std::string> out = globs(node, what);
  for (const std::string& pattern : out)
    if (tree::glob_error(pattern).empty())
      if (const std::string why = tree::ignore_error(pattern); !why.empty())
        error(node.position, fmt::format("{} has the pattern '{}': {}", what, base::printable(pattern), why));
  return out;
}

std::vector<std::string> Reader::absolute_paths(const YamlNode& node, std::string_view what) {
  std::vector<std::string> out;
  if (node.kind != YamlNode::Kind::sequence) {
    error(node.position, fmt::format("{} must be a list, got {}; write [/var/data]", what, kind_name(node)),
          "type");
    return out;
  }
  for (const YamlNode& item : node.items)
    if (std::optional<std::string> path = absolute_path(item, fmt::format("an entry of {}", what)))
      out.push_back(std::move(*path));
  return out;
}

std::optional<std::string> Reader::user(const YamlNode& node, std::string_view what) {
  std::optional<std::string> value = text(node, what, "a user such as nonroot or 65532");
  if (!value) return std::nullopt;
  const std::vector<std::string> parts = base::split(*value, ':');
  const auto fine = [](const std::string& part) {
    if (part.empty() || part.size() > 64) return false;
    if (part.find_first_not_of("0123456789") == std::string::npos)
      return base::parse_number(part, tree::max_id).has_value();
    return part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-$") ==
               std::string::npos &&
           part.front() != '-';
  };
  if (parts.size() > 2 || !std::all_of(parts.begin(), parts.end(), fine)) {
    error(node.position, fmt::format("{} is '{}', want a name, a uid up to {}, 'name:group' or 'uid:gid'",
                                     what, base::printable(value->substr(0, 80)), tree::max_id));
    return std::nullopt;
  }
  return value;
}

Environment Reader::environment(const YamlNode& node) {
  Environment env;
  if (node.kind != YamlNode::Kind::mapping) {
    error(node.position, fmt::format("'env' must be a map, got {}; write {{ NAME: value }}", kind_name(node)),
          "type");
    return env;
  }
  for (const YamlEntry& entry : node.entries) {
    const bool bad = entry.key.empty() || entry.key.find('=') != std::string::npos || has_control(entry.key);
    if (bad)
      error(entry.position, fmt::format("'{}' is not the name of a variable", base::printable(entry.key)));
    std::optional<std::string> value =
        text_keeping_env(entry.value, fmt::format("the variable '{}'", base::printable(entry.key)));
    if (value && value->find('\0') != std::string::npos)
      error(entry.value.position, "a variable cannot hold a zero byte");
    if (value && !bad) env.emplace_back(entry.key, std::move(*value));
  }
  return env;
}

std::map<std::string, std::string> Reader::text_map(const YamlNode& node, std::string_view what) {
  std::map<std::string, std::string> out;
  if (node.kind != YamlNode::Kind::mapping) {
    error(node.position,
          fmt::format("{} must be a map, got {}; write {{ name: value }}", what, kind_name(node)), "type");
    return out;
  }
  for (const YamlEntry& entry : node.entries) {
    if (entry.key.empty()) error(entry.position, fmt::format("{} has an empty name", what));
    if (std::optional<std::string> value = text(entry.value, fmt::format("'{}'", base::printable(entry.key))))
      out[entry.key] = std::move(*value);
  }
  return out;
}

}  // namespace minibuild::spec
