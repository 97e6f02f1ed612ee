// What stays in a repository and what is removed: turns rules and the repository's contents into a plan. No
// I/O.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "minibuild/oci/digest.h"
#include "minibuild/spec/retention.h"

namespace minibuild::trust {

/// A manifest or index in the repository.
struct StoredManifest {
  std::string media_type;
  std::string artifact_type;      // empty for an image
  uint64_t size = 0;              // in bytes: itself and the blobs that it references
  std::optional<int64_t> pushed;  // seconds since 1970; std::nullopt if unknown
  std::optional<int64_t> created;
  std::vector<oci::Digest> children;   // of an index; they need not be in the repository
  std::optional<oci::Digest> subject;  // its subject, which makes it a referrer
  bool operator==(const StoredManifest&) const = default;
};

struct Holdings {
  std::string repository;  // `team/app`; empty for a layout
  std::map<std::string, oci::Digest> tags;
  std::map<oci::Digest, StoredManifest> manifests;
  // What is named but was missing when it was requested: tags that are listed, indexes that are part of
  // others. What they need is unknown.
  std::set<std::string> lost_tags;
  std::set<oci::Digest> lost_indexes;
};

/// The meaning of a tag derived from a digest: `sha256-HEX` lists the referrers of HEX (distribution-spec,
/// "Referrers Tag Schema"); `sha256-HEX.sig`, `.att` and `.sbom` are what cosign attached to it. For SHA-512,
/// the tag contains only half of the digest; the holdings determine which manifest is meant, and if none
/// matches, the subject is one that does not exist.
struct DerivedTag {
  oci::Digest subject;
  bool list = false;
};
std::optional<DerivedTag> derived_tag(std::string_view tag, const Holdings& holdings = {});

enum class Fate {
  keep,
  remove,   // with its manifest
  untag,    // its manifest stays, for another reason
  rewrite,  // a list of referrers that loses some entries
};

struct TagDecision {
  std::string tag;
  oci::Digest digest;
  Fate fate = Fate::remove;
  std::string why;
  bool operator==(const TagDecision&) const = default;
};

struct ManifestDecision {
  oci::Digest digest;
  bool keep = false;
  std::string why;
  bool operator==(const ManifestDecision&) const = default;
};

/// A list of referrers from which entries are removed.
struct ListUpdate {
  std::string tag;
  oci::Digest list;
  std::vector<oci::Digest> go;
  bool operator==(const ListUpdate&) const = default;
};

struct RetentionPlan {
  std::vector<TagDecision> tags;            // by name, in natural order
  std::vector<ManifestDecision> manifests;  // by digest
  /// What to delete, in order: referrers before their subjects, indexes before their children. Manifests
  /// connected in these ways form one group.
  std::vector<std::vector<oci::Digest>> groups;
  std::vector<ListUpdate> lists;    // each before the list itself is deleted
  std::vector<std::string> notes;   // what a reader of the policy might not expect
  std::vector<std::string> unread;  // missing parts of what stays: nothing can be deleted safely
  bool applies = false;             // at least one rule applies to this repository
  bool operator==(const RetentionPlan&) const = default;
};

/// A tag that a rule keeps stays, along with what it points to, what refers to that, and so on. A tag derived
/// from a digest shares the fate of that manifest. If a rule depends on time and the time is unknown, or so
/// early that a reproducible build must have set it, the image stays. `now` is in seconds since 1970. The
/// manifests in `stay` stay whatever the rules say, with everything that follows from that.
RetentionPlan plan_retention(const spec::Retention& policy, const Holdings& holdings, int64_t now,
                             const std::set<oci::Digest>& stay = {});

/// A semantic version (semver.org 2.0), with or without a leading `v`. Build metadata is ignored; in tags,
/// which cannot contain `+`, it may follow `_`.
struct SemanticVersion {
  std::array<std::string, 3> numbers;    // decimal digits of any length
  std::vector<std::string> pre_release;  // empty: a release
};
std::optional<SemanticVersion> parse_semantic_version(std::string_view text);
/// Returns a value below, equal to or above 0, by precedence (semver.org, 11).
int compare(const SemanticVersion& a, const SemanticVersion& b);

/// Returns true for a real time: anything before 1981 is what reproducible builds write.
bool is_known_time(const std::optional<int64_t>& time);
/// `45 days`, `3 hours`, `2 min`.
std::string age_text(int64_t seconds);

}  // namespace minibuild::trust
