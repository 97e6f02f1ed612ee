// From what the rules keep to what follows from it: children, referrers, signatures; the rest goes.
#include "minibuild/trust/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "builder/trust/retention_rules.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {

namespace {

constexpr size_t list_tag_size = 7 + 64;

std::string short_digest(const oci::Digest& digest) { return "sha256:" + oci::hex(digest).substr(0, 12); }

class Planner {
 public:
  Planner(const spec::Retention& policy, const Holdings& holdings, int64_t now,
          const std::set<oci::Digest>& stay)
      : policy_(policy), holdings_(holdings), now_(now), stay_(stay) {}

  RetentionPlan plan() {
    under_rules_ = judge_tags(policy_, holdings_, now_);
    plan_.notes = under_rules_.notes;
    plan_.applies = std::any_of(policy_.rules.begin(), policy_.rules.end(),
                                [&](const auto& rule) { return concerns(rule, holdings_.repository); });
    find_relations();
    for (const auto& [tag, digest] : holdings_.tags)
      if (!verdict(tag).keeps.empty()) mark(digest, fmt::format("tag {}", base::printable(tag)));
    for (const std::string& tag : holdings_.lost_tags)
      if (!verdict(tag).keeps.empty())
        plan_.unread.push_back(fmt::format("the tag {}", base::printable(tag)));
    for (const oci::Digest& digest : stay_) mark(digest, "it came meanwhile");
    mark_untagged();
    mark_lists();
    for (const std::string& tag : holdings_.lost_tags)
      if (const auto derived = derived_tag(tag, holdings_);
          derived && kept_.contains(derived->subject) && verdict(tag).keeps.empty())
        plan_.unread.push_back(fmt::format("the tag {}, which belongs to {}", base::printable(tag),
                                           short_digest(derived->subject)));
    for (const auto& [tag, digest] : holdings_.tags) decide(tag, digest);
    std::sort(plan_.tags.begin(), plan_.tags.end(),
              [](const TagDecision& a, const TagDecision& b) { return natural_less(a.tag, b.tag); });
    decide_manifests();
    return std::move(plan_);
  }

 private:
  const Verdict& verdict(const std::string& tag) const {
    static const Verdict none;
    const auto it = under_rules_.verdicts.find(tag);
    return it == under_rules_.verdicts.end() ? none : it->second;
  }

  bool is_list(const std::string& tag) const {
    const auto derived = derived_tag(tag, holdings_);
    return derived && derived->list;
  }

  // What belongs to each manifest, by subject, by lists of referrers and by cosign's tags.
  void find_relations() {
    for (const auto& [digest, manifest] : holdings_.manifests)
      if (manifest.subject) belongs_[*manifest.subject].emplace(digest, "refers to");
    for (const auto& [tag, digest] : holdings_.tags) {
      const auto derived = derived_tag(tag, holdings_);
      if (!derived) continue;
      belongs_[derived->subject].emplace(digest, derived->list ? "lists the referrers of" : "is attached to");
    }
  }

  // Keeps a manifest and everything that it names or that refers to it.
  void mark(const oci::Digest& start, const std::string& why) {
    if (!holdings_.manifests.contains(start) || !kept_.try_emplace(start, why).second) return;
    std::vector<oci::Digest> todo{start};
    while (!todo.empty()) {
      const oci::Digest digest = todo.back();
      todo.pop_back();
      const auto reach = [&](const oci::Digest& next, std::string_view how) {
        if (holdings_.manifests.contains(next) &&
            kept_.try_emplace(next, fmt::format("{} {}", how, short_digest(digest))).second)
          todo.push_back(next);
      };
      for (const oci::Digest& child : holdings_.manifests.at(digest).children) {
        if (holdings_.lost_indexes.contains(child))
          plan_.unread.push_back(
              fmt::format("the index {}, which is part of {}", oci::to_string(child), short_digest(digest)));
        reach(child, "is part of");
      }
      if (const auto it = belongs_.find(digest); it != belongs_.end())
        for (const auto& [other, how] : it->second) reach(other, how);
    }
  }

  void mark_untagged() {
    std::set<oci::Digest> taken;
    for (const auto& [digest, why] : kept_) taken.insert(digest);
    for (const auto& [digest, why] : judge_untagged(policy_, holdings_, taken, now_)) mark(digest, why);
  }

  void decide(const std::string& tag, const oci::Digest& digest) {
    TagDecision decision{tag, digest, Fate::remove, ""};
    const Role role = under_rules_.roles.at(tag);
    const auto derived = derived_tag(tag, holdings_);
    const bool marked = kept_.contains(digest);
    if (!verdict(tag).keeps.empty()) {
      decision.fate = Fate::keep;
      decision.why = verdict(tag).keeps.front();
    } else if (role == Role::attached && kept_.contains(derived->subject)) {
      decision.fate = Fate::keep;
      decision.why = marked ? kept_.at(digest) : "its subject stays";
    } else if (const Entries entries = entries_of(digest); is_list(tag) && entries.stay > 0) {
      decision.fate = marked ? Fate::keep : Fate::rewrite;
      decision.why = fmt::format("it lists {} that stay{}", entries.stay, entries.stay == 1 ? "s" : "");
      if (!marked) plan_.lists.push_back({tag, digest, entries.go});
    } else {
      decision.fate = marked ? Fate::untag : Fate::remove;
      decision.why = why_not(tag, role);
      if (marked) decision.why += fmt::format("; its image stays: {}", kept_.at(digest));
    }
    plan_.tags.push_back(std::move(decision));
  }

  // What stays and what goes of the entries of a list of referrers.
  struct Entries {
    size_t stay = 0;
    std::vector<oci::Digest> go;
  };
  Entries entries_of(const oci::Digest& list) const {
    Entries entries;
    const auto it = holdings_.manifests.find(list);
    if (it == holdings_.manifests.end()) return entries;
    for (const oci::Digest& entry : it->second.children) {
      if (kept_.contains(entry))
        ++entries.stay;
      else if (holdings_.manifests.contains(entry))
        entries.go.push_back(entry);
    }
    return entries;
  }

  // A list whose subject goes, or is not there, may name referrers that stay for reasons of their own. If all
  // of them do, it stays as it is; that may make others stay.
  void mark_lists() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const auto& [tag, digest] : holdings_.tags) {
        if (!is_list(tag) || kept_.contains(digest)) continue;
        const Entries entries = entries_of(digest);
        if (entries.stay == 0 || !entries.go.empty()) continue;
        mark(digest, "it lists referrers that stay");
        changed = true;
      }
    }
  }

  std::string why_not(const std::string& tag, Role role) const {
    if (role == Role::attached)
      return fmt::format("it belongs to {}, which goes", short_digest(derived_tag(tag, holdings_)->subject));
    const std::vector<std::string>& misses = verdict(tag).misses;
    std::string why = misses.empty() ? "no rule is about it" : base::join(misses, "; ");
    if (role == Role::orphan)
      why = "what it belongs to is not here, and only rules with 'keep: all' or 'keep-within' are about such";
    return why;
  }

  void decide_manifests() {
    std::set<oci::Digest> going;
    std::map<oci::Digest, std::string> tag_of;
    for (const auto& [tag, digest] : holdings_.tags) tag_of.try_emplace(digest, tag);
    for (const auto& [digest, manifest] : holdings_.manifests) {
      const auto it = kept_.find(digest);
      if (it == kept_.end()) going.insert(digest);
      const auto tag = tag_of.find(digest);
      plan_.manifests.push_back({digest, it != kept_.end(),
                                 it != kept_.end()     ? it->second
                                 : tag != tag_of.end() ? "no tag of it stays"
                                                       : "nothing that stays refers to it"});
    }
    plan_.groups = deletion_order(holdings_, going);
  }

  const spec::Retention& policy_;
  const Holdings& holdings_;
  int64_t now_;
  const std::set<oci::Digest>& stay_;
  TagsUnderRules under_rules_;
  std::map<oci::Digest, std::map<oci::Digest, std::string>> belongs_;  // by subject
  std::map<oci::Digest, std::string> kept_;                            // with the reason
  RetentionPlan plan_;
};

}  // namespace

std::optional<DerivedTag> derived_tag(std::string_view tag, const Holdings& holdings) {
  const bool half = tag.starts_with("sha512-");
  if ((!half && !tag.starts_with("sha256-")) || tag.size() < list_tag_size) return std::nullopt;
  const std::string_view rest = tag.substr(list_tag_size);
  if (!rest.empty() && rest != ".sig" && rest != ".att" && rest != ".sbom") return std::nullopt;
  const std::optional<base::Hash> hash = base::hash_from_hex(tag.substr(7, 64));
  if (!hash) return std::nullopt;  // sixty-four other letters
  oci::Digest subject{*hash};
  if (half) {
    subject.rest.emplace();
    const auto it = holdings.manifests.lower_bound(subject);
    if (it != holdings.manifests.end() && it->first.hash == *hash) subject = it->first;
  }
  return DerivedTag{subject, rest.empty()};
}

bool natural_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (!digit(a[i]) || !digit(b[j])) {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i;
      ++j;
      continue;
    }
    const auto number = [&](const std::string& text, size_t& at) {
      while (at + 1 < text.size() && text[at] == '0' && digit(text[at + 1])) ++at;
      const size_t start = at;
      while (at < text.size() && digit(text[at])) ++at;
      return std::string_view(text).substr(start, at - start);
    };
    const std::string_view one = number(a, i);
    const std::string_view other = number(b, j);
    if (one.size() != other.size()) return one.size() < other.size();
    if (one != other) return one < other;
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;  // they differ in leading zeros, if at all
}

std::string age_text(int64_t seconds) {
  constexpr int64_t minute = 60;
  constexpr int64_t hour = 3600;
  constexpr int64_t day = 86400;
  constexpr int64_t year = 365 * day;
  const auto counted = [](int64_t count, std::string_view unit) {
    return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
  };
  if (seconds < 2 * minute) return "just now";
  if (seconds < 2 * hour) return fmt::format("{} min", seconds / minute);
  if (seconds < 2 * day) return counted(seconds / hour, "hour");
  if (seconds < 2 * year) return counted(seconds / day, "day");
  return counted(seconds / year, "year");
}

RetentionPlan plan_retention(const spec::Retention& policy, const Holdings& holdings, int64_t now,
                             const std::set<oci::Digest>& stay) {
  return Planner(policy, holdings, now, stay).plan();
}

}  // namespace minibuild::trust
