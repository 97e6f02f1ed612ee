// Reads the records of each kind of document from parsed JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/packages/package_file.h"
#include "minibuild/trust/advisories.h"

namespace minibuild::trust {

/// Objects are indexed by key, so that a hostile one with many keys costs no more than its size.
using Value = nlohmann::json;

/// A document that is none of the three kinds.
class NotAdvisories : public base::Error {
 public:
  using Error::Error;
};

/// Each throws Error saying what is wrong with which record, without naming the document.
void read_tracker_record(const std::string& source_package, const std::string& id, const Value& record,
                         const AdvisorySink& sink);
bool looks_like_secdb(const Value& document);
void read_secdb(const Value& document, const AdvisorySink& sink);
bool looks_like_osv(const Value& document);
/// Returns when the record was modified, in seconds since 1970; 0 if it does not say.
int64_t read_osv_record(const Value& record, const AdvisorySink& sink);

/// The text under `key`; empty if it is absent or null. Throws Error naming `of` if it is anything else.
std::string text_at(const Value& object, const char* key, std::string_view of);
/// The value under `key` if it has that type; null if it is absent or null. Throws Error if it is anything
/// else.
const Value* object_at(const Value& object, const char* key, std::string_view of);
const Value* array_at(const Value& object, const char* key, std::string_view of);
/// The texts in an array; throws Error if an element is not a text.
std::vector<std::string> texts_at(const Value& object, const char* key, std::string_view of);

/// Returns a text that can be compared and shown: without control characters, at most 512 bytes. Throws Error
/// naming `of`.
std::string plain_text(std::string text, const char* what, std::string_view of);
/// One line of at most 300 bytes, for display.
std::string one_line(std::string_view text);
bool is_cve(std::string_view id);
/// The CVEs named in a text, sorted and unique.
std::vector<std::string> cves_in(std::string_view text);
void sort_unique(std::vector<std::string>& list);
/// The version order that an ecosystem uses; std::nullopt if its package format is not supported.
std::optional<packages::Format> format_of(std::string_view ecosystem);
/// Returns false for anything that cannot be a package version, such as `<unfixed>`.
bool is_version(packages::Format format, std::string_view text);
/// The URL of a CVE in a distribution's tracker; empty for other ids.
std::string tracker_url(std::string_view ecosystem, const std::string& id);

/// A release of a distribution, and how long it is supported.
struct Release {
  const char* number;    // `12`, `v3.20`
  const char* codename;  // `bookworm`; empty for Alpine
  const char* last_day;  // `2028-06-30`; empty if there is no such day yet
};
const std::vector<Release>& debian_releases();
const std::vector<Release>& alpine_releases();
/// `Debian:12` for `bookworm` or `12`; other names are kept, `unstable` becomes `sid`.
std::string debian_ecosystem(std::string_view release);

}  // namespace minibuild::trust
