// Determines which packages a set of requests needs, using libsolv.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/packages/facts.h"

namespace minibuild::packages {

/// The index of one suite and component (or apk repository), verified and uncompressed.
struct Index {
  std::string source;  // its name in the spec
  std::string url;     // what its package file names are relative to
  std::string path;    // of the text on disk
  std::string parsed;  // path of what `keep_parsed` got for this text; empty if none
  std::function<void(const std::string& bytes)> keep_parsed;  // may be empty
  int rank = 0;  // packages found in an index of smaller rank are not taken from this one
};

/// A requested package.
struct Request {
  std::string name;  // of a package, or of something that packages provide
  std::string op;    // empty, `=`, `<`, `<=`, `>`, `>=`; apk also `~`
  std::string version;
  bool absent = false;   // it must not be installed
  bool omitted = false;  // treated as if present: neither it nor what only it needs is installed
  std::string label;     // as written in the spec, for messages and reasons
  std::string source{};  // the source it must come from, regardless of ranks; empty: any
};

struct Selected {
  Facts facts;
  std::string source;  // the name of its source in the spec
  std::string url;     // of the file
  std::string why;     // `requested`, or `needed by NAME`
};

/// No set of packages satisfies the requests. `request` is the index of a request that cannot be satisfied,
/// or of one of those that conflict.
struct Unsolvable {
  size_t request = 0;
  std::string message;
};

/// A newer version that was not chosen because another source takes precedence.
struct PassedOver {
  std::string name;
  std::string version;
  std::string source;
  std::string taken_version;
  std::string taken_source;
};

/// A package from a later source that was selected for other reasons and satisfies a dependency that a
/// package from an earlier source would otherwise have satisfied.
struct Substitute {
  std::string name;
  std::string source;
  std::string needed_by;
  std::string dependency;
  std::string usual;  // what the earlier source has for it
};

struct Solution {
  std::vector<Selected> packages;  // by name; without those already installed
  std::vector<PassedOver> passed_over{};
  std::vector<Substitute> substitutes{};
  std::optional<Unsolvable> failure;
};

struct Problem {
  Format format = Format::deb;
  std::string architecture;  // in the format's own terms: amd64, x86_64
  std::vector<Index> indexes;
  std::vector<Facts> installed;  // what the base has installed
  std::vector<Request> requests;
  bool essential = false;  // deb: also packages with Essential: yes
};

/// Supports every operator of the formats: alternatives, virtual packages with and without version,
/// conflicts, breaks, `!name`, `~`, install_if. Among several solutions it prefers what apt would: the first
/// alternative, real packages over provided ones, higher priority, the newest version. Recommends and
/// suggests are not followed. If an index of smaller rank has a package, by name or as a way to satisfy a
/// dependency, it comes from there; an install_if or Essential of a larger rank brings nothing in on its own.
/// Throws Error for an index that cannot be read.
Solution solve(const Problem& problem);

}  // namespace minibuild::packages
