// A spec with the text that it came from, and errors that point into it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/oci/digest.h"
#include "minibuild/spec/spec.h"

namespace minibuild::build {

struct SpecFile {
  spec::Spec spec;
  std::string source;
  spec::Diagnostics diagnostics;
  std::optional<oci::Digest> policy_digest{};  // of the policy file that was read with it
};

/// What the path of a spec that comes with minibuild begins with: `minibuild:distroless/cc.yaml`.
inline constexpr std::string_view shipped_prefix = "minibuild:";

/// A path as it is written in a file of `directory`: as it is if absolute, else below that.
std::string path_beside(const std::string& directory, const std::string& name);

/// Reads and parses; diagnostics are left to the caller. Throws Error{Code::usage} if the file cannot be
/// read.
SpecFile read_spec(const std::string& path, const std::map<std::string, std::string>& set,
                   const oci::Platform& platform);
/// As `read_spec`, and throws Error{Code::usage} with all diagnostics rendered if there are errors.
SpecFile load_spec(const std::string& path, const std::map<std::string, std::string>& set,
                   const oci::Platform& platform);

/// Of the values `set` those that the spec declares as `args`: arguments belong to the spec that declares
/// them.
std::map<std::string, std::string> declared_of(const std::string& path,
                                               std::map<std::string, std::string> set,
                                               const oci::Platform& platform);

/// Throws an Error whose message is the rendered diagnostic at a place of the spec.
[[noreturn]] void fail_at(const SpecFile& file, spec::Position position, base::Code code,
                          const std::string& message);

/// Lets baselines pass that the policy names and that are not there, for whoever is about to write them.
void drop_missing_baselines(SpecFile& file);

}  // namespace minibuild::build
