#include "minibuild/oci/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <vector>

#include "minibuild/base/text.h"

namespace minibuild::oci {

namespace {

constexpr std::array<std::string_view, 9> architectures = {
    "amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "s390x", "mips64le", "loong64"};

// The kernel's and other tools' names.
std::string common_name(const std::string& name) {
  if (name == "x86_64" || name == "x86-64") return "amd64";
  if (name == "aarch64") return "arm64";
  if (name == "i386" || name == "i686" || name == "x86") return "386";
  if (name == "armhf" || name == "armv7l") return "arm";
  if (name == "loongarch64") return "loong64";
  return name;
}

}  // namespace

std::optional<Platform> parse_platform(std::string_view text) {
  const std::vector<std::string> parts = base::split(text, '/');
  if (parts.size() < 2 || parts.size() > 3 || parts[0] != "linux") return std::nullopt;
  Platform platform{parts[0], common_name(parts[1]), parts.size() == 3 ? parts[2] : ""};
  if (std::find(architectures.begin(), architectures.end(), platform.architecture) == architectures.end())
    return std::nullopt;
  std::string& variant = platform.variant;
  if (parts.size() == 3 && variant.empty()) return std::nullopt;
  if (platform.architecture == "arm") {
    if (variant.empty()) variant = "v7";
    if (variant != "v5" && variant != "v6" && variant != "v7" && variant != "v8") return std::nullopt;
  } else if (platform.architecture == "arm64") {
    if (!variant.empty() && variant != "v8" && variant != "v9") return std::nullopt;
    if (variant == "v8") variant.clear();
  } else if (platform.architecture == "amd64") {
    if (!variant.empty() && variant != "v1" && variant != "v2" && variant != "v3" && variant != "v4")
      return std::nullopt;
    if (variant == "v1") variant.clear();
  } else if (!variant.empty()) {
    return std::nullopt;
  }
  return platform;
}

std::string to_string(const Platform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

bool matches(const Platform& wanted, const Platform& image) {
  if (wanted.os != image.os || wanted.architecture != image.architecture) return false;
  const auto variant = [](const Platform& platform) {
    return platform.architecture == "arm64" && platform.variant == "v8" ? std::string() : platform.variant;
  };
  return variant(wanted) == variant(image) || image.variant.empty();
}

Platform host_platform() {
  utsname names{};
  ::uname(&names);
  const auto platform = parse_platform("linux/" + common_name(names.machine));
  return platform ? *platform : Platform{"linux", common_name(names.machine), ""};
}

}  // namespace minibuild::oci
