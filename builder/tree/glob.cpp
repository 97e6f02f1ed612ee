#include "minibuild/tree/glob.h"

#include <algorithm>
#include <optional>

#include "minibuild/base/text.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::tree {

namespace {

// Matches one character against a set such as `[a-z_]`; the position behind it, or nothing if the set does
// not end.
std::optional<size_t> match_set(std::string_view pattern, size_t at, char c, bool& matched) {
  size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  bool first = true;
  while (i < pattern.size() && (pattern[i] != ']' || first)) {
    first = false;
    const auto take = [&]() -> std::optional<uint8_t> {
      if (pattern[i] == '\\') ++i;
      if (i >= pattern.size()) return std::nullopt;
      return static_cast<uint8_t>(pattern[i++]);
    };
    const auto low = take();
    if (!low) return std::nullopt;
    uint8_t high = *low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      const auto end = take();
      if (!end) return std::nullopt;
      high = *end;
    }
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= *low && byte <= high) found = true;
  }
  if (i >= pattern.size()) return std::nullopt;
  matched = found != negated;
  return i + 1;
}

// One component, without `/`. `*` is tried again from its last place only, so the time is the product of the
// lengths.
bool match_component(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  std::optional<size_t> star;
  size_t star_text = 0;
  while (t < text.size()) {
    bool advanced = false;
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      if (c == '?') {
        // A whole UTF-8 character.
        ++t;
        while (t < text.size() && (static_cast<uint8_t>(text[t]) & 0xC0U) == 0x80) ++t;
        ++p;
        advanced = true;
      } else if (c == '[') {
        bool matched = false;
        const auto end = match_set(pattern, p, text[t], matched);
        if (end && matched) {
          p = *end;
          ++t;
          advanced = true;
        }
      } else {
        const size_t literal = c == '\\' && p + 1 < pattern.size() ? p + 1 : p;
        if (pattern[literal] == text[t]) {
          p = literal + 1;
          ++t;
          advanced = true;
        }
      }
    }
    if (advanced) continue;
    if (!star) return false;
    p = *star + 1;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string> components(std::string_view text) {
  std::vector<std::string> parts = base::split(text, '/');
  std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "."; });
  return parts;
}

// `**` is tried again from its last place only, as `*` within a component. A name that is written just so
// matches, whatever is in it: `[id].tsx`.
bool match_components(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  size_t p = 0;
  size_t t = 0;
  std::optional<size_t> star;
  size_t star_path = 0;
  while (t < path.size()) {
    if (p < pattern.size() && pattern[p] == "**") {
      star = p++;
      star_path = t;
    } else if (p < pattern.size() && (pattern[p] == path[t] || match_component(pattern[p], path[t]))) {
      ++p;
      ++t;
    } else if (star) {
      p = *star + 1;
      t = ++star_path;
    } else {
      return false;
    }
  }
  // `dir/**` is what is in the directory, not the directory itself, as in .dockerignore.
  const bool ends_open = p < pattern.size() && p > 0 && pattern[p] == "**" && pattern[p - 1] != "**";
  if (ends_open) return false;
  while (p < pattern.size() && pattern[p] == "**") ++p;
  return p == pattern.size();
}

// The name that a component stands for in which `\` takes away all meaning; empty if some is left.
std::string unescaped(std::string_view component) {
  std::string name;
  for (size_t i = 0; i < component.size(); ++i) {
    if (component[i] == '\\' && i + 1 < component.size())
      ++i;
    else if (std::string_view("*?[\\").find(component[i]) != std::string_view::npos)
      return {};
    name += component[i];
  }
  return name;
}

bool starts_like_glob(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

}  // namespace

bool is_glob(std::string_view pattern) { return starts_like_glob(pattern); }

std::string glob_error(std::string_view pattern) {
  if (pattern.empty()) return "it is empty";
  if (pattern.size() > 4096) return "it is longer than 4096 bytes";
  for (size_t i = 0; i < pattern.size();) {
    if (pattern[i] == '\\') {
      if (i + 1 == pattern.size()) return "it ends with '\\'";
      i += 2;
    } else if (pattern[i] == '[') {
      bool matched = false;
      const size_t slash = std::min(pattern.find('/', i), pattern.size());
      const auto end = match_set(pattern.substr(0, slash), i, 'x', matched);
      if (!end) return "a '[' has no ']'";
      i = *end;
    } else {
      ++i;
    }
  }
  return {};
}

bool glob_match(std::string_view pattern, std::string_view path) {
  return match_components(components(pattern), components(path));
}

GlobPlace place_of_glob(std::string_view pattern, const std::function<bool(const std::string&)>& is_there) {
  GlobPlace place;
  const std::vector<std::string> parts = components(pattern);
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool has_wildcard = parts[i].find_first_of("*?") != std::string::npos;
    std::string name = parts[i];
    if (starts_like_glob(name) && (has_wildcard || !is_there(join_path(place.start, name)))) {
      name = unescaped(name);
      if (name.empty()) {
        place.rest = base::join({parts.begin() + static_cast<std::ptrdiff_t>(i), parts.end()}, "/");
        break;
      }
    }
    place.start = join_path(place.start, name);
  }
  return place;
}

}  // namespace minibuild::tree
