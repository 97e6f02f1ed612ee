// Provenance: how an image was built, as an SLSA v1 predicate in an in-toto statement. It contains times, so
// it is stored next to the image, not in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minibuild/oci/digest.h"
#include "minibuild/trust/cosign.h"

namespace minibuild::trust {

inline constexpr std::string_view slsa_predicate = "https://slsa.dev/provenance/v1";
/// The build type of minibuild; docs/sbom.md describes its parameters. A name, not a location.
inline constexpr std::string_view slsa_build_type = "urn:minibuild:build:v1";
inline constexpr std::string_view in_toto_type = "application/vnd.in-toto+json";

/// Something that a build used or produced (in-toto/attestation, ResourceDescriptor v1). Empty fields are
/// omitted.
struct Resource {
  std::string name;
  std::string uri;
  std::map<std::string, std::string> digest;  // by algorithm, hexadecimal: `sha256`, `gitCommit`
  std::string download_location;
  std::string media_type;
  std::map<std::string, std::string> annotations;
  bool operator==(const Resource&) const = default;
};
/// A Resource with the SHA-256 of `digest`.
Resource resource(std::string name, std::string uri, const oci::Digest& digest);

struct Provenance {
  // externalParameters: what the user requested.
  std::string spec;                         // path as given
  std::string target;                       // the stage at which the build stops; empty: the image
  std::map<std::string, std::string> args;  // given on the command line
  std::vector<std::string> secrets;         // ids, never values
  // internalParameters
  std::vector<std::string> platforms;
  std::string version;                   // of minibuild
  std::vector<std::string> open_stages;  // those with network access: what they fetched is unknown
  std::vector<Resource> dependencies;
  std::vector<Resource> byproducts;
  std::string builder;     // URI of who ran the build
  std::string invocation;  // id of this run; may be empty
  int64_t started = 0;     // seconds since 1970
  int64_t finished = 0;
};

/// The predicate alone, as `attest` accepts it. Dependencies and byproducts are sorted. Throws Error if
/// `builder` is empty: the specification requires one.
std::string provenance_predicate(const Provenance& provenance);
/// The in-toto statement (v1) about `subjects`: each with its name and SHA-256.
std::string provenance_statement(const std::vector<Resource>& subjects, const Provenance& provenance);
/// The statement, unsigned, as a referrer: artifact type and layer are `application/vnd.in-toto+json`, with
/// `in-toto.io/predicate-type`.
Artifact provenance_artifact(const std::string& statement, const oci::Descriptor& subject, int64_t created);

/// Replaces each value of a secret in all texts by `[secret ID]`. `secrets` are values by id.
void hide_secrets(Provenance& provenance, const std::map<std::string, std::string>& secrets);

}  // namespace minibuild::trust
