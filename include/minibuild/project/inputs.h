// What a project takes from registries and servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/platform.h"
#include "minibuild/project/project.h"

namespace minibuild::project {

/// An image in a registry or a download, at the place where it is first named.
struct OutsideInput {
  std::string name;  // a reference or a URL, as in the spec
  std::optional<spec::Download> download;
  std::vector<oci::Platform> platforms;  // for an image: the platforms that are wanted
  bool needs_lock = false;               // the spec gives no digest
  const SpecFile* file = nullptr;        // owned by the project
  spec::Position position;
  std::vector<std::string>
      verify_keys{};              // for a base: key files as written, one of which must have signed it
  std::string verify_identity{};  // the name in the signature; empty: the name in the spec
};

/// The inputs of the images for `images` and of the stages on this machine. Throws like `Project::walk`.
std::vector<OutsideInput> outside_inputs(const Project& project, const std::vector<oci::Platform>& images);

/// The names of images, URLs and specs that contain `${…}`, as the texts around the placeholders:
/// `registry/app-${TARGETARCH}:1` is `registry/app-`, `:1`.
std::vector<std::vector<std::string>> open_names(const Project& project,
                                                 const std::vector<oci::Platform>& images);

}  // namespace minibuild::project
