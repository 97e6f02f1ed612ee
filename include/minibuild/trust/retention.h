// What of a repository stays and what goes: from rules and what is there to a plan. No I/O.
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

/// A manifest or index that is in the repository.
struct StoredManifest {
  std::string media_type;
  std::string artifact_type;      // empty for an image
  uint64_t size = 0;              // in bytes: itself and the blobs that it names
  std::optional<int64_t> pushed;  // seconds since 1970; nothing if not known
  std::optional<int64_t> created;
  std::vector<oci::Digest> children;   // of an index; they need not be in the repository
  std::optional<oci::Digest> subject;  // what it is about: then it is a referrer
  bool operator==(const StoredManifest&) const = default;
};

struct Holdings {
  std::string repository;  // `team/app`; empty for a layout
  std::map<std::string, oci::Digest> tags;
  std::map<oci::Digest, StoredManifest> manifests;
  // What is named and was not there when it was asked for: tags that are listed, indexes that are part of
  // others. What they need is not known.
  std::set<std::string> lost_tags;
  std::set<oci::Digest> lost_indexes;
};

/// What a tag that is made of a digest says: `sha256-HEX` lists the referrers of HEX (distribution-spec,
/// "Referrers Tag Schema"), `sha256-HEX.sig`, `.att` and `.sbom` are what cosign attached to it. A tag has
/// half of a SHA-512; which manifest that is the holdings tell, otherwise the subject is one that is not
/// there.
struct DerivedTag {
  oci::Digest subject;
  bool list = false;
};
std::optional<DerivedTag> derived_tag(std::string_view tag, const Holdings& holdings = {});

enum class Fate {
  keep,
  remove,   // with its manifest
  untag,    // its manifest stays, for another reason
  rewrite,  // a list of referrers of which some go
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

/// A list of referrers from which entries go.
struct ListUpdate {
  std::string tag;
  oci::Digest list;
  std::vector<oci::Digest> go;
  bool operator==(const ListUpdate&) const = default;
};

struct RetentionPlan {
  std::vector<TagDecision> tags;            // by name, numbers in it as numbers
  std::vector<ManifestDecision> manifests;  // by digest
  /// What to delete, in order: referrers before their subjects, indexes before their children. What is
  /// connected in these ways is one group.
  std::vector<std::vector<oci::Digest>> groups;
  std::vector<ListUpdate> lists;    // each before the list itself is deleted
  std::vector<std::string> notes;   // what a reader of the policy might not expect
  std::vector<std::string> unread;  // of what stays, that which was not there: nothing can be deleted safely
  bool applies = false;             // at least one rule is about this repository
  bool operator==(const RetentionPlan&) const = default;
};

/// Each tag stays that a rule keeps; with it what it names, what refers to that, and so on. What has a digest
/// in its tag goes the way of that manifest. Where a rule goes by time and the time is not known, or is so
/// early that a reproducible build must have set it, the image stays. `now` is in seconds since 1970.
/// `stay` are manifests that stay whatever the rules say, with what follows from that.
RetentionPlan plan_retention(const spec::Retention& policy, const Holdings& holdings, int64_t now,
                             const std::set<oci::Digest>& stay = {});

/// A semantic version (semver.org 2.0), with or without a leading `v`. Build metadata is of no importance; in
/// tags, which cannot hold a `+`, it may stand behind `_`.
struct SemanticVersion {
  std::array<std::string, 3> numbers;    // decimal digits of any length
  std::vector<std::string> pre_release;  // empty: it is a release
};
std::optional<SemanticVersion> parse_semantic_version(std::string_view text);
/// Below, equal to or above 0, by precedence (semver.org, 11).
int compare(const SemanticVersion& a, const SemanticVersion& b);

/// True for a time that says when something happened: before 1981 it is what reproducible builds write.
bool is_known_time(const std::optional<int64_t>& time);
/// `45 days`, `3 hours`, `2 min`.
std::string age_text(int64_t seconds);

}  // namespace minibuild::trust
