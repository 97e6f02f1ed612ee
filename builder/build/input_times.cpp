#include "builder/build/input_times.h"

#include <fmt/format.h>

#include <algorithm>

#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

constexpr int64_t second = 1'000'000'000;
constexpr std::string_view magic = "seen 1";

// Later than everything in the base, and not in the future if that can be.
int64_t after(int64_t newest_seconds, int64_t now) {
  const int64_t newest = newest_seconds * second;
  return newest + second <= now ? newest + second : std::max(now, newest + 1);
}

bool saw(const Seen& seen, const std::string& path, const InputState& input) {
  const auto known = seen.inputs.find(path);
  return known != seen.inputs.end() && known->second.content == input.content;
}

// What of `seen` says anything of these inputs: nothing if it was made with other tools or through other
// links.
const Seen* that_counts(const std::optional<Seen>& seen, const InputTimesQuestion& question) {
  if (!seen || seen->base != question.base) return nullptr;
  for (const auto& [path, input] : question.inputs)
    if (input.link && !saw(*seen, path, input)) return nullptr;
  return &*seen;
}

}  // namespace

std::string to_text(const Seen& seen) {
  std::string out = fmt::format("{}\n{}\n", magic, base::to_hex(seen.base));
  // What is left out is taken for new: that is safe.
  for (const auto& [path, input] : seen.inputs)
    if (input.since >= 0 && path.find('\n') == std::string::npos)
      out += fmt::format("{} {} {}\n", base::to_hex(input.content), input.since, path);
  return out;
}

std::optional<Seen> parse_seen(std::string_view text) {
  const std::vector<std::string> lines = base::split(text, '\n');
  if (lines.size() < 2 || lines[0] != magic) return std::nullopt;
  Seen seen;
  const auto base_hash = base::hash_from_hex(lines[1]);
  if (!base_hash) return std::nullopt;
  seen.base = *base_hash;
  for (size_t i = 2; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const size_t space = lines[i].find(' ');
    const size_t next = space == std::string::npos ? space : lines[i].find(' ', space + 1);
    if (next == std::string::npos) return std::nullopt;
    const auto content = base::hash_from_hex(lines[i].substr(0, space));
    const auto since = base::parse_number(lines[i].substr(space + 1, next - space - 1), INT64_MAX);
    if (!content || !since) return std::nullopt;
    seen.inputs[lines[i].substr(next + 1)] = {*content, static_cast<int64_t>(*since)};
  }
  return seen;
}

InputTimes input_times(const InputTimesQuestion& question) {
  std::vector<const Seen*> kept;
  for (const std::optional<Seen>& seen : question.kept) kept.push_back(that_counts(seen, question));
  InputTimes times;
  for (const auto& [path, input] : question.inputs) {
    int64_t time = shown_time(question.epoch) * second;
    if (input.below == InputState::Below::same) time = input.below_mtime * second;
    if (input.below == InputState::Below::other)
      time = std::max(time, after(question.newest_below, question.now));
    for (const Seen* seen : kept)
      time = std::max(
          time, seen != nullptr && saw(*seen, path, input) ? seen->inputs.at(path).since : question.now);
    times.emplace(path, time);
  }
  return times;
}

}  // namespace minibuild::build
