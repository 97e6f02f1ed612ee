// What a spec takes from registries and servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/build/build.h"

namespace minibuild::build {

/// An image of a registry or a download, at the place where it is first named.
struct OutsideInput {
  std::string name;  // a reference or a URL, as the spec has it
  std::optional<spec::Download> download;
  std::vector<oci::Platform> platforms;  // of an image: those that are wanted
  bool needs_lock = false;               // the spec gives no digest
  SpecFile file;
  spec::Position position;
  std::vector<std::string>
      verify_keys{};              // of a base: key files as written, of which one has to have signed it
  std::string verify_identity{};  // what the signature calls it; empty: as it is named
};

/// Walks through a spec and those that it stands on, for all platforms, stages for the host's. Throws Error
/// as `load_spec`.
std::vector<OutsideInput> outside_inputs(const std::string& spec_path, const Options& options);
/// The names of images, URLs and specs, in a spec and those that it stands on, in which `${…}` stands for
/// something, as the texts around it: `registry/app-${TARGETARCH}:1` is `registry/app-`, `:1`.
std::vector<std::vector<std::string>> open_names(const std::string& spec_path, const Options& options);
/// The platforms that the spec is built for.
std::vector<oci::Platform> platforms_of(const std::string& spec_path, const Options& options);

}  // namespace minibuild::build
