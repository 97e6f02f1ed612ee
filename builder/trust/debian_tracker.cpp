// The Debian security tracker's JSON (security-tracker.debian.org/tracker/data/json):
// {SOURCE: {ID: {description, releases: {CODENAME: {status, fixed_version, urgency, nodsa, nodsa_reason}}}}}.
#include "builder/trust/advisory_records.h"
#include "minibuild/packages/version.h"

namespace minibuild::trust {

using base::fail;

namespace {

// Of all archives of a release.
std::string newest_version(const Value& facts, const std::string& in) {
  std::string newest;
  const Value* repositories = object_at(facts, "repositories", in);
  if (repositories == nullptr) return newest;
  for (const auto& [repository, version] : repositories->items()) {
    const std::string text = plain_text(text_at(*repositories, repository.c_str(), in), "version", in);
    if (is_version(packages::Format::deb, text) &&
        (newest.empty() || packages::compare_deb_versions(newest, text) < 0))
      newest = text;
  }
  return newest;
}

Severity severity_of_urgency(const std::string& urgency) {
  return urgency == "end-of-life" ? Severity::unknown : parse_severity(urgency);
}

}  // namespace

void read_tracker_record(const std::string& source_package, const std::string& id, const Value& record,
                         const AdvisorySink& sink) {
  const std::string of = fmt::format("{} of {}", id, source_package);
  if (!record.is_object()) fail("{} is {}, want an object", of, record.type_name());
  Advisory advisory;
  advisory.feed = Feed::debian_tracker;
  advisory.package = plain_text(source_package, "name", of);
  advisory.id = plain_text(id, "name", of);
  if (is_cve(advisory.id)) advisory.cves = {advisory.id};
  advisory.title = one_line(text_at(record, "description", of));
  const Value* releases = object_at(record, "releases", of);
  if (releases == nullptr) fail("{} has no 'releases'", of);
  for (const auto& [release, facts] : releases->items()) {
    const std::string in = fmt::format("{} in {}", of, release);
    if (!facts.is_object()) fail("{} is {}, want an object", in, facts.type_name());
    Advisory one = advisory;
    one.ecosystem = debian_ecosystem(plain_text(release, "name", of));
    one.url = tracker_url(one.ecosystem, one.id);
    one.urgency = plain_text(text_at(facts, "urgency", in), "urgency", in);
    one.severity = severity_of_urgency(one.urgency);
    one.newest = newest_version(facts, in);
    const std::string status = text_at(facts, "status", in);
    const std::string fixed = plain_text(text_at(facts, "fixed_version", in), "version", in);
    if (status == "resolved") {
      if (fixed.empty()) fail("{} is resolved, but has no 'fixed_version'", in);
      one.state = fixed == "0" ? Advisory::State::not_affected : Advisory::State::affected;
      one.ranges = {{{VersionEvent::Kind::introduced, "0"}}};
      // What is no version fixes nothing that could be installed.
      if (is_version(packages::Format::deb, fixed))
        one.ranges[0].push_back({VersionEvent::Kind::fixed, fixed});
    } else if (status == "open") {
      one.ranges = {{{VersionEvent::Kind::introduced, "0"}}};
      const Value* reason = facts.contains("nodsa") ? &facts["nodsa"] : nullptr;
      if (one.urgency == "end-of-life") {
        one.note = "end-of-life";
      } else if (reason != nullptr && !reason->is_null()) {
        const std::string why = text_at(facts, "nodsa_reason", in);
        one.note = why == "ignored" || why == "postponed" ? why : "no-dsa";
      }
    } else if (!status.empty()) {
      one.state = Advisory::State::undetermined;
    } else {
      fail("{} has no 'status'", in);
    }
    if (one.state == Advisory::State::not_affected) one.ranges.clear();
    sink(std::move(one));
  }
}

}  // namespace minibuild::trust
