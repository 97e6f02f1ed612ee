// Platforms (image-spec image-index.md "platform"): os, architecture, variant.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minibuild::oci {

struct Platform {
  std::string os = "linux";
  std::string architecture;  // Go's names: amd64, arm64, arm, 386, riscv64, ppc64le, s390x …
  std::string variant;       // v7, v8 …, or empty
  auto operator<=>(const Platform&) const = default;
};

/// `linux/amd64`, `linux/arm/v7`. Known spellings are made one: `x86_64` is amd64, `aarch64` and `arm64/v8`
/// are arm64, `arm` is arm/v7. Nothing if malformed, or not known to minibuild.
std::optional<Platform> parse_platform(std::string_view text);
std::string to_string(const Platform& platform);
/// True if an image made for `image` is the one to use for `wanted`.
bool matches(const Platform& wanted, const Platform& image);
/// The platform of this program's own machine.
Platform host_platform();

}  // namespace minibuild::oci
