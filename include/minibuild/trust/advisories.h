// What distributions say about vulnerabilities: their documents read as values, and kept so that the second
// look is fast.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/base/stream.h"
#include "minibuild/store/cache.h"

namespace minibuild::trust {

enum class Severity { unknown, negligible, low, medium, high, critical };
std::string_view name_of(Severity severity);
/// By the names above, and by those that distributions use (`unimportant`, `moderate`, `important`, `low**`);
/// `unknown` for any other text.
Severity parse_severity(std::string_view text);

/// The base score of a vector `CVSS:3.0/…` or `CVSS:3.1/…` (FIRST, "CVSS v3.1 Specification", 7.1 and
/// appendix A), 0.0 to 10.0; metrics that are not of the base group do not matter. Nothing for any other
/// text.
std::optional<double> cvss3_base_score(std::string_view vector);
/// None is negligible; low below 4.0, medium below 7.0, high below 9.0, else critical.
Severity severity_of_score(double score);

/// Whose document says it.
enum class Feed { debian_tracker, alpine_secdb, osv };
std::string_view name_of(Feed feed);

/// One event of a range (OSV schema, "affected[].ranges[].events"). A version `0` of `introduced` is before
/// all versions.
struct VersionEvent {
  enum class Kind { introduced, fixed, last_affected, limit };
  Kind kind = Kind::introduced;
  std::string version;
  bool operator==(const VersionEvent&) const = default;
};
using VersionRange = std::vector<VersionEvent>;

/// What one record says about one source package of one release.
struct Advisory {
  /// `undetermined`: nobody has looked at it yet.
  enum class State { affected, not_affected, undetermined };
  Feed feed = Feed::osv;
  std::string ecosystem;             // OSV's names: `Debian:12`, `Debian:sid`, `Alpine:v3.20`, `Alpine:edge`
  std::string package;               // source package, origin
  std::string id;                    // of the record: `CVE-2024-1`, `DSA-5678-1`
  std::vector<std::string> cves;     // what it is about; sorted; empty if `id` is no CVE and names none
  std::vector<std::string> aliases;  // other names; sorted
  State state = State::affected;
  std::vector<VersionRange> ranges;  // affected if in one of them, or one of `versions`
  std::vector<std::string> versions;
  Severity severity = Severity::unknown;
  double score = -1;    // CVSS v3 base score; below 0: none
  std::string vector;   // CVSS, as it stands
  std::string urgency;  // in the distribution's own word
  std::string newest;   // version that the release has; empty if that is not told
  std::string note;     // why there is no fix: `no-dsa`, `ignored`, `postponed`, `end-of-life`
  std::string title;    // one line
  std::string url;      // to read more
  bool operator==(const Advisory&) const = default;
};

using AdvisorySink = std::function<void(Advisory&&)>;

/// Reads one document as it comes: the Debian security tracker's JSON, an Alpine secdb, or OSV (a record, an
/// array of records, records one after the other). Which one it is, the content tells. Records that have not
/// the form that they should have are Errors `cannot read WHAT: cause`, and so are more than 4 GiB, one
/// record of more than 16 MiB, a depth of more than 64, and what is none of the three. Withdrawn records are
/// left out. The newest `modified` of OSV records, seconds since 1970; 0 if there is none.
int64_t read_advisory_document(base::Source& source, const std::string& what, const AdvisorySink& sink);
/// The same for a file that may be compressed (gzip, xz, zstd, bzip2), or an archive of documents (zip, tar),
/// which is unpacked in `temporary_directory`. Entries of archives that are no `.json` are passed over.
int64_t read_advisory_file(const std::string& path, const std::string& what,
                           const std::string& temporary_directory, const AdvisorySink& sink);

/// How much a store has about one release.
struct FeedFacts {
  Feed feed = Feed::osv;
  std::string ecosystem;
  uint64_t records = 0;
  int64_t date =
      0;  // when it was current: fetched, written, or last modified, whichever is oldest; 0: not known
  std::string source;  // where it came from, for people
  bool operator==(const FeedFacts&) const = default;
};

/// Advisories in SQLite, by ecosystem and package. Values of it share what is open.
class Advisories {
 public:
  Advisories();
  /// Keeps them in memory.
  explicit Advisories(const std::vector<Advisory>& list, int64_t date = 0,
                      const std::string& source = "memory");

  /// Makes a store of documents in the file `path`, which must be empty or absent. It is a function of their
  /// bytes. With `skip_unknown`, files that are none of the three kinds are passed over.
  static void write_store(const std::string& path, const std::vector<std::string>& files,
                          const std::string& temporary_directory, bool skip_unknown = false);
  /// Adds a store. `dates`: of its documents, in the order in which they were written, seconds since 1970;
  /// `files`: their names, empty for a feed.
  void add_store(const std::string& path, const std::vector<int64_t>& dates, const std::string& source,
                 const std::vector<std::string>& files = {});

  bool empty() const { return stores_.empty(); }
  /// All that is said about a package, in a fixed order.
  std::vector<Advisory> find(const std::string& ecosystem, const std::string& package) const;
  /// By ecosystem, feed, source.
  const std::vector<FeedFacts>& feeds() const { return feeds_; }
  /// Files of directories that look by their names as if advisories were in them, and have none.
  const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
  struct Store;
  std::vector<std::shared_ptr<Store>> stores_;
  std::vector<FeedFacts> feeds_;
  std::vector<std::string> passed_over_;
};

/// The advisories in a file, or in all files of a directory (not below it) that are one of the three kinds;
/// parsed once, and then kept in the cache under the hash of the files. Their dates are the files' mtimes.
/// Throws Error naming the path, also if a directory has none.
void add_advisories(Advisories& to, const std::string& path, store::Cache& cache);

/// A feed that was fetched and parsed.
struct StoredFeed {
  std::string url;
  oci::Digest store;    // the SQLite file, a blob of the cache
  int64_t fetched = 0;  // seconds since 1970
  bool operator==(const StoredFeed&) const = default;
};
/// Parses a blob of the cache that was fetched from `url`; gives the store, which the cache keeps.
StoredFeed store_feed(const oci::Digest& document, const std::string& url, int64_t now, store::Cache& cache);
/// What the last update left in the cache; empty if nothing.
std::vector<StoredFeed> stored_feeds(store::Cache& cache);
void keep_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache);
Advisories open_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache);

/// Where feeds are, if nobody says otherwise: the Debian tracker, OSV's records of Debian (for severities),
/// and the secdb of each Alpine branch that is alive at `now`.
std::vector<std::string> default_feeds(int64_t now);

}  // namespace minibuild::trust
