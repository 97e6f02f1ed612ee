// What a repository keeps: the `retention` list of a policy file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/spec/diagnostic.h"

namespace minibuild::spec {

/// How tags are ordered, newest first.
enum class KeepBy {
  pushed,   // when the image was pushed to the repository
  created,  // when it was built, according to its config
  semver,   // by version (semver.org 2.0); tags that are not versions are not considered
};

/// One entry: what it applies to, and what it keeps of that.
struct RetentionRule {
  enum class Keep { all, last, within };
  std::vector<std::string> tags;          // globs; empty for a rule about untagged manifests
  std::vector<std::string> exclude;       // globs of tags that it does not apply to
  std::vector<std::string> repositories;  // globs of names such as `team/app`; empty: all
  Keep keep = Keep::all;
  uint64_t count = 0;      // for Keep::last
  int64_t seconds = 0;     // for Keep::within
  std::vector<KeepBy> by;  // never empty; later entries break ties
  std::string text;        // for people: `keep-last: 3, by: semver`
  Position position;
  bool untagged() const { return tags.empty(); }
};

/// Whatever at least one rule keeps stays; everything else is deleted.
struct Retention {
  std::vector<RetentionRule> rules;
  std::optional<uint64_t> max_deletions;
};

struct RetentionResult {
  Retention retention;  // usable only if there are no errors
  Diagnostics diagnostics;
};
/// Reads a policy: a map with `retention`, and optionally `max-deletions` and `minibuild: 1`. Reports every
/// fault, not only the first. Never throws on bad input.
RetentionResult parse_retention(std::string_view source);

/// `12h`, `30d`, `2w`, `3m`, `1y` in seconds; a month has 30 days, a year 365. Returns std::nullopt if `text`
/// is not an age, or above 1000 years.
std::optional<int64_t> parse_age(std::string_view text);

}  // namespace minibuild::spec
