// What a repository keeps: the `retention` list of a policy file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/spec/diagnostic.h"

namespace minibuild::spec {

/// What orders tags, the newest first.
enum class KeepBy {
  pushed,   // when the image came to the repository
  created,  // when it was built, as its config says
  semver,   // by version (semver.org 2.0); tags that are no version do not take part
};

/// One entry: what it is about, and what it keeps of that.
struct RetentionRule {
  enum class Keep { all, last, within };
  std::vector<std::string> tags;          // globs; empty for a rule about manifests without a tag
  std::vector<std::string> exclude;       // globs of tags that it is not about
  std::vector<std::string> repositories;  // globs of names such as `team/app`; empty: every one
  Keep keep = Keep::all;
  uint64_t count = 0;      // of Keep::last
  int64_t seconds = 0;     // of Keep::within
  std::vector<KeepBy> by;  // never empty; what comes later decides between equals
  std::string text;        // for people: `keep-last: 3, by: semver`
  Position position;
  bool untagged() const { return tags.empty(); }
};

/// Everything that one rule keeps stays; the rest goes.
struct Retention {
  std::vector<RetentionRule> rules;
  std::optional<uint64_t> max_deletions;
};

struct RetentionResult {
  Retention retention;  // usable only if there are no errors
  Diagnostics diagnostics;
};
/// Reads a policy: a map with `retention`, and perhaps `max-deletions` and `minibuild: 1`. Every fault is
/// reported, not only the first. Never throws for bad input.
RetentionResult parse_retention(std::string_view source);

/// `12h`, `30d`, `2w`, `3m`, `1y` in seconds; a month has 30 days, a year 365. Nothing if it is none, or
/// above 1000 years.
std::optional<int64_t> parse_age(std::string_view text);

}  // namespace minibuild::spec
