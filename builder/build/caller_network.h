// What a stage with `network: full` needs to know of the network that this machine is in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/spec/spec.h"

namespace minibuild::build {

/// What commands get beside their own environment. No part of what decides whether a stage runs again.
struct CallerNetwork {
  spec::Environment env;
  std::vector<uint16_t> ports;  // of proxies on the machine's loopback
  std::string certificates;     // PEM: the machine's, and those that the caller names
};

/// `variables` of the caller: proxies, and files of certificates. Names that `taken` has, in whatever case,
/// stay as they are there. `root_bundle`: what the stage's file system has of its own, kept with the rest.
CallerNetwork caller_network(const spec::Environment& variables, const spec::Environment& taken,
                             const std::string& root_bundle);

}  // namespace minibuild::build
