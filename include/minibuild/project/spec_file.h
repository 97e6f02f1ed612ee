// A spec with the text that it came from, and errors that point into it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"
#include "minibuild/oci/digest.h"
#include "minibuild/spec/spec.h"

namespace minibuild::project {

/// A spec as it is for one platform and the arguments that reach it.
struct SpecFile {
  spec::Spec spec;
  std::string source;
  spec::Diagnostics diagnostics;
  std::optional<oci::Digest> policy_digest{};  // of the policy file that was read with it
  std::map<std::string, std::string> set{};    // values for arguments that it declares
  oci::Platform platform{};
};

/// What the path of a spec that comes with minibuild begins with: `minibuild:distroless/cc.yaml`.
inline constexpr std::string_view shipped_prefix = "minibuild:";

/// A path as it is written in a file of `directory`: as it is if absolute, else below that.
std::string path_beside(const std::string& directory, const std::string& name);
/// The path of a spec's file or image: as written if absolute, else beside the spec.
std::string beside(const SpecFile& file, const std::string& path);
/// The same for an image on disk; one in a registry stays as it is.
oci::ImageLocation beside(const SpecFile& file, oci::ImageLocation location);

/// The diagnostics as people read them, with lines of the source; without a line end.
std::string rendered(const spec::Diagnostics& diagnostics, const std::string& file,
                     const std::string& source);
/// Throws an Error whose message is the rendered diagnostic at a place of the spec.
[[noreturn]] void fail_at(const SpecFile& file, spec::Position position, base::Code code,
                          const std::string& message);

}  // namespace minibuild::project
