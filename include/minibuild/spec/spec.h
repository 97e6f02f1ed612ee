// The spec language, version 1, as values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "minibuild/oci/platform.h"
#include "minibuild/oci/reference.h"
#include "minibuild/spec/diagnostic.h"
#include "minibuild/spec/policy.h"

namespace minibuild::spec {

struct BaseScratch {};
struct BaseHost {};
struct BaseStage {
  std::string name;
};
/// Another spec: its path as written (relative to the directory of the spec that names it), or a spec shipped
/// with minibuild: `minibuild:distroless/cc.yaml`.
struct BaseSpec {
  std::string path;
};
/// An image: `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE`, with the path as written, or
/// an image in a registry.
struct BaseImage {
  oci::ImageLocation location;
  std::vector<std::string> verify_keys;  // public key files as written: one of them must have signed it
  std::string verify_identity;           // the name in its signature; empty: as `location`
};
struct Base {
  std::variant<BaseScratch, BaseHost, BaseStage, BaseSpec, BaseImage> what = BaseScratch{};
  Position position;
};

/// A file or an archive to download.
struct Download {
  std::string url;                    // http or https
  std::optional<oci::Digest> digest;  // absent: in the lock file
  bool extract = false;               // the content of the archive, not the archive
  uint32_t strip = 0;                 // leading components to strip from names in the archive
};

struct Copy {
  std::string
      from;        // path or glob; without a leading `/` it is next to the spec, in a root it is from the top
  std::string to;  // absolute path; ends with `/` if written so
  std::optional<std::string> stage;  // from that stage's result
  std::optional<oci::ImageLocation> image;
  std::optional<Download> download;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  std::optional<uint32_t> mode;            // of files
  std::optional<uint32_t> directory_mode;  // of directories
  std::string owner;                       // empty: 0:0
  bool closure = false;
  std::vector<std::string> closure_search;  // directories that loaders search though no header names them
  Position position;
};

struct FileEntry {
  enum class Kind { file, directory, symlink };
  Kind kind = Kind::file;
  std::string path;  // absolute
  std::string content;
  std::string target;
  std::optional<uint32_t> mode;
  std::string owner;
  Position position;
};

struct AccountUser {
  std::string name;
  uint32_t uid = 0;
  std::optional<uint32_t> gid;
  std::optional<std::string> home;
  std::optional<std::string> shell;
  std::string gecos;
  Position position;
};
struct AccountGroup {
  std::string name;
  uint32_t gid = 0;
  std::vector<std::string> members;
  Position position;
};

struct Port {
  uint32_t number = 0;
  std::string protocol = "tcp";  // tcp, udp or sctp
};

enum class Algorithm { zstd, gzip, none };
struct Compression {
  Algorithm algorithm = Algorithm::zstd;
  int level = 3;  // zstd: 1 to 19, default 3; gzip: 1 to 12, default 6
  bool operator==(const Compression&) const = default;
};

struct Secret {
  std::string id;
  std::string env;   // name of a variable, or empty
  std::string file;  // absolute path, or empty
  Position position;
};

/// A step: a shell script or an argv.
struct Step {
  std::vector<std::string> argv;  // for a script: /bin/sh -eu -c SCRIPT
  std::string text;               // as shown to people: the script, or the argv quoted
};

/// A package repository.
struct Source {
  enum class Kind { deb, apk };
  std::string name;
  Kind kind = Kind::deb;
  std::string url;                      // http, https or file; without a trailing `/`
  std::vector<std::string> suites;      // deb
  std::vector<std::string> components;  // deb: in each suite; apk: directories below the URL
  std::vector<std::string> keys;        // files as written: OpenPGP keyrings, RSA keys
  bool check_valid_until = true;        // deb
  std::optional<int> priority;          // the highest comes first; sources without one come last
  Position position;
};

/// The rank of each source among all; 0 is the first. Ranks follow `priority`: sources with the same priority
/// share a rank, and sources without one follow, each with a rank of its own. A package is taken from the
/// first rank that has it.
std::vector<int> ranks_of(const std::vector<Source>& sources);

/// An entry of `packages`.
struct PackageEntry {
  std::string name;  // `*`: `only` and `except` apply to all packages
  std::string op;    // empty, `=`, `<`, `<=`, `>`, `>=`, `~`
  std::string version;
  bool absent = false;  // written `!name`
  bool omit = false;    // treated as already installed
  std::string from;     // the source that it must come from; empty: any, in their order
  std::vector<std::string> only;
  std::vector<std::string> except;
  std::string text;  // as written, for messages and lock files
  Position position;
};

/// Keep only what the entrypoint needs, and whatever these globs match.
struct Trim {
  bool on = false;
  std::vector<std::string> keep;
  Position position;
};

using Environment = std::vector<std::pair<std::string, std::string>>;  // in the order written

/// What a stage may use of the machine; 0: the default of sandbox::Limits. Not part of its key.
struct Limits {
  uint64_t memory = 0;  // bytes
  uint64_t processes = 0;
  uint64_t disk = 0;  // bytes
  uint64_t time = 0;  // seconds
};

struct Stage {
  std::string name;
  Base base;
  std::vector<PackageEntry> packages;
  std::vector<Copy> copy;
  std::vector<FileEntry> files;
  Environment env;
  std::string workdir = "/";
  std::vector<Secret> secrets;
  std::vector<std::string> caches;  // absolute paths
  bool network = false;             // full: a network with a way out; none: loopback only
  Limits limits;
  std::vector<Step> run;
  Position position;
};

/// A whole spec for one platform: interpolated, and checked for everything that can be checked without
/// looking at files.
struct Spec {
  std::string file;       // as given
  std::string directory;  // of the file; its relative paths start here
  std::vector<oci::Reference> images;
  std::vector<std::pair<std::string, std::string>> args;  // with --set applied
  std::vector<Stage> stages;                              // in the order written
  Base base;
  std::vector<Source> sources;
  std::vector<PackageEntry> packages;
  Trim trim;
  bool full_package_database = false;  // dpkg's own, not status.d
  std::vector<Copy> copy;
  std::vector<FileEntry> files;
  std::vector<std::string> remove;
  std::vector<AccountUser> users;
  std::vector<AccountGroup> groups;
  bool has_accounts = false;
  std::optional<std::string> user;
  std::optional<std::string> workdir;
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  Environment env;  // values may contain ${env.NAME}: the base's value, substituted once the base is known
  std::vector<Port> ports;
  std::vector<std::string> volumes;
  std::optional<std::string> stop_signal;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  bool single_layer = false;
  Compression compression;
  std::optional<int64_t> epoch;          // seconds since 1970
  std::vector<oci::Platform> platforms;  // as listed; empty if the key is absent
  Policy policy;
  Attest attest;
  // Where the spec defines the properties of the image: `user`, `workdir`, `entrypoint`, `cmd`, `env` and
  // `env:NAME`, likewise `label`, `annotation`, `image` (its reference), `port` (`53/udp`) and `volume`.
  std::map<std::string, Position, std::less<>> places;
};

/// The position of an entry of `Spec::places`; line 0 if there is none.
Position position_of(const Spec& spec, std::string_view place);

struct ParseOptions {
  std::string file;                        // for messages
  std::string directory;                   // of the file
  std::map<std::string, std::string> set;  // --set
  /// The platform that ${TARGETPLATFORM}, ${TARGETOS}, ${TARGETARCH} and ${TARGETVARIANT} refer to.
  oci::Platform platform;
};

struct ParseResult {
  Spec spec;  // usable only if there are no errors
  Diagnostics diagnostics;
};
/// Reads a spec of at most 4 MiB of UTF-8. Reports every fault, not only the first. Never throws on bad
/// input.
ParseResult parse(std::string_view source, const ParseOptions& options);

/// Replaces each `${env.NAME}` in `value` with the base's value; empty if the base has none.
std::string expand_base_env(std::string_view value, const Environment& base);

/// The text of a file shipped with minibuild (`distroless/cc.yaml`, `distroless/cc.lock.json`); std::nullopt
/// if there is none of that name.
std::optional<std::string_view> shipped_file(std::string_view name);
/// The names of the specs shipped with minibuild, sorted: `distroless/cc`.
std::vector<std::string> shipped_specs();

/// The JSON Schema (draft 2020-12) of the language, indented, ending with a newline.
std::string json_schema();

/// Parses a reference to an image on disk or in a registry, as written on the command line or in a spec.
/// Throws Error{Code::usage} naming the right form; short names (without a host) are refused. `fault` is what
/// is said of a text of no known form.
oci::ImageLocation parse_image_location(
    std::string_view text,
    std::string_view fault =
        "is not a place for an image; write docker://HOST/REPOSITORY:TAG, oci:DIR:TAG, oci-archive:FILE:TAG "
        "or docker-archive:FILE:NAME:TAG");

}  // namespace minibuild::spec
