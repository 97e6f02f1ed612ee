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
/// The one form of all that mean the same: names in lower case, `x86_64` as amd64, `amd64/v1` as amd64,
/// `arm64/v8` as arm64, `arm` as arm/v7. What minibuild does not know stays.
Platform normal_form(Platform platform);
/// False for what names no machine: BuildKit's `unknown/unknown`, a field that is missing.
bool is_known(const Platform& platform);
/// How far an image made for `image` is from what `wanted` can use: 0 for the same platform, more for lower
/// variants of the same architecture (`amd64/v3` runs what is for v2 and v1; arm v7 what is for v6 and v5),
/// in the order in which they are preferred. Nothing if it is not for `wanted`.
std::optional<int> distance(const Platform& wanted, const Platform& image);
/// The platform of this program's own machine.
Platform host_platform();

}  // namespace minibuild::oci
