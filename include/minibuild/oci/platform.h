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

/// Parses `linux/amd64`, `linux/arm/v7`. Known spellings are normalised: `x86_64` is amd64, `aarch64` and
/// `arm64/v8` are arm64, `arm` is arm/v7. Returns std::nullopt if `text` is malformed or minibuild does not
/// know the platform.
std::optional<Platform> parse_platform(std::string_view text);
std::string to_string(const Platform& platform);
/// The same form for all equivalent platforms: names in lower case, `x86_64` as amd64, `amd64/v1` as amd64,
/// `arm64/v8` as arm64, `arm` as arm/v7. Names that minibuild does not know are kept.
Platform normal_form(Platform platform);
/// False if it does not name a machine: BuildKit's `unknown/unknown`, or a missing field.
bool is_known(const Platform& platform);
/// How far an image built for `image` is from what `wanted` can run: 0 for the same platform, more for lower
/// variants of the same architecture (`amd64/v3` runs images for v2 and v1; arm v7 runs images for v6 and
/// v5), in order of preference. Returns std::nullopt if the image is not for `wanted`.
std::optional<int> distance(const Platform& wanted, const Platform& image);
/// The platform of the machine that this program runs on.
Platform host_platform();

}  // namespace minibuild::oci
