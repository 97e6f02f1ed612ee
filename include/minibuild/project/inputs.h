// What a project takes from registries and servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/platform.h"
#include "minibuild/project/project.h"

namespace minibuild::project {

/// An image of a registry or a download, at the place where it is first named.
struct OutsideInput {
  std::string name;  // a reference or a URL, as the spec has it
  std::optional<spec::Download> download;
  std::vector<oci::Platform> platforms;  // of an image: those that are wanted
  bool needs_lock = false;               // the spec gives no digest
  const SpecFile* file = nullptr;        // of the project
  spec::Position position;
  std::vector<std::string>
      verify_keys{};              // of a base: key files as written, of which one has to have signed it
  std::string verify_identity{};  // what the signature calls it; empty: as it is named
};

/// Those of the images for `images` and of the stages on this machine. Throws as `Project::walk`.
std::vector<OutsideInput> outside_inputs(const Project& project, const std::vector<oci::Platform>& images);

/// The names of images, URLs and specs in which `${…}` stands for something, as the texts around it:
/// `registry/app-${TARGETARCH}:1` is `registry/app-`, `:1`.
std::vector<std::vector<std::string>> open_names(const Project& project,
                                                 const std::vector<oci::Platform>& images);

}  // namespace minibuild::project
