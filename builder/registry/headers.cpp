#include "builder/registry/headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "minibuild/base/text.h"

namespace minibuild::registry {

namespace {

bool is_token(char c) {
  return base::is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Reads a header from left to right.
struct Scanner {
  std::string_view rest;

  void spaces() {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  }
  bool take(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  std::string token() {
    size_t n = 0;
    while (n < rest.size() && is_token(rest[n])) ++n;
    std::string out(rest.substr(0, n));
    rest.remove_prefix(n);
    return out;
  }
  std::string lower_token() { return base::lower_case(token()); }
  // After the opening quote; nothing if it has no end.
  std::optional<std::string> quoted() {
    std::string out;
    while (!rest.empty()) {
      char c = rest.front();
      rest.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\') {
        if (rest.empty()) return std::nullopt;
        c = rest.front();
        rest.remove_prefix(1);
      }
      out.push_back(c);
    }
    return std::nullopt;
  }
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view text) {
  std::vector<Challenge> challenges;
  Scanner scanner{text};
  while (!scanner.rest.empty()) {
    scanner.spaces();
    if (scanner.take(',')) continue;
    const std::string word = scanner.lower_token();
    if (word.empty()) break;
    scanner.spaces();
    if (!scanner.take('=')) {
      challenges.push_back({word, {}});
      continue;
    }
    scanner.spaces();
    std::string value;
    if (scanner.take('"')) {
      const auto quoted = scanner.quoted();
      if (!quoted) break;
      value = *quoted;
    } else {
      value = scanner.token();
    }
    if (!challenges.empty()) challenges.back().parameters.emplace(word, value);
  }
  return challenges;
}

namespace {

struct Link {
  std::string target;
  std::string relations;  // lower case, separated by spaces
  bool has_relations = false;
};

// `<target>`, or without the brackets, as some servers write it.
std::optional<std::string> link_target(Scanner& scanner) {
  const bool bracketed = scanner.take('<');
  const size_t end = scanner.rest.find_first_of(bracketed ? ">" : ";, \t");
  if (bracketed && end == std::string_view::npos) return std::nullopt;
  std::string target(scanner.rest.substr(0, end));
  scanner.rest.remove_prefix(std::min(target.size() + (bracketed ? 1 : 0), scanner.rest.size()));
  return target;
}

// The links of one header; what follows a malformed one is left out.
std::vector<Link> parse_links(std::string_view text) {
  std::vector<Link> links;
  Scanner scanner{text};
  for (scanner.spaces(); !scanner.rest.empty(); scanner.spaces()) {
    if (scanner.take(',')) continue;
    const std::optional<std::string> target = link_target(scanner);
    if (!target || target->empty()) return links;
    Link link{*target, "", false};
    for (scanner.spaces(); scanner.take(';'); scanner.spaces()) {
      scanner.spaces();
      const std::string name = scanner.lower_token();
      scanner.spaces();
      std::string value;
      if (scanner.take('=')) {
        scanner.spaces();
        if (scanner.take('"')) {
          const auto quoted = scanner.quoted();
          if (!quoted) return links;
          value = *quoted;
        } else {
          value = scanner.token();
        }
      }
      // Of several `rel` the first counts.
      if (name != "rel" || link.has_relations) continue;
      link.relations = base::lower_case(value);
      link.has_relations = true;
    }
    links.push_back(std::move(link));
    if (!scanner.rest.empty() && scanner.rest.front() != ',') return links;
  }
  return links;
}

bool is_next(const Link& link) {
  const std::vector<std::string> relations = base::split(link.relations, ' ');
  return std::find(relations.begin(), relations.end(), "next") != relations.end();
}

}  // namespace

std::string next_link(const std::vector<std::string>& values) {
  std::string unnamed;
  for (const std::string& value : values)
    for (const Link& link : parse_links(value)) {
      if (is_next(link)) return link.target;
      if (!link.has_relations && unnamed.empty()) unnamed = link.target;
    }
  return unnamed;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  text = base::trim(text);
  if (!text.starts_with("bytes ")) return std::nullopt;
  text = base::trim(text.substr(6));
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  const auto first = base::parse_number(text.substr(0, dash));
  const auto last = base::parse_number(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{*first, *last, std::nullopt};
  const std::string_view total = text.substr(slash + 1);
  if (total == "*") return range;
  range.total = base::parse_number(total);
  if (!range.total || *range.total <= range.last) return std::nullopt;
  return range;
}

std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = base::is_alphanumeric(c) || std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(digits[static_cast<uint8_t>(c) >> 4U]);
      out.push_back(digits[static_cast<uint8_t>(c) & 15U]);
    }
  }
  return out;
}

std::optional<int64_t> parse_http_date(std::string_view text) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  // Only the form that servers must send: `Sun, 06 Nov 1994 08:49:37 GMT`.
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      !text.ends_with(" GMT"))
    return std::nullopt;
  const size_t month = months.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  const auto year = base::parse_number(text.substr(12, 4), 9999);
  if (!year) return std::nullopt;
  return base::parse_time(
      fmt::format("{:04}-{:02}-{}T{}Z", *year, month / 3 + 1, text.substr(5, 2), text.substr(17, 8)));
}

}  // namespace minibuild::registry
