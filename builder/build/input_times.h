// The times of a stage's inputs in its sandbox: as new as they must be relative to whatever was made from
// earlier ones.
//
// Programs such as make, ninja, cargo and maven compare file times. What a stage starts with besides its
// inputs (its base, its kept directories) may contain what they made from earlier inputs, so an input that
// differs from what they saw must be newer than all of that. If nothing can have been made from it, it has
// the epoch's time, which is the same everywhere; but never 0.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/sha256.h"

namespace minibuild::build {

/// Nanoseconds since 1970, by path.
using InputTimes = std::map<std::string, int64_t>;

/// 1980, in seconds: what a sandbox shows instead of time 0. Programs take 0 to mean that a file does not
/// exist (Java's lastModified, and hence Maven, which then omits resources), and zip archives cannot
/// represent an earlier time.
constexpr int64_t earliest_time = 315'532'800;
constexpr int64_t shown_time(int64_t seconds) { return seconds == 0 ? earliest_time : seconds; }

/// One input, and what the stage's base has at the same path.
struct InputState {
  enum class Below {
    nothing,  // neither it nor its directory
    same,     // the same content
    other,    // other content, or the directory without it
  };
  base::Hash content{};
  Below below = Below::nothing;
  int64_t below_mtime = 0;  // seconds, if `same`
  bool link = false;        // a symbolic link
};

/// The inputs that the last run with a kept directory saw.
struct Seen {
  base::Hash base{};  // the base of the stage
  struct Input {
    base::Hash content{};
    int64_t since = 0;  // the time that it had, in nanoseconds
    bool operator==(const Input&) const = default;
  };
  std::map<std::string, Input> inputs;
  bool operator==(const Seen&) const = default;
};
std::string to_text(const Seen& seen);
/// Returns std::nullopt for anything that `to_text` does not produce.
std::optional<Seen> parse_seen(std::string_view text);

struct InputTimesQuestion {
  const std::map<std::string, InputState>& inputs;
  base::Hash base{};
  int64_t newest_below = 0;  // of the base's files, in seconds
  /// For each kept directory that is not empty: what it saw, if known.
  const std::vector<std::optional<Seen>>& kept;
  int64_t epoch = 0;  // seconds
  int64_t now = 0;    // nanoseconds; later than everything in the kept directories
};
/// A symlink that a kept directory did not see makes all inputs new to it: programs look at the time of the
/// link's target, which may be an old file.
InputTimes input_times(const InputTimesQuestion& question);

}  // namespace minibuild::build
