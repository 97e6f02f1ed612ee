// Alpine's secdb (secdb.alpinelinux.org/BRANCH/REPOSITORY.json): which version of a package fixed which ids.
// {distroversion, reponame, packages: [{pkg: {name, secfixes: {VERSION: [ID…]}}}]}.
#include <algorithm>
#include <map>

#include "builder/trust/advisory_records.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/version.h"

namespace minibuild::trust {

using base::fail;

namespace {

bool is_id(std::string_view word) {
  return word.size() >= 5 && word[0] >= 'A' && word[0] <= 'Z' && word.find('-') != std::string_view::npos &&
         std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The ids of one entry: `CVE-2020-1 GHSA-x`, `CVE-2019-1 (+ regression fix)`. What is in parentheses is a
// remark.
std::vector<std::string> ids_of(std::string_view entry) {
  std::string words;
  int depth = 0;
  for (const char c : entry) {
    if (c == '(') ++depth;
    if (depth == 0) words += c == ',' || c == ';' || c == '\t' ? ' ' : c;
    if (c == ')' && depth > 0) --depth;
  }
  std::vector<std::string> ids;
  for (std::string& word : base::split(words, ' '))
    if (is_id(word)) ids.push_back(std::move(word));
  return ids;
}

// By the first id of an entry, the CVE if it has one: the others, and the last version that fixes it.
struct Fix {
  std::vector<std::string> aliases;
  std::string version;
};

void read_entry(const std::string& entry, const std::string& version, std::map<std::string, Fix>& fixes) {
  std::vector<std::string> ids = ids_of(entry);
  if (ids.empty()) return;  // such as "CVE N/A": nothing that could be named
  std::vector<std::string> cves;
  for (const std::string& id : ids)
    if (is_cve(id)) cves.push_back(id);
  if (cves.empty()) cves.push_back(ids.front());
  for (const std::string& id : cves) {
    Fix& fix = fixes[id];
    // One CVE of several ids: the others are names of the same; of several CVEs they are not.
    if (cves.size() == 1)
      for (const std::string& other : ids)
        if (other != id) fix.aliases.push_back(other);
    if (fix.version.empty() || fix.version == "0" ||
        (version != "0" && packages::compare_apk_versions(version, fix.version) > 0))
      fix.version = version;
  }
}

void read_package(const Value& entry, const std::string& ecosystem, const AdvisorySink& sink) {
  const Value* package = entry.is_object() ? object_at(entry, "pkg", "an entry of 'packages'") : nullptr;
  if (package == nullptr) fail("an entry of 'packages' has no 'pkg'");
  const std::string name = plain_text(text_at(*package, "name", "a 'pkg'"), "name", "a 'pkg'");
  if (name.empty()) fail("a 'pkg' has no 'name'");
  std::map<std::string, Fix> fixes;
  if (const Value* secfixes = object_at(*package, "secfixes", name))
    for (const auto& [key, list] : secfixes->items()) {
      const std::string version(base::trim(plain_text(key, "version", name)));
      if (version.empty()) fail("an entry of 'secfixes' of {} has no version", name);
      if (list.is_null()) continue;
      if (!list.is_array())
        fail("'secfixes' of {} has {} for {}, want an array", name, list.type_name(), version);
      for (const Value& id : list) {
        if (id.is_null()) continue;
        if (!id.is_string())
          fail("'secfixes' of {} has {} in {}, want strings", name, id.type_name(), version);
        read_entry(plain_text(id.get<std::string>(), "id", name), version, fixes);
      }
    }
  for (auto& [id, fix] : fixes) {
    Advisory advisory;
    advisory.feed = Feed::alpine_secdb;
    advisory.ecosystem = ecosystem;
    advisory.package = name;
    advisory.id = id;
    if (is_cve(id)) advisory.cves = {id};
    advisory.aliases = std::move(fix.aliases);
    sort_unique(advisory.aliases);
    advisory.url = tracker_url(ecosystem, id);
    if (fix.version == "0")
      advisory.state = Advisory::State::not_affected;
    else
      advisory.ranges = {{{VersionEvent::Kind::introduced, "0"}, {VersionEvent::Kind::fixed, fix.version}}};
    sink(std::move(advisory));
  }
}

}  // namespace

bool looks_like_secdb(const Value& document) {
  const auto packages = document.find("packages");
  const auto version = document.find("distroversion");
  return packages != document.end() && packages->is_array() && version != document.end() &&
         version->is_string();
}

void read_secdb(const Value& document, const AdvisorySink& sink) {
  const std::string release =
      plain_text(text_at(document, "distroversion", "the document"), "distroversion", "the document");
  if (release.empty()) fail("its 'distroversion' is empty");
  const std::string ecosystem = "Alpine:" + release;
  for (const Value& entry : document["packages"]) read_package(entry, ecosystem, sink);
}

}  // namespace minibuild::trust
