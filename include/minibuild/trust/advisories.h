// What distributions say about vulnerabilities: their documents parsed into values, and stored so that later
// look-ups are fast.
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
/// Parses the names above and those that distributions use (`unimportant`, `moderate`, `important`, `low**`);
/// returns `unknown` for any other text.
Severity parse_severity(std::string_view text);

/// The base score, 0.0 to 10.0, of a vector `CVSS:3.0/…` or `CVSS:3.1/…` (FIRST, "CVSS v3.1 Specification",
/// 7.1 and appendix A); metrics outside the base group are ignored. Returns std::nullopt for any other text.
std::optional<double> cvss3_base_score(std::string_view vector);
/// The rating None is negligible; a score below 4.0 is low, below 7.0 medium, below 9.0 high, else critical.
Severity severity_of_score(double score);

/// The source of an advisory.
enum class Feed { debian_tracker, alpine_secdb, osv };
std::string_view name_of(Feed feed);

/// One event of a range (OSV schema, "affected[].ranges[].events"). Version `0` in `introduced` sorts before
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
  /// `undetermined`: not yet triaged.
  enum class State { affected, not_affected, undetermined };
  Feed feed = Feed::osv;
  std::string ecosystem;             // OSV's names: `Debian:12`, `Debian:sid`, `Alpine:v3.20`, `Alpine:edge`
  std::string package;               // source package, origin
  std::string id;                    // of the record: `CVE-2024-1`, `DSA-5678-1`
  std::vector<std::string> cves;     // the CVEs it covers, sorted; empty if `id` is no CVE and it names none
  std::vector<std::string> aliases;  // other names; sorted
  State state = State::affected;
  std::vector<VersionRange> ranges;  // affected if in one of these or among `versions`
  std::vector<std::string> versions;
  Severity severity = Severity::unknown;
  double score = -1;    // CVSS v3 base score; below 0: none
  std::string vector;   // CVSS, verbatim
  std::string urgency;  // the distribution's own term
  std::string newest;   // version in the release; empty if not given
  std::string note;     // why there is no fix: `no-dsa`, `ignored`, `postponed`, `end-of-life`
  std::string title;    // one line
  std::string url;      // for details
  bool operator==(const Advisory&) const = default;
};

using AdvisorySink = std::function<void(Advisory&&)>;

/// Reads one document as a stream: the Debian security tracker's JSON, an Alpine secdb, or OSV (one record,
/// an array of records, or concatenated records). The content determines which one it is. Malformed records
/// are Errors `cannot read WHAT: cause`, as are documents above 4 GiB, records above 16 MiB, nesting deeper
/// than 64, and anything that is none of the three. Withdrawn records are skipped. Returns the newest
/// `modified` of OSV records in seconds since 1970; 0 if there is none.
int64_t read_advisory_document(base::Source& source, const std::string& what, const AdvisorySink& sink);
/// The same for a file that may be compressed (gzip, xz, zstd, bzip2) or an archive of documents (zip, tar),
/// which is unpacked in `temporary_directory`. Archive entries that are not `.json` are skipped.
int64_t read_advisory_file(const std::string& path, const std::string& what,
                           const std::string& temporary_directory, const AdvisorySink& sink);

/// What a store contains for one release.
struct FeedFacts {
  Feed feed = Feed::osv;
  std::string ecosystem;
  uint64_t records = 0;
  int64_t date =
      0;  // when it was current: fetched, written or last modified, whichever is oldest; 0: unknown
  std::string source;  // where it came from, for display
  bool operator==(const FeedFacts&) const = default;
};

/// Advisories in SQLite, by ecosystem and package. Copies share the open stores.
class Advisories {
 public:
  Advisories();
  /// Keeps them in memory.
  explicit Advisories(const std::vector<Advisory>& list, int64_t date = 0,
                      const std::string& source = "memory");

  /// Creates a store from documents in the file `path`, which must be empty or absent. The store depends only
  /// on their bytes. With `skip_unknown`, files that are none of the three kinds are skipped.
  static void write_store(const std::string& path, const std::vector<std::string>& files,
                          const std::string& temporary_directory, bool skip_unknown = false);
  /// Adds a store. `dates` are those of its documents, in the order in which they were written, in seconds
  /// since 1970; `files` are their names, empty for a feed.
  void add_store(const std::string& path, const std::vector<int64_t>& dates, const std::string& source,
                 const std::vector<std::string>& files = {});

  bool empty() const { return stores_.empty(); }
  /// All advisories for a package, in a fixed order.
  std::vector<Advisory> find(const std::string& ecosystem, const std::string& package) const;
  /// By ecosystem, feed, source.
  const std::vector<FeedFacts>& feeds() const { return feeds_; }
  /// Files in directories whose names suggest advisories but which contain none.
  const std::vector<std::string>& passed_over() const { return passed_over_; }

 private:
  struct Store;
  std::vector<std::shared_ptr<Store>> stores_;
  std::vector<FeedFacts> feeds_;
  std::vector<std::string> passed_over_;
};

/// Adds the advisories in a file, or in all files of a directory (not recursive) that are one of the three
/// kinds; they are parsed once and then kept in the cache under the hash of the files. Their dates are the
/// files' mtimes. Throws Error naming the path, also if a directory has none.
void add_advisories(Advisories& to, const std::string& path, store::Cache& cache);

/// A feed that was fetched and parsed.
struct StoredFeed {
  std::string url;
  oci::Digest store;    // the SQLite file, a blob of the cache
  int64_t fetched = 0;  // seconds since 1970
  bool operator==(const StoredFeed&) const = default;
};
/// Parses a cached blob that was fetched from `url`; returns the store, which is kept in the cache.
StoredFeed store_feed(const oci::Digest& document, const std::string& url, int64_t now, store::Cache& cache);
/// The feeds that the last update left in the cache; empty if none.
std::vector<StoredFeed> stored_feeds(store::Cache& cache);
void keep_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache);
Advisories open_feeds(const std::vector<StoredFeed>& feeds, store::Cache& cache);

/// The default feed URLs: the Debian tracker, OSV's records for Debian (for severities), and the secdb of
/// each Alpine branch that is supported at `now`.
std::vector<std::string> default_feeds(int64_t now);

}  // namespace minibuild::trust
