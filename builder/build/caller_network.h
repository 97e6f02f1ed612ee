// What a stage with `network: full` needs to know about this machine's network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// What commands get in addition to their own environment. Not part of a stage's key.
struct CallerNetwork {
  spec::Environment env;
  std::vector<uint16_t> ports;  // of proxies on the machine's loopback interface
  std::string certificates;     // PEM: the machine's, and those that the caller names
};

/// `variables` are the caller's: proxies and certificate files. Names that are in `taken`, in any case, keep
/// their value from there. `root_bundle` is the bundle in the stage's own file system, which is included.
CallerNetwork caller_network(const spec::Environment& variables, const spec::Environment& taken,
                             const std::string& root_bundle);

}  // namespace minibuild::build
