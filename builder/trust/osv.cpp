// OSV records (ossf.github.io/osv-schema, 1.7) as far as they speak of packages of distributions.
#include <algorithm>

#include "builder/trust/advisory_records.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/scan.h"

namespace minibuild::trust {

using base::fail;

namespace {

// What a record says about how bad it is, in one of several places.
struct Rating {
  std::string vector;
  double score = -1;
  std::string urgency;
  Severity severity = Severity::unknown;
};

void read_severities(const Value& object, const std::string& id, Rating& rating) {
  const Value* list = array_at(object, "severity", id);
  if (list == nullptr) return;
  for (const Value& one : *list) {
    if (!one.is_object()) fail("'severity' of {} has {} in it, want objects", id, one.type_name());
    const std::string type = text_at(one, "type", id);
    const std::string text = plain_text(text_at(one, "score", id), "score", id);
    if (const auto score = cvss3_base_score(text)) {
      if (*score > rating.score) rating = {text, *score, rating.urgency, severity_of_score(*score)};
    } else if (type.starts_with("CVSS")) {
      if (rating.vector.empty()) rating.vector = text;  // version 2 or 4: shown, not computed
    } else if (rating.urgency.empty()) {
      rating.urgency = text;  // `Ubuntu`: a word
    }
  }
}

// `database_specific.severity`, `ecosystem_specific.urgency`: words without a schema, so nothing is refused.
void read_words(const Value& object, Rating& rating) {
  for (const char* part : {"ecosystem_specific", "database_specific"}) {
    const auto place = object.find(part);
    if (place == object.end() || !place->is_object()) continue;
    for (const char* key : {"urgency", "severity", "ubuntu_priority"})
      if (const auto word = place->find(key); rating.urgency.empty() && word != place->end() &&
                                              word->is_string() &&
                                              word->get_ref<const std::string&>().size() < 40)
        rating.urgency = one_line(word->get_ref<const std::string&>());
  }
}

// An event with what is no version: `<unfixed>` ends no range, and anything may have introduced it.
VersionRange read_range(const Value& range, const std::string& id, packages::Format format) {
  VersionRange events;
  const Value* list = array_at(range, "events", id);
  if (list == nullptr) return events;
  using Kind = VersionEvent::Kind;
  static constexpr std::pair<const char*, Kind> kinds[] = {{"introduced", Kind::introduced},
                                                           {"fixed", Kind::fixed},
                                                           {"last_affected", Kind::last_affected},
                                                           {"limit", Kind::limit}};
  for (const Value& event : *list) {
    if (!event.is_object()) fail("'events' of {} has {} in it, want objects", id, event.type_name());
    for (const auto& [name, kind] : kinds)
      if (std::string version = plain_text(text_at(event, name, id), "version", id); !version.empty()) {
        if (is_version(format, version) || version == "0" || (kind == Kind::limit && version == "*"))
          events.push_back({kind, std::move(version)});
        else if (kind == Kind::introduced)
          events.push_back({kind, "0"});
      }
  }
  return events;
}

std::string url_of(const Value& record, const std::string& ecosystem, const Advisory& advisory) {
  for (const std::string& id : {advisory.id, advisory.cves.empty() ? std::string() : advisory.cves.front()})
    if (std::string url = tracker_url(ecosystem, id); !url.empty()) return url;
  if (const Value* references = array_at(record, "references", advisory.id))
    for (const Value& reference : *references)
      if (reference.is_object() && text_at(reference, "type", advisory.id) == "ADVISORY")
        if (std::string url = text_at(reference, "url", advisory.id);
            url.starts_with("https://") && url.size() < 512)
          return one_line(url);
  return {};
}

void read_affected(const Value& affected, const Value& record, const Advisory& common,
                   const Rating& of_record, const AdvisorySink& sink) {
  const std::string& id = common.id;
  if (!affected.is_object()) fail("'affected' of {} has {} in it, want objects", id, affected.type_name());
  const Value* package = object_at(affected, "package", id);
  if (package == nullptr) return;  // a repository's commits
  Advisory advisory = common;
  advisory.ecosystem = plain_text(text_at(*package, "ecosystem", id), "ecosystem", id);
  const auto format = format_of(advisory.ecosystem);
  if (!format) return;  // of a language: no package of a distribution
  if (advisory.ecosystem.starts_with("Debian:"))
    advisory.ecosystem = debian_ecosystem(advisory.ecosystem.substr(7));
  advisory.package = plain_text(text_at(*package, "name", id), "name", id);
  if (advisory.package.empty()) fail("a 'package' of {} has no 'name'", id);
  if (const Value* ranges = array_at(affected, "ranges", id))
    for (const Value& range : *ranges) {
      if (!range.is_object()) fail("'ranges' of {} has {} in it, want objects", id, range.type_name());
      if (text_at(range, "type", id) != "ECOSYSTEM") continue;
      if (VersionRange events = read_range(range, id, *format); !events.empty())
        advisory.ranges.push_back(std::move(events));
    }
  // The list mostly spells out what the ranges say: only what they do not say is kept.
  for (std::string& version : texts_at(affected, "versions", id))
    if (!is_affected(advisory, version, *format)) advisory.versions.push_back(std::move(version));
  sort_unique(advisory.versions);
  if (advisory.ranges.empty() && advisory.versions.empty()) return;
  Rating rating = of_record;
  read_severities(affected, id, rating);
  read_words(affected, rating);
  // The distribution knows its own package better than who made the vector.
  if (const Severity word = parse_severity(rating.urgency); word != Severity::unknown) rating.severity = word;
  advisory.vector = rating.vector;
  advisory.score = rating.score;
  advisory.urgency = rating.urgency;
  advisory.severity = rating.severity;
  advisory.url = url_of(record, advisory.ecosystem, advisory);
  if (advisory.url.empty()) advisory.url = "https://osv.dev/vulnerability/" + id;
  sink(std::move(advisory));
}

}  // namespace

bool looks_like_osv(const Value& document) {
  const auto id = document.find("id");
  return id != document.end() && id->is_string() &&
         (document.contains("affected") || document.contains("modified") || document.contains("withdrawn"));
}

int64_t read_osv_record(const Value& record, const AdvisorySink& sink) {
  const std::string id = plain_text(record["id"].get<std::string>(), "name", "a record");
  if (id.empty()) fail("a record has no 'id'");
  const int64_t modified = base::parse_time(text_at(record, "modified", id)).value_or(0);
  if (const auto withdrawn = record.find("withdrawn"); withdrawn != record.end() && !withdrawn->is_null())
    return modified;
  Advisory common;
  common.feed = Feed::osv;
  common.id = id;
  common.aliases = texts_at(record, "aliases", id);
  std::vector<std::string> names = {id};  // those of what the record is about
  for (const std::string& name : texts_at(record, "upstream", id)) names.push_back(name);
  names.insert(names.end(), common.aliases.begin(), common.aliases.end());
  // Security announcements name what they fix as related; elsewhere that word means something similar.
  if (id.starts_with("DSA-") || id.starts_with("DLA-") || id.starts_with("USN-"))
    for (const std::string& name : texts_at(record, "related", id)) names.push_back(name);
  for (const std::string& name : names)
    // `DEBIAN-CVE-2024-1` is about the CVE in its name.
    for (std::string& cve : cves_in(name)) common.cves.push_back(std::move(cve));
  sort_unique(common.cves);
  std::erase_if(common.aliases, is_cve);
  if (!is_cve(id)) common.aliases.push_back(id);
  sort_unique(common.aliases);
  common.title = one_line(text_at(record, "summary", id));
  if (common.title.empty()) {
    const std::string details = text_at(record, "details", id);
    common.title = one_line(std::string_view(details).substr(0, details.find("\n\n")));
  }
  Rating rating;
  read_severities(record, id, rating);
  read_words(record, rating);
  if (const Value* affected = array_at(record, "affected", id))
    for (const Value& one : *affected) read_affected(one, record, common, rating, sink);
  return modified;
}

}  // namespace minibuild::trust
