// Which times a stage's inputs have in its sandbox: as new as they are to whatever was made from other ones.
//
// Programs such as make, ninja, cargo and maven compare times of files. What a stage starts with beside its
// inputs (its base, its kept directories) may hold what they made of earlier inputs, so an input that is not
// what they saw has to be newer than all of it. Where nothing can have been made of it, it has the epoch's
// time, which is the same everywhere; but never 0.
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

/// 1980, in seconds: what a sandbox shows in place of the time 0. Programs take 0 for a file that is not
/// there (Java's lastModified, and so Maven, which then leaves resources out), and zip archives know no
/// earlier time.
constexpr int64_t earliest_time = 315'532'800;
constexpr int64_t shown_time(int64_t seconds) { return seconds == 0 ? earliest_time : seconds; }

/// One input, and what the stage's base has in its place.
struct InputState {
  enum class Below {
    nothing,  // neither it nor the directory that it is in
    same,     // the same content
    other,    // other content, or the directory without it
  };
  base::Hash content{};
  Below below = Below::nothing;
  int64_t below_mtime = 0;  // seconds, if `same`
  bool link = false;        // a symbolic link
};

/// What was last made in a kept directory saw these inputs.
struct Seen {
  base::Hash base{};  // what the stage stood on
  struct Input {
    base::Hash content{};
    int64_t since = 0;  // the time that it had, in nanoseconds
    bool operator==(const Input&) const = default;
  };
  std::map<std::string, Input> inputs;
  bool operator==(const Seen&) const = default;
};
std::string to_text(const Seen& seen);
/// Nothing if the text is not what `to_text` gives.
std::optional<Seen> parse_seen(std::string_view text);

struct InputTimesQuestion {
  const std::map<std::string, InputState>& inputs;
  base::Hash base{};
  int64_t newest_below = 0;  // of the base's files, seconds
  /// For each kept directory that is not empty: what it saw, if that is known.
  const std::vector<std::optional<Seen>>& kept;
  int64_t epoch = 0;  // seconds
  int64_t now = 0;    // nanoseconds; later than everything in the kept directories
};
/// A link that a kept directory did not see makes all inputs new to it: programs look at the time of what a
/// link leads to, which may be an old file.
InputTimes input_times(const InputTimesQuestion& question);

}  // namespace minibuild::build
