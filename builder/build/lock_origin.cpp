#include "builder/build/lock_origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

// A segment of a path without its percent-encoding; nothing if it could be read as anything but a name.
std::optional<std::string> plain_segment(std::string_view segment) {
  std::string plain;
  for (size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c == '%') {
      static constexpr std::string_view digits = "0123456789abcdef0123456789ABCDEF";
      const size_t high = i + 2 < segment.size() ? digits.find(segment[i + 1]) : std::string_view::npos;
      const size_t low = i + 2 < segment.size() ? digits.find(segment[i + 2]) : std::string_view::npos;
      if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
      // Letters of the upper case are 16 further on than their digits; a decimal digit is found first.
      c = static_cast<char>((high % 16) * 16 + low % 16);
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F || c == '/' || c == '\\' || c == '?' || c == '#') return std::nullopt;
    plain.push_back(c);
  }
  if (plain.empty() || plain == "." || plain == "..") return std::nullopt;
  return plain;
}

// The segments of what a URL has below `directory`; nothing if it is not below it.
std::optional<std::vector<std::string>> below(const std::string& url, const std::string& directory) {
  if (!url.starts_with(directory + "/")) return std::nullopt;
  std::vector<std::string> segments;
  for (const std::string& raw : base::split(std::string_view(url).substr(directory.size() + 1), '/')) {
    auto plain = plain_segment(raw);
    // A query or a fragment is not a part of a name, in whatever form; they are not encoded when they count.
    if (!plain || raw.find_first_of("?#") != std::string::npos) return std::nullopt;
    segments.push_back(std::move(*plain));
  }
  return segments;
}

bool is_snapshot(std::string_view part) {
  return part.size() == 16 && part[8] == 'T' && part[15] == 'Z' &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == 'T' || c == 'Z'; });
}

// The start of `url` that is `directory` at another date of its snapshots; `directory` itself if there is
// none.
std::string at_its_snapshot(const std::string& url, const std::string& directory) {
  const std::vector<std::string> have = base::split(url, '/');
  std::vector<std::string> want = base::split(directory, '/');
  if (have.size() < want.size()) return directory;
  for (size_t i = 0; i < want.size(); ++i)
    if (is_snapshot(want[i]) && is_snapshot(have[i])) want[i] = have[i];
  return base::join(want, "/");
}

// `NAME_VERSION_ARCHITECTURE.deb`, as all archives have it; a name of another form says nothing.
bool contradicts(const std::string& file, const project::LockedPackage& package) {
  if (!file.ends_with(".deb")) return false;
  const std::vector<std::string> parts = base::split(file.substr(0, file.size() - 4), '_');
  if (parts.size() != 3) return false;
  if (parts[0] != package.name) return true;
  const std::string& version = package.version;
  const std::string without_epoch =
      version.substr(version.find(':') == std::string::npos ? 0 : version.find(':') + 1);
  const bool is_version = !parts[1].empty() && parts[1][0] >= '0' && parts[1][0] <= '9';
  return is_version && !version.starts_with(parts[1]) && !without_epoch.starts_with(parts[1]) &&
         !parts[1].starts_with(without_epoch);
}

bool fits_deb(const project::LockedPackage& package, const std::string& directory) {
  const auto segments = below(package.url, directory);
  return segments && !segments->back().ends_with(".apk") && !contradicts(segments->back(), package);
}

bool fits_apk(const project::LockedPackage& package, const std::string& directory,
              const std::string& architecture) {
  const auto segments = below(package.url, directory);
  return segments && segments->size() == 2 && segments->front() == architecture &&
         segments->back() == package.name + "-" + package.version + ".apk";
}

std::vector<std::string> directories_of(const spec::Source& source) {
  if (source.kind == spec::Source::Kind::deb || source.components.empty()) return {source.url};
  std::vector<std::string> all;
  for (const std::string& repository : source.components) all.push_back(source.url + "/" + repository);
  return all;
}

}  // namespace

std::string source_of(const project::LockedPackage& package, const std::vector<std::string>& source_texts) {
  std::string best;
  size_t length = 0;
  for (const std::string& text : source_texts) {
    // `NAME deb URL SUITES COMPONENTS`, `NAME apk URL REPOSITORIES`
    const std::vector<std::string> words = base::split(text, ' ');
    if (words.size() < 3) continue;
    std::vector<std::string> directories = {words[2]};
    // Two sources may be repositories below one URL.
    if (words[1] == "apk" && words.size() > 3 && !words[3].empty()) {
      directories.clear();
      for (const std::string& repository : base::split(words[3], ','))
        directories.push_back(words[2] + "/" + repository);
    }
    for (const std::string& directory : directories) {
      if (directory.size() < length || !package.url.starts_with(directory + "/")) continue;
      best = words[0];
      length = directory.size();
    }
  }
  return best;
}

std::optional<std::string> wrong_origin(const project::LockedPackage& package, const spec::Spec& spec,
                                        const std::string& architecture, bool other_snapshots) {
  const std::string subject = fmt::format("'{}' from {}", package.name, base::printable(package.url));
  if (package.architecture != architecture && package.architecture != "all" &&
      package.architecture != "noarch")
    return fmt::format("'{}' of the architecture {}, want {}", package.name,
                       base::printable(package.architecture), architecture);
  std::vector<std::string> places;
  bool is_below = false;
  for (const spec::Source& source : spec.sources) {
    places.push_back(fmt::format("{}: {}", source.name, source.url));
    for (const std::string& written : directories_of(source)) {
      const std::string directory = other_snapshots ? at_its_snapshot(package.url, written) : written;
      if (source.kind == spec::Source::Kind::deb ? fits_deb(package, directory)
                                                 : fits_apk(package, directory, architecture))
        return std::nullopt;
      is_below = is_below || below(package.url, directory).has_value();
    }
  }
  if (is_below)
    return fmt::format("{}, which is not the file of {} {}", subject, package.name, package.version);
  return fmt::format("{}, which is below none of the spec's sources ({})", subject, base::join(places, ", "));
}

}  // namespace minibuild::build
