// Retention rules, each applied by itself.
#include "builder/trust/retention_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "minibuild/base/text.h"
#include "minibuild/tree/glob.h"

namespace minibuild::trust {

namespace {

using Keep = spec::RetentionRule::Keep;
using spec::KeepBy;

constexpr int64_t first_credible_time = 347155200;  // 1981: some tools write 1970, others 1980
constexpr size_t names_in_a_note = 5;

bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob == "*" || tree::glob_match(glob, name); });
}

// A `/` in a tag, as layouts may have it (`docker.io/library/app:1`), is a character like others.
bool matches_tag(const std::vector<std::string>& globs, const std::string& tag) {
  const auto flat = [](std::string text) {
    std::replace(text.begin(), text.end(), '/', '\x01');
    return text;
  };
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return tree::glob_match(flat(glob), flat(tag)); });
}

std::string some_of(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), names_in_a_note); ++i)
    out += (i == 0 ? "" : ", ") + base::printable(names[i]);
  if (names.size() > names_in_a_note) out += fmt::format(" and {} more", names.size() - names_in_a_note);
  return out;
}

// One thing that rules choose from: a tag, or a manifest that has none.
struct Candidate {
  std::string name;
  std::optional<int64_t> pushed;
  std::optional<int64_t> created;
  std::optional<SemanticVersion> version;
  std::optional<oci::Digest> digest{};  // nothing if it is not there
};

// 1 if `a` is the newer one by this key; what has no such key is the older.
int compare_by(KeepBy by, const Candidate& a, const Candidate& b) {
  if (by == KeepBy::semver) {
    if (a.version && b.version) return compare(*a.version, *b.version);
    return static_cast<int>(a.version.has_value()) - static_cast<int>(b.version.has_value());
  }
  const std::optional<int64_t>& one = by == KeepBy::pushed ? a.pushed : a.created;
  const std::optional<int64_t>& other = by == KeepBy::pushed ? b.pushed : b.created;
  return one < other ? -1 : one > other ? 1 : 0;
}

bool is_newer(const std::vector<KeepBy>& order, const Candidate& a, const Candidate& b) {
  for (const KeepBy by : order)
    if (const int result = compare_by(by, a, b); result != 0) return result > 0;
  // Equals: by version, then by name, so that the same repository always gives the same plan.
  if (a.version && b.version)
    if (const int result = compare(*a.version, *b.version); result != 0) return result > 0;
  return natural_less(b.name, a.name);
}

std::string label(const spec::RetentionRule& rule, size_t number) {
  return fmt::format("rule {} ({})", number, rule.text);
}

// A rule applied to all that it is about.
class Application {
 public:
  Application(const spec::RetentionRule& rule, size_t number, int64_t now,
              const std::function<Verdict&(const std::string&)>& verdict)
      : rule_(rule), number_(number), now_(now), verdict_(verdict) {}

  std::vector<std::string> apply(std::vector<Candidate> candidates) {
    if (rule_.keep == Keep::all)
      for (const Candidate& one : candidates) keeps(one, label(rule_, number_));
    if (rule_.keep == Keep::within)
      for (const Candidate& one : candidates) within(one);
    if (rule_.keep == Keep::last) last(std::move(candidates));
    std::vector<std::string> notes;
    if (!aliases_.empty())
      notes.push_back(fmt::format(
          "{}: tags are counted, also those of one image: {}; give such names a rule of their own, and put "
          "them under 'exclude' here",
          label(rule_, number_), some_of(aliases_)));
    if (!timeless_.empty())
      notes.push_back(fmt::format("{}: the time of {} is not known, as of reproducible images; it stays: {}",
                                  label(rule_, number_), timeless_.size(), some_of(timeless_)));
    if (!not_versions_.empty())
      notes.push_back(fmt::format("{}: {} tag{} no semantic version and not counted: {}",
                                  label(rule_, number_), not_versions_.size(),
                                  not_versions_.size() == 1 ? " is" : "s are", some_of(not_versions_)));
    return notes;
  }

 private:
  void keeps(const Candidate& one, std::string why) { verdict_(one.name).keeps.push_back(std::move(why)); }
  void misses(const Candidate& one, std::string why) { verdict_(one.name).misses.push_back(std::move(why)); }

  // A rule that goes by time lets stay what has none.
  bool stays_without_time(const Candidate& one, KeepBy by) {
    if (by == KeepBy::semver || is_known_time(by == KeepBy::pushed ? one.pushed : one.created)) return false;
    keeps(one, label(rule_, number_) + ": its time is not known");
    timeless_.push_back(one.name);
    return true;
  }

  void within(const Candidate& one) {
    if (stays_without_time(one, rule_.by[0])) return;
    const int64_t age = now_ - (rule_.by[0] == KeepBy::created ? one.created : one.pushed).value_or(0);
    if (age <= rule_.seconds)
      keeps(one, label(rule_, number_));
    else
      misses(one, fmt::format("{}: it is {} old", label(rule_, number_), age_text(age)));
  }

  void last(std::vector<Candidate> candidates) {
    const KeepBy by = rule_.by[0];
    std::erase_if(candidates, [&](const Candidate& one) {
      if (by != KeepBy::semver || one.version) return stays_without_time(one, by);
      misses(one, label(rule_, number_) + ": it is no semantic version");
      not_versions_.push_back(one.name);
      return true;
    });
    std::sort(candidates.begin(), candidates.end(),
              [&](const Candidate& a, const Candidate& b) { return is_newer(rule_.by, a, b); });
    size_t place = 0;
    std::map<oci::Digest, std::string> images;
    std::vector<std::string> aliases;
    for (const Candidate& one : candidates) {
      if (place >= rule_.count) {
        misses(one, fmt::format("{}: it is number {}", label(rule_, number_), ++place));
        continue;
      }
      keeps(one, label(rule_, number_));
      if (!one.digest) continue;  // takes nobody's place
      ++place;
      if (const auto [it, is_new] = images.emplace(*one.digest, one.name); !is_new)
        aliases.push_back(fmt::format("{} as {}", one.name, it->second));
    }
    if (candidates.size() > rule_.count) aliases_ = std::move(aliases);
  }

  const spec::RetentionRule& rule_;
  size_t number_;
  int64_t now_;
  const std::function<Verdict&(const std::string&)>& verdict_;
  std::vector<std::string> timeless_;
  std::vector<std::string> not_versions_;
  std::vector<std::string> aliases_;
};

Candidate candidate(std::string name, const Holdings& holdings, const oci::Digest& digest) {
  Candidate one;
  one.version = parse_semantic_version(name);
  one.name = std::move(name);
  if (const auto it = holdings.manifests.find(digest); it != holdings.manifests.end()) {
    one.digest = digest;
    one.pushed = it->second.pushed;
    one.created = it->second.created;
  }
  return one;
}

Role role_of(const std::string& tag, const Holdings& holdings) {
  const std::optional<DerivedTag> derived = derived_tag(tag, holdings);
  if (!derived) return Role::image;
  return holdings.manifests.contains(derived->subject) ? Role::attached : Role::orphan;
}

// Rules by time and number are about images; a signature of nothing is not one of the last five images.
bool is_about(const spec::RetentionRule& rule, const std::string& tag, Role role) {
  if (rule.keep == Keep::last && role != Role::image) return false;
  if (rule.keep == Keep::within && role == Role::attached) return false;
  return matches_tag(rule.tags, tag) && !matches_tag(rule.exclude, tag);
}

}  // namespace

bool is_known_time(const std::optional<int64_t>& time) { return time && *time >= first_credible_time; }

bool concerns(const spec::RetentionRule& rule, const std::string& repository) {
  return rule.repositories.empty() || (!repository.empty() && matches_any(rule.repositories, repository));
}

TagsUnderRules judge_tags(const spec::Retention& policy, const Holdings& holdings, int64_t now) {
  TagsUnderRules result;
  for (const auto& [tag, digest] : holdings.tags) result.roles[tag] = role_of(tag, holdings);
  for (const std::string& tag : holdings.lost_tags) result.roles[tag] = role_of(tag, holdings);
  const std::function<Verdict&(const std::string&)> verdict = [&](const std::string& tag) -> Verdict& {
    return result.verdicts[tag];
  };
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const spec::RetentionRule& rule = policy.rules[i];
    if (rule.untagged() || !concerns(rule, holdings.repository)) continue;
    std::vector<Candidate> candidates;
    for (const auto& [tag, digest] : holdings.tags)
      if (is_about(rule, tag, result.roles[tag]) && !holdings.lost_tags.contains(tag))
        candidates.push_back(candidate(tag, holdings, digest));
    for (const std::string& tag : holdings.lost_tags)
      if (is_about(rule, tag, result.roles[tag]))
        candidates.push_back({tag, {}, {}, parse_semantic_version(tag)});
    const auto fits = [&](const auto& tag) {
      return matches_tag(rule.tags, tag.first) && !matches_tag(rule.exclude, tag.first);
    };
    if (!result.roles.empty() && std::none_of(result.roles.begin(), result.roles.end(), fits))
      result.notes.push_back(label(rule, i + 1) + ": no tag matches it");
    for (std::string& note : Application(rule, i + 1, now, verdict).apply(std::move(candidates)))
      result.notes.push_back(std::move(note));
  }
  return result;
}

std::map<oci::Digest, std::string> judge_untagged(const spec::Retention& policy, const Holdings& holdings,
                                                  const std::set<oci::Digest>& taken, int64_t now) {
  std::set<oci::Digest> tagged;
  for (const auto& [tag, digest] : holdings.tags) tagged.insert(digest);
  std::set<oci::Digest> below;
  for (const auto& [digest, manifest] : holdings.manifests)
    below.insert(manifest.children.begin(), manifest.children.end());
  std::map<std::string, Verdict> verdicts;
  const std::function<Verdict&(const std::string&)> verdict = [&](const std::string& name) -> Verdict& {
    return verdicts[name];
  };
  std::map<std::string, oci::Digest> names;
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const spec::RetentionRule& rule = policy.rules[i];
    if (!rule.untagged() || !concerns(rule, holdings.repository)) continue;
    std::vector<Candidate> candidates;
    for (const auto& [digest, manifest] : holdings.manifests) {
      // What is about something goes its way; a part of an index is no image of its own to be counted.
      const bool referrer = manifest.subject && holdings.manifests.contains(*manifest.subject);
      const bool part = rule.keep == Keep::last && below.contains(digest);
      if (tagged.contains(digest) || taken.contains(digest) || referrer || part) continue;
      std::string name = oci::to_string(digest);
      names[name] = digest;
      candidates.push_back(candidate(std::move(name), holdings, digest));
    }
    Application(rule, i + 1, now, verdict).apply(std::move(candidates));
  }
  std::map<oci::Digest, std::string> kept;
  for (const auto& [name, one] : verdicts)
    if (!one.keeps.empty()) kept[names.at(name)] = one.keeps.front();
  return kept;
}

}  // namespace minibuild::trust
