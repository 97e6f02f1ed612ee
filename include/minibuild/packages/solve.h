// Which packages are needed for what is asked, by libsolv.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/packages/facts.h"

namespace minibuild::packages {

/// The index of one suite and component (or apk repository), verified and plain.
struct Index {
  std::string source;  // its name in the spec
  std::string url;     // what the names of its package files are below
  std::string path;    // of the text, on disk
  std::string parsed;  // of the form that `keep_parsed` was given for this text; empty if there is none
  std::function<void(const std::string& bytes)> keep_parsed;  // may be empty
  int rank = 0;  // a package that an index of a smaller one has is not taken from this one
};

/// What is asked for.
struct Request {
  std::string name;  // of a package, or of something that packages provide
  std::string op;    // empty, `=`, `<`, `<=`, `>`, `>=`; apk also `~`
  std::string version;
  bool absent = false;   // it must not be there
  bool omitted = false;  // taken as if it were there: it is not installed, nor is what only it needs
  std::string label;     // as the spec has it, for messages and reasons
  std::string source{};  // the one that the package has to come from, whatever the ranks; empty: any
};

struct Selected {
  Facts facts;
  std::string source;  // the name of its source in the spec
  std::string url;     // of the file
  std::string why;     // `requested`, or `needed by NAME`
};

/// No set of packages satisfies what is asked. `request` is the index of a request that cannot be met, or of
/// one of those that clash.
struct Unsolvable {
  size_t request = 0;
  std::string message;
};

/// A newer version that was not taken, since another source comes first.
struct PassedOver {
  std::string name;
  std::string version;
  std::string source;
  std::string taken_version;
  std::string taken_source;
};

/// A package of a later source, there for reasons of its own, that meets what a package of an earlier one
/// would have met.
struct StandIn {
  std::string name;
  std::string source;
  std::string needed_by;
  std::string dependency;
  std::string usual;  // what the earlier source has for it
};

struct Solution {
  std::vector<Selected> packages;  // by name; without what is installed already
  std::vector<PassedOver> passed_over{};
  std::vector<StandIn> stand_ins{};
  std::optional<Unsolvable> failure;
};

struct Problem {
  Format format = Format::deb;
  std::string architecture;  // in the format's own words: amd64, x86_64
  std::vector<Index> indexes;
  std::vector<Facts> installed;  // what the base has
  std::vector<Request> requests;
  bool essential = false;  // deb: packages with Essential: yes too
};

/// Every operator of the formats is understood: alternatives, virtual packages with and without version,
/// conflicts, breaks, `!name`, `~`, install_if. Among several ways the one that apt would take: the first
/// alternative, real packages before provided ones, higher priority, the newest version. Recommends and
/// suggests are not followed. What an index of a smaller rank has, by name or as what a dependency can be met
/// with, comes from there; an install_if or Essential of a larger rank alone brings nothing in. Throws Error
/// for an index that cannot be read.
Solution solve(const Problem& problem);

}  // namespace minibuild::packages
