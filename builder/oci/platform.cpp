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

Platform normal_form(Platform platform) {
  const auto lower = [](std::string& text) { text = base::lower_case(text); };
  lower(platform.os);
  lower(platform.architecture);
  lower(platform.variant);
  if (platform.os == "macos") platform.os = "darwin";
  std::string& variant = platform.variant;
  if (platform.architecture == "armel" || platform.architecture == "armhf") {
    variant = platform.architecture == "armel" ? "v6" : "v7";
    platform.architecture = "arm";
  } else {
    platform.architecture = common_name(platform.architecture);
  }
  if (platform.architecture == "arm") {
    if (variant.empty()) variant = "v7";
    if (variant.size() == 1 && variant >= "5" && variant <= "8") variant.insert(0, "v");
  } else if (platform.architecture == "arm64") {
    if (variant == "8" || variant == "v8" || variant == "v8.0") variant.clear();
    if (variant == "9" || variant == "9.0" || variant == "v9.0") variant = "v9";
  }
  if (platform.architecture == "amd64" && variant == "v1") variant.clear();
  if (platform.architecture == "386") variant.clear();
  return platform;
}

bool is_known(const Platform& platform) {
  return !platform.os.empty() && !platform.architecture.empty() && platform.architecture != "unknown";
}

namespace {

// `v7`, `v8.2` as a number that grows with what a processor can do; nothing for other names.
std::optional<int> level_of(const Platform& platform) {
  const std::string& variant = platform.variant;
  if (variant.empty()) {
    if (platform.architecture == "amd64") return 100;
    return platform.architecture == "arm64" ? std::optional(800) : std::nullopt;
  }
  if (variant.size() < 2 || variant.size() > 5 || variant[0] != 'v') return std::nullopt;
  int number = 0;
  size_t i = 1;
  for (; i < variant.size() && variant[i] >= '0' && variant[i] <= '9'; ++i)
    number = number * 10 + (variant[i] - '0');
  if (i == 1) return std::nullopt;
  int minor = 0;
  if (i < variant.size() && variant[i] == '.') {
    const size_t start = ++i;
    for (; i < variant.size() && variant[i] >= '0' && variant[i] <= '9'; ++i)
      minor = minor * 10 + (variant[i] - '0');
    if (i == start) return std::nullopt;
  }
  if (i != variant.size() || minor > 99) return std::nullopt;
  return number * 100 + minor;
}

}  // namespace

std::optional<int> distance(const Platform& wanted, const Platform& image) {
  const Platform want = normal_form(wanted);
  const Platform have = normal_form(image);
  if (want.os != have.os || want.architecture != have.architecture) return std::nullopt;
  if (want.variant == have.variant) return 0;
  const std::optional<int> most = level_of(want);
  const std::optional<int> needs = level_of(have);
  if (most && needs) {
    // Armv9.N has what Armv8.(N+5) has, not all of the later 8s.
    const bool later_8 =
        want.architecture == "arm64" && *most >= 900 && *needs < 900 && *needs - 800 > *most - 900 + 5;
    return *needs <= *most && !later_8 ? std::optional(*most - *needs) : std::nullopt;
  }
  // A variant that is not ordered: what is made for all of them fits.
  return have.variant.empty() ? std::optional(1) : std::nullopt;
}

Platform host_platform() {
  utsname names{};
  ::uname(&names);
  const auto platform = parse_platform("linux/" + common_name(names.machine));
  return platform ? *platform : Platform{"linux", common_name(names.machine), ""};
}

}  // namespace minibuild::oci
