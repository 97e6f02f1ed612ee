// The way from a network namespace of the sandbox's own to the machine's network.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "minibuild/base/file.h"

namespace minibuild::sandbox {

/// A program that passes on what the sandbox sends, from outside its network namespace: pasta, else
/// slirp4netns. It has no more rights than the sandbox's root, and ends with the process that made this.
class Uplink {
 public:
  /// Made before the network namespace is entered. `ports` of the machine's loopback are let through, where
  /// the program can do that.
  explicit Uplink(std::vector<uint16_t> ports);
  /// In the new network namespace; waits until it can be used. Loopback and the machine's own addresses lead
  /// nowhere. False if it cannot be had; `failure` says why.
  bool connect();

  const std::string& failure() const { return failure_; }
  /// Whether the ports are let through.
  bool has_ports() const { return has_ports_; }
  /// The machine's resolv.conf, in which servers on the machine itself are the program's own instead.
  std::string name_servers(const std::string& text) const;

 private:
  [[noreturn]] void supervise(const std::string& space);
  void wait_until_ready();
  void keep_own_addresses() const;

  std::vector<uint16_t> ports_;
  std::vector<std::string> own_addresses_;  // 4 or 16 bytes each
  base::Fd go_;
  base::Fd status_;
  bool ready_ = false;
  bool has_ports_ = false;
  std::string forwarder_;
  std::string failure_;
};

/// Gives the sandbox what pasta and slirp4netns open, where root alone may open it. Done by root, in a mount
/// namespace of our own.
void share_tunnel_device();

}  // namespace minibuild::sandbox
