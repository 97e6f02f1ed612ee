// Known vulnerabilities of an image: its packages matched against the advisories of distributions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/trust/advisories.h"
#include "minibuild/trust/inventory.h"

namespace minibuild::trust {

/// A vulnerability of an installed package.
struct Vulnerability {
  std::string id;  // the CVE if there is one
  std::vector<std::string> aliases;
  InstalledPackage package;
  std::string fixed_version;  // of the source package; empty: there is no fix
  Severity severity = Severity::unknown;
  double score = -1;    // CVSS v3 base score; below 0: none
  std::string vector;   // CVSS
  std::string urgency;  // the distribution's own term
  std::string status;   // `fix-available`, `affected`, `no-dsa`, `ignored`, `postponed`, `end-of-life`
  std::string title;
  std::string url;
  std::vector<Feed> feeds;  // that report it; sorted
  bool operator==(const Vulnerability&) const = default;
};

/// The ecosystems whose advisories cover a system's packages, in OSV's names; empty for an unknown system.
std::vector<std::string> ecosystems_of(const OperatingSystem& os);

/// The format of a system's own packages; std::nullopt for an unknown system.
std::optional<packages::Format> package_format_of(const OperatingSystem& os);

/// Why an image cannot be scanned: no packages, an unknown system, or no advisories for this release. Empty
/// if it can.
std::string nothing_to_say(const Inventory& inventory, const Advisories& advisories);

/// Every vulnerability of every package, by package, then by severity (worst first), then by id; each id once
/// per package. Source packages are matched by name and source version, using their format's version order.
/// If the distribution's own database (tracker, secdb) has an entry for a CVE and a package, it decides; OSV
/// adds severities, titles, and entries that the others lack. Throws Error{Code::failed} with the text of
/// `nothing_to_say`.
std::vector<Vulnerability> scan(const Inventory& inventory, const Advisories& advisories);
/// The ids that are `undetermined` for an installed package and therefore not among the vulnerabilities.
std::vector<std::string> undetermined(const Inventory& inventory, const Advisories& advisories);

/// Returns true if `version` is in a range or in the list (OSV schema, "Evaluation").
bool is_affected(const Advisory& advisory, std::string_view version, packages::Format format);

Severity worst(const std::vector<Vulnerability>& found);
/// The vulnerabilities of at least this severity. `unknown` means all.
std::vector<Vulnerability> at_least(const std::vector<Vulnerability>& found, Severity severity);

/// The end of the last day on which the release gets security updates from its distribution (Debian: LTS), in
/// seconds since 1970; std::nullopt if unknown, or if no such day has been set yet.
std::optional<int64_t> end_of_life(const OperatingSystem& os);

/// What limits the result's reliability: advisories for this system older than `max_age` seconds at `now`, a
/// release past its end of life, packages not covered by the system's advisories. One sentence each.
std::vector<std::string> doubts(const Inventory& inventory, const Advisories& advisories, int64_t now,
                                int64_t max_age);

/// The names of an image, for matching the products of VEX statements.
struct ImageNames {
  std::vector<std::string> digests;     // `sha256:…`: of the manifest, the config's index
  std::vector<std::string> references;  // `registry.example.com/team/app:1.0`
  std::string architecture;             // Go's name
};

/// One statement of an OpenVEX document (OpenVEX 0.2.0; 0.0.1's plain strings too).
struct VexStatement {
  struct Component {
    std::vector<std::string> names;  // `@id`, identifiers, hashes as `sha256:HEX`
    bool operator==(const Component&) const = default;
  };
  struct Product {
    Component self;
    std::vector<Component> subcomponents;
    bool operator==(const Product&) const = default;
  };
  std::vector<std::string> vulnerabilities;  // name and aliases
  std::vector<Product> products;
  std::string status;  // `not_affected`, `affected`, `fixed`, `under_investigation`
  std::string justification;
  std::string impact;  // impact_statement
  int64_t time = 0;    // seconds since 1970: its own, else the document's
  std::string source;  // the document
  bool operator==(const VexStatement&) const = default;
};
/// Throws Error `cannot read WHAT: cause` if the text is not an OpenVEX document.
std::vector<VexStatement> parse_vex(std::string_view text, const std::string& what);
/// Whether a package URL in a statement matches that of a package: what the statement's URL omits matches
/// anything.
bool package_url_matches(std::string_view wanted, std::string_view actual);

struct Suppressed {
  Vulnerability vulnerability;
  VexStatement statement;
};
/// Removes from `found` each vulnerability that the latest applicable statement declares `not_affected` or
/// `fixed`; among statements with equal times, the last one counts.
std::vector<Suppressed> suppress(std::vector<Vulnerability>& found,
                                 const std::vector<VexStatement>& statements, const ImageNames& image,
                                 const OperatingSystem& os);

/// The contents of a report.
struct ScanReport {
  std::string image;  // as written by the user
  std::string digest;
  std::string platform;
  std::string created;  // RFC 3339; empty if unknown or the epoch
  std::string base_name;
  std::string base_digest;
  Inventory inventory;
  std::vector<FeedFacts> feeds;  // those that cover this system
  std::vector<Vulnerability> found;
  std::vector<Suppressed> suppressed;
  std::vector<std::string> undetermined;
  std::vector<std::string> doubts;
  uint64_t not_fixed = 0;                             // omitted from `found` by --only-fixed
  std::map<packages::Format, std::string> databases;  // paths in the image where the packages are listed
  int64_t now = 0;
};
/// For display: a table by package, and a summary.
std::string to_table(const ScanReport& report, bool colours);
/// docs/scan.md, "JSON".
std::string to_json(const ScanReport& report);
std::string to_sarif(const ScanReport& report);

}  // namespace minibuild::trust
