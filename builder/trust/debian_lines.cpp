#include "builder/trust/debian_lines.h"

#include <algorithm>
#include <optional>

#include "builder/trust/advisory_records.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"

namespace minibuild::trust {

namespace {

// The number between `mark` and `then`, at the last place where they stand so.
std::optional<uint64_t> number_between(std::string_view version, std::string_view mark, char then,
                                       size_t* at = nullptr) {
  for (size_t start = version.rfind(mark); start != std::string_view::npos && start > 0;
       start = version.rfind(mark, start - 1)) {
    std::string_view rest = version.substr(start + mark.size());
    const size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const auto number = base::parse_number(rest.substr(0, end), 1000);
    if (!number || end == rest.size() || rest[end] != then) continue;
    if (at != nullptr) *at = start;
    return number;
  }
  return std::nullopt;
}

// `+deb12u3`, `~deb12u1`: an update of a stable release.
std::optional<uint64_t> stable_update(std::string_view version) {
  const auto plus = number_between(version, "+deb", 'u');
  return plus ? plus : number_between(version, "~deb", 'u');
}

// How many numbers and texts between them two versions have in common from their start.
size_t nearness(std::string_view a, std::string_view b) {
  size_t common = 0;
  for (size_t i = 0; i < a.size() && i < b.size() && base::is_digit(a[i]) == base::is_digit(b[i]); ++common) {
    const auto end_of = [&](std::string_view text) {
      size_t end = i;
      while (end < text.size() && base::is_digit(text[end]) == base::is_digit(text[i])) ++end;
      return end;
    };
    const size_t end = end_of(a);
    if (end != end_of(b) || a.substr(i, end - i) != b.substr(i, end - i)) break;
    i = end;
  }
  return common;
}

// An update that is newer than the data has as much in common with what its release had: `6.1.` of
// `6.1.175-1`.
constexpr size_t updates_share = 4;

}  // namespace

std::vector<std::string> debian_releases_from(const std::string& ecosystem) {
  std::vector<std::string> list;
  for (const Release& one : debian_releases()) {
    std::string name = std::string("Debian:") + one.number;
    if (!list.empty() || name == ecosystem) list.push_back(std::move(name));
  }
  if (list.empty()) return {ecosystem};
  list.emplace_back("Debian:sid");
  return list;
}

std::string without_backport(std::string_view version) {
  size_t at = 0;
  return std::string(number_between(version, "~bpo", '+', &at) ? version.substr(0, at) : version);
}

std::string debian_line(std::string_view version, const std::vector<std::string>& releases,
                        const std::map<std::string, std::string>& newest) {
  const auto begin_with = [&](uint64_t number) {
    const auto it = std::find(releases.begin(), releases.end(), fmt::format("Debian:{}", number));
    return it == releases.end() ? releases.begin() : it;
  };
  const std::string bare = without_backport(version);
  const auto backport = number_between(version, "~bpo", '+');
  if (const auto update = stable_update(bare)) return *begin_with(*update);
  const std::vector<std::string>::const_iterator first =
      backport ? begin_with(*backport + 1) : releases.begin();
  std::string nearest;
  size_t most = updates_share - 1;
  std::string last;
  for (auto release = first; release != releases.end(); ++release) {
    const auto known = newest.find(*release);
    if (known == newest.end()) continue;
    last = *release;
    if (const size_t near = nearness(bare, known->second); near > most) {
      nearest = last;
      most = near;
    }
    if (packages::compare_deb_versions(bare, known->second) <= 0) break;
  }
  if (last.empty()) return *first;
  return nearest.empty() ? last : nearest;
}

}  // namespace minibuild::trust
