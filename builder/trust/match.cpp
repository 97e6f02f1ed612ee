// Packages against advisories.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "builder/trust/advisory_records.h"
#include "builder/trust/debian_lines.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"
#include "minibuild/trust/scan.h"

namespace minibuild::trust {

using base::fail;

namespace {

using EventKind = VersionEvent::Kind;

int compare(packages::Format format, std::string_view a, std::string_view b) {
  return format == packages::Format::deb ? packages::compare_deb_versions(a, b)
                                         : packages::compare_apk_versions(a, b);
}

// A version against that of an event; `0` of `introduced` is before all.
int compare_event(packages::Format format, std::string_view version, const VersionEvent& event) {
  if (event.kind == EventKind::introduced && event.version == "0") return 1;
  return compare(format, version, event.version);
}

VersionRange in_order(const VersionRange& range, packages::Format format) {
  VersionRange sorted = range;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const VersionEvent& a, const VersionEvent& b) {
    const auto first = [](const VersionEvent& e) {
      return e.kind == EventKind::introduced && e.version == "0";
    };
    if (first(a) || first(b)) return first(a) && !first(b);
    return compare(format, a.version, b.version) < 0;
  });
  return sorted;
}

bool in_range(const VersionRange& range, std::string_view version, packages::Format format) {
  bool limited = false;
  bool below_limit = false;
  for (const VersionEvent& event : range)
    if (event.kind == EventKind::limit) {
      limited = true;
      below_limit = below_limit || event.version == "*" || compare(format, version, event.version) < 0;
    }
  if (limited && !below_limit) return false;
  bool affected = false;
  for (const VersionEvent& event : in_order(range, format)) {
    const int order = compare_event(format, version, event);
    if (event.kind == EventKind::introduced && order >= 0) affected = true;
    if (event.kind == EventKind::fixed && order >= 0) affected = false;
    if (event.kind == EventKind::last_affected && order > 0) affected = false;
  }
  return affected;
}

// The first version after `version` that something calls fixed and that is not affected by anything else;
// empty if there is none.
std::string fix_of(const Advisory& advisory, std::string_view version, packages::Format format) {
  constexpr size_t most = 64;  // each is held against all ranges
  std::vector<std::string> fixes;
  for (const VersionRange& range : advisory.ranges)
    for (const VersionEvent& event : range)
      if (event.kind == EventKind::fixed && compare(format, version, event.version) < 0)
        fixes.push_back(event.version);
  std::sort(fixes.begin(), fixes.end(),
            [&](const std::string& a, const std::string& b) { return compare(format, a, b) < 0; });
  fixes.erase(std::unique(fixes.begin(), fixes.end()), fixes.end());
  for (size_t i = 0; i < std::min(fixes.size(), most); ++i)
    if (!is_affected(advisory, fixes[i], format)) return fixes[i];
  return {};
}

bool decides(Feed feed) { return feed == Feed::debian_tracker || feed == Feed::alpine_secdb; }

// What all advisories together say about one id and one package.
struct Judgement {
  Advisory::State state = Advisory::State::not_affected;
  std::vector<const Advisory*> affecting;
};

Judgement verdict_of(const std::vector<const Advisory*>& said, const InstalledPackage& package,
                     const std::string& version) {
  const bool decided =
      std::any_of(said.begin(), said.end(), [](const Advisory* a) { return decides(a->feed); });
  Judgement verdict;
  for (const Advisory* advisory : said) {
    if (decided && !decides(advisory->feed)) continue;
    if (advisory->state == Advisory::State::undetermined && verdict.affecting.empty())
      verdict.state = Advisory::State::undetermined;
    if (advisory->state != Advisory::State::affected || !is_affected(*advisory, version, package.format))
      continue;
    verdict.state = Advisory::State::affected;
    verdict.affecting.push_back(advisory);
  }
  return verdict;
}

// Severity and vector: the distribution's own word, else the highest score that anyone gives.
void rate(Vulnerability& found, const std::vector<const Advisory*>& said) {
  for (const Advisory* advisory : said) {
    if (advisory->score > found.score || (found.vector.empty() && !advisory->vector.empty())) {
      found.score = advisory->score;
      found.vector = advisory->vector;
    }
    if (found.urgency.empty()) found.urgency = advisory->urgency;
    if (decides(advisory->feed) && advisory->severity != Severity::unknown)
      found.severity = advisory->severity;
  }
  if (found.severity != Severity::unknown) return;
  for (const Advisory* advisory : said) found.severity = std::max(found.severity, advisory->severity);
}

Vulnerability describe(const std::string& id, const InstalledPackage& package, const Judgement& verdict,
                       const std::vector<const Advisory*>& said) {
  Vulnerability found;
  found.id = id;
  found.package = package;
  for (const Advisory* advisory : verdict.affecting) {
    const std::string fix = fix_of(*advisory, package.source_version, package.format);
    if (!fix.empty() &&
        (found.fixed_version.empty() || compare(package.format, fix, found.fixed_version) > 0))
      found.fixed_version = fix;
    if (found.status.empty()) found.status = advisory->note;
    found.feeds.push_back(advisory->feed);
  }
  for (const Advisory* advisory : said) {
    if (found.title.empty()) found.title = advisory->title;
    if (found.url.empty()) found.url = advisory->url;
    if (advisory->id != id) found.aliases.push_back(advisory->id);
    found.aliases.insert(found.aliases.end(), advisory->aliases.begin(), advisory->aliases.end());
  }
  sort_unique(found.aliases);
  std::sort(found.feeds.begin(), found.feeds.end());
  found.feeds.erase(std::unique(found.feeds.begin(), found.feeds.end()), found.feeds.end());
  if (!found.fixed_version.empty())
    found.status = "fix-available";
  else if (found.status.empty())
    found.status = "affected";
  rate(found, said);
  return found;
}

// All advisories about source packages, looked up once each.
class Lookup {
 public:
  Lookup(const Advisories& advisories, std::vector<std::string> ecosystems)
      : advisories_(advisories), ecosystems_(std::move(ecosystems)) {
    if (ecosystems_.front().starts_with("Debian:")) releases_ = debian_releases_from(ecosystems_.front());
  }

  // By the ids that they are about, those that the package's version is to be held against.
  std::map<std::string, std::vector<const Advisory*>> about(const InstalledPackage& package) {
    const Known& known = about_source(package.source);
    if (releases_.empty()) return known.by_id;
    const std::string line = debian_line(package.source_version, releases_, known.newest);
    std::map<std::string, std::vector<const Advisory*>> chosen;
    for (const auto& [id, all] : known.by_id)
      if (auto some = of_line(all, line); !some.empty()) chosen.emplace(id, std::move(some));
    return chosen;
  }

  // The version that fixed sid, which all later ones have; empty if there is none.
  std::string fixed_in_sid(const std::string& source, const std::string& id) {
    const Known& known = about_source(source);
    const auto all = known.by_id.find(id);
    if (all == known.by_id.end()) return {};
    for (const Advisory* one : all->second)
      if (one->feed == Feed::debian_tracker && one->ecosystem == "Debian:sid")
        for (const VersionRange& range : one->ranges)
          for (const VersionEvent& event : range)
            if (event.kind == EventKind::fixed) return event.version;
    return {};
  }

 private:
  struct Known {
    std::vector<Advisory> all;
    std::map<std::string, std::vector<const Advisory*>> by_id;
    std::map<std::string, std::string> newest;  // by release
  };

  const Known& about_source(const std::string& source) {
    const auto [place, fresh] = known_.try_emplace(source);
    Known& known = place->second;
    if (!fresh) return known;
    const auto add = [&](const std::string& ecosystem) {
      for (Advisory& one : advisories_.find(ecosystem, source)) known.all.push_back(std::move(one));
    };
    for (const std::string& ecosystem : ecosystems_) add(ecosystem);
    for (size_t i = 1; i < releases_.size(); ++i) add(releases_[i]);
    for (const Advisory& one : known.all) {
      if (one.cves.empty()) known.by_id[one.id].push_back(&one);
      for (const std::string& cve : one.cves) known.by_id[cve].push_back(&one);
      if (!one.newest.empty()) known.newest[one.ecosystem] = one.newest;
    }
    return known;
  }

  // Each feed's word about the line, or about the next release after it of which it says something, or about
  // the image's own; what is said of all releases stays.
  std::vector<const Advisory*> of_line(const std::vector<const Advisory*>& all,
                                       const std::string& line) const {
    std::vector<std::string> order(std::find(releases_.begin(), releases_.end(), line), releases_.end());
    if (line == releases_.front())
      order.resize(1);
    else
      order.push_back(releases_.front());
    std::map<Feed, std::string> spoken_of;
    for (const std::string& release : order)
      for (const Advisory* one : all)
        if (one->ecosystem == release) spoken_of.try_emplace(one->feed, release);
    std::vector<const Advisory*> some;
    for (const Advisory* one : all) {
      const auto release = spoken_of.find(one->feed);
      const bool is_of_all = one->ecosystem == "Debian";
      if (is_of_all || (release != spoken_of.end() && release->second == one->ecosystem)) some.push_back(one);
    }
    return some;
  }

  const Advisories& advisories_;
  std::vector<std::string> ecosystems_;
  std::vector<std::string> releases_;  // of Debian: the image's and those after it
  std::map<std::string, Known> known_;
};

// What is not below the version that fixed sid is fixed, as debsecan has it.
bool is_fixed_in_sid(Lookup& lookup, const InstalledPackage& package, const std::string& id,
                     const std::string& version) {
  if (package.format != packages::Format::deb) return false;
  const std::string fixed = lookup.fixed_in_sid(package.source, id);
  return !fixed.empty() && compare(package.format, version, fixed) >= 0;
}

template <typename Visit>
void for_each_verdict(const Inventory& inventory, const Advisories& advisories, Visit visit) {
  const std::vector<std::string> ecosystems = ecosystems_of(inventory.os);
  if (ecosystems.empty()) return;
  const auto format = format_of(ecosystems.front());
  const bool is_debian = ecosystems.front().starts_with("Debian:");
  Lookup lookup(advisories, ecosystems);
  for (const InstalledPackage& package : inventory.packages) {
    if (package.format != format) continue;
    const std::string version = is_debian ? without_backport(package.source_version) : package.source_version;
    for (const auto& [id, said] : lookup.about(package)) {
      const Judgement verdict = verdict_of(said, package, version);
      if (verdict.state == Advisory::State::not_affected ||
          !(is_debian && is_fixed_in_sid(lookup, package, id, version)))
        visit(package, id, said, verdict);
    }
  }
}

std::string codename_of(const OperatingSystem& os) {
  if (!os.codename.empty()) return os.codename;
  // Of testing and unstable: `Debian GNU/Linux trixie/sid`.
  const size_t slash = os.name.rfind("/sid");
  if (slash == std::string::npos) return {};
  return os.name.substr(os.name.rfind(' ', slash) + 1, slash - os.name.rfind(' ', slash) - 1);
}

}  // namespace

bool is_affected(const Advisory& advisory, std::string_view version, packages::Format format) {
  for (const VersionRange& range : advisory.ranges)
    if (in_range(range, version, format)) return true;
  return std::any_of(advisory.versions.begin(), advisory.versions.end(),
                     [&](const std::string& one) { return compare(format, one, version) == 0; });
}

std::vector<std::string> ecosystems_of(const OperatingSystem& os) {
  if (os.id == "debian") {
    const std::string release = os.version_id.empty() ? codename_of(os) : os.version_id;
    if (release.empty()) return {};
    return {debian_ecosystem(release.substr(0, release.find('.'))), "Debian"};
  }
  if (os.id == "alpine") {
    const std::string& version = os.version_id;
    if (version.find("alpha") != std::string::npos || version == "edge") return {"Alpine:edge"};
    const size_t dot = version.find('.');
    if (dot == std::string::npos || dot == 0) return {};
    return {"Alpine:v" + version.substr(0, version.find_first_not_of("0123456789", dot + 1))};
  }
  if (os.id == "ubuntu" && !os.version_id.empty())
    return {"Ubuntu:" + os.version_id, "Ubuntu:" + os.version_id + ":LTS"};
  if (os.id == "wolfi") return {"Wolfi"};
  if (os.id == "chainguard") return {"Chainguard"};
  return {};
}

std::optional<packages::Format> package_format_of(const OperatingSystem& os) {
  const std::vector<std::string> ecosystems = ecosystems_of(os);
  return ecosystems.empty() ? std::nullopt : format_of(ecosystems.front());
}

std::string nothing_to_say(const Inventory& inventory, const Advisories& advisories) {
  const OperatingSystem& os = inventory.os;
  const std::string name = os.name.empty() ? os.id + " " + os.version_id : os.name;
  if (os.id.empty()) return "it has no etc/os-release that says which system its packages are of";
  const std::vector<std::string> ecosystems = ecosystems_of(os);
  if (ecosystems.empty())
    return fmt::format("no advisories are known for its system, {}", base::printable(name));
  const auto format = format_of(ecosystems.front());
  if (std::none_of(inventory.packages.begin(), inventory.packages.end(),
                   [&](const InstalledPackage& p) { return p.format == format; }))
    return fmt::format("it has no list of packages of its system, {}", base::printable(name));
  std::set<std::string> others;
  for (const FeedFacts& feed : advisories.feeds()) {
    // What is said of every release (`Debian`) adds to what is known of one, and is not enough alone.
    const bool is_of_release = feed.ecosystem != "Debian";
    if (is_of_release && std::find(ecosystems.begin(), ecosystems.end(), feed.ecosystem) != ecosystems.end())
      return {};
    others.insert(feed.ecosystem);
  }
  std::vector<std::string> few(others.begin(), others.end());
  if (few.size() > 8) {
    few.resize(8);
    few.emplace_back("…");
  }
  return fmt::format("the advisories say nothing about {}{}", base::printable(ecosystems.front()),
                     few.empty() ? "" : "; they are about " + base::printable(base::join(few, ", ")));
}

std::vector<Vulnerability> scan(const Inventory& inventory, const Advisories& advisories) {
  if (const std::string why = nothing_to_say(inventory, advisories); !why.empty())
    fail("nothing can be said about vulnerabilities of this image: {}", why);
  std::vector<Vulnerability> found;
  for_each_verdict(inventory, advisories,
                   [&](const InstalledPackage& package, const std::string& id,
                       const std::vector<const Advisory*>& said, const Judgement& verdict) {
                     if (verdict.state == Advisory::State::affected)
                       found.push_back(describe(id, package, verdict, said));
                   });
  // The packages are in order; within one, the worst comes first.
  const auto key = [](const Vulnerability& v) {
    return std::tie(v.package.name, v.package.version, v.package.architecture);
  };
  std::stable_sort(found.begin(), found.end(), [&](const Vulnerability& a, const Vulnerability& b) {
    if (key(a) != key(b)) return key(a) < key(b);
    if (a.severity != b.severity) return a.severity > b.severity;
    return a.id < b.id;
  });
  return found;
}

std::vector<std::string> undetermined(const Inventory& inventory, const Advisories& advisories) {
  std::vector<std::string> ids;
  for_each_verdict(inventory, advisories,
                   [&](const InstalledPackage&, const std::string& id, const std::vector<const Advisory*>&,
                       const Judgement& verdict) {
                     if (verdict.state == Advisory::State::undetermined) ids.push_back(id);
                   });
  sort_unique(ids);
  return ids;
}

Severity worst(const std::vector<Vulnerability>& found) {
  Severity severity = Severity::unknown;
  for (const Vulnerability& one : found) severity = std::max(severity, one.severity);
  return severity;
}

std::vector<Vulnerability> at_least(const std::vector<Vulnerability>& found, Severity severity) {
  std::vector<Vulnerability> those;
  for (const Vulnerability& one : found)
    if (one.severity >= severity) those.push_back(one);
  return those;
}

std::optional<int64_t> end_of_life(const OperatingSystem& os) {
  const std::vector<std::string> ecosystems = ecosystems_of(os);
  if (ecosystems.empty()) return std::nullopt;
  const std::string& ecosystem = ecosystems.front();
  const std::string release = ecosystem.substr(ecosystem.find(':') + 1);
  for (const auto& [id, releases] :
       {std::pair("debian", &debian_releases()), std::pair("alpine", &alpine_releases())})
    for (const Release& one : *releases)
      if (os.id == id && release == one.number && *one.last_day != '\0')
        return base::parse_time(std::string(one.last_day) + "T23:59:59Z");
  return std::nullopt;
}

std::vector<std::string> doubts(const Inventory& inventory, const Advisories& advisories, int64_t now,
                                int64_t max_age) {
  std::vector<std::string> list;
  const std::string name = base::printable(inventory.os.name.empty() ? inventory.os.id : inventory.os.name);
  const std::vector<std::string> ecosystems = ecosystems_of(inventory.os);
  if (const auto end = end_of_life(inventory.os); end && *end < now)
    list.push_back(fmt::format("{} has had no security updates since {}: what is found since then stays open",
                               name, base::format_time(*end).substr(0, 10)));
  for (const FeedFacts& feed : advisories.feeds()) {
    if (std::find(ecosystems.begin(), ecosystems.end(), feed.ecosystem) == ecosystems.end()) continue;
    if (feed.date > 0 && now - feed.date > max_age)
      list.push_back(
          fmt::format("the advisories about {} in {} are of {}, {} days old; get newer ones, such as by "
                      "'minibuild scan --update'",
                      feed.ecosystem, base::printable(feed.source),
                      base::format_time(feed.date).substr(0, 10), (now - feed.date) / 86400));
  }
  for (const std::string& file : advisories.passed_over())
    list.push_back(
        fmt::format("{} was passed over: it is neither the Debian tracker's JSON nor an Alpine "
                    "secdb nor OSV records",
                    base::printable(file)));
  if (ecosystems.empty()) return list;
  const auto format = format_of(ecosystems.front());
  const auto others = std::count_if(inventory.packages.begin(), inventory.packages.end(),
                                    [&](const InstalledPackage& p) { return p.format != format; });
  if (others > 0)
    list.push_back(fmt::format(
        "{} packages are of another format than those of {}: nothing is known about them", others, name));
  return list;
}

}  // namespace minibuild::trust
