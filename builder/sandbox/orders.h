// What the caller tells the inner process, and the descriptors that it gets.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "minibuild/sandbox/sandbox.h"

namespace minibuild::sandbox {

enum Descriptor { orders_fd = 3, control_fd = 4, result_fd = 5, tree_fd = 6 };

/// What a report of the inner process begins with when the machine does not give it its namespaces.
inline constexpr const char* namespaces_refused = "namespaces: ";

struct Orders {
  bool remove_only = false;  // empty the work directory, nothing else
  bool look_only = false;    // show the machine as `host_tools` does, answer questions, run nothing
  bool host_tools = false;
  /// The machine's network: by an uplink, or as it is (`shared`).
  bool network = false;
  bool shared = false;
  std::vector<uint16_t> ports;  // of the machine's loopback, let through an uplink
  std::string certificates;     // the text of `certificates_file`
  std::string name_servers;  // what /etc/resolv.conf says if not what the machine's says; known inside alone
  bool stage_as_root =
      false;  // the caller is root: directories are opened before the user namespace is entered
  Limits limits;
  std::string work;
  std::string workdir;
  std::vector<std::string> env;  // NAME=value
  std::vector<std::vector<std::string>> commands;
  std::vector<std::pair<std::string, std::string>> secrets;  // path and value
  std::vector<std::pair<std::string, std::string>> caches;   // path and host directory
  std::map<std::string, int64_t> times;                      // of files, nanoseconds since 1970
};

std::string write_orders(const Orders& orders);
/// Throws Error if the bytes are not what `write_orders` gives.
Orders read_orders(std::string_view bytes);

}  // namespace minibuild::sandbox
