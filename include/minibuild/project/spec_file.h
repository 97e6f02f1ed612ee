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

/// A spec for one platform and the arguments that reach it.
struct SpecFile {
  spec::Spec spec;
  std::string source;
  spec::Diagnostics diagnostics;
  std::optional<oci::Digest> policy_digest{};  // of the policy file that was read with it
  std::map<std::string, std::string> set{};    // values for arguments that it declares
  oci::Platform platform{};
};

/// The prefix of the path of a spec shipped with minibuild: `minibuild:distroless/cc.yaml`.
inline constexpr std::string_view shipped_prefix = "minibuild:";

/// A path as written in a file in `directory`: unchanged if absolute, else below that directory.
std::string path_beside(const std::string& directory, const std::string& name);
/// The path of a file or image named in a spec: as written if absolute, else next to the spec.
std::string beside(const SpecFile& file, const std::string& path);
/// The same for an image on disk; an image in a registry is returned unchanged.
oci::ImageLocation beside(const SpecFile& file, oci::ImageLocation location);

/// The diagnostics as people read them, with lines of the source; without a trailing newline.
std::string rendered(const spec::Diagnostics& diagnostics, const std::string& file,
                     const std::string& source);
/// Throws an Error whose message is the rendered diagnostic at a place in the spec.
[[noreturn]] void fail_at(const SpecFile& file, spec::Position position, base::Code code,
                          const std::string& message);

}  // namespace minibuild::project
