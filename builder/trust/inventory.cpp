#include "minibuild/trust/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/install.h"

namespace minibuild::trust {

namespace {

// What a value in os-release stands for: quotes and backslashes are the shell's.
std::string unquote(std::string_view value) {
  if (value.size() < 2 || (value.front() != '"' && value.front() != '\'') || value.back() != value.front())
    return std::string(value);
  std::string out;
  const std::string_view inner = value.substr(1, value.size() - 2);
  for (size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '\\' && value.front() == '"' && i + 1 < inner.size()) ++i;
    out += inner[i];
  }
  return out;
}

std::string read_os_release(const tree::FileTree& tree) {
  for (const char* path : {"etc/os-release", "usr/lib/os-release"}) {
    try {
      const tree::Node* node = tree.find(tree.resolve(path, true));
      if (node != nullptr && node->type == tree::NodeType::file)
        return tree::read_content(node->content, size_t{64} << 10U);
    } catch (const base::Error&) {  // a circle of links, or a file that is none
      continue;
    }
  }
  return {};
}

}  // namespace

// Percent-encoding of purl-spec: everything but letters, digits and `.-_~`; a colon stays.
std::string escape_for_url(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = base::is_alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == '~' || c == ':';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

OperatingSystem parse_os_release(std::string_view text) {
  OperatingSystem os;
  for (const std::string& line : base::split(text, '\n')) {
    const std::string_view trimmed = base::trim(line);
    const size_t equals = trimmed.find('=');
    if (equals == std::string_view::npos || trimmed.starts_with('#')) continue;
    const std::string_view name = trimmed.substr(0, equals);
    std::string value = unquote(trimmed.substr(equals + 1));
    if (name == "ID")
      os.id = std::move(value);
    else if (name == "VERSION_ID")
      os.version_id = std::move(value);
    else if (name == "VERSION_CODENAME")
      os.codename = std::move(value);
    else if (name == "PRETTY_NAME")
      os.name = std::move(value);
  }
  return os;
}

Inventory inventory(const tree::FileTree& tree) {
  Inventory found;
  found.os = parse_os_release(read_os_release(tree));
  for (const packages::Format format : {packages::Format::deb, packages::Format::apk})
    for (packages::Facts& facts : packages::installed_packages(tree, format)) {
      if (facts.name.empty() || facts.version.empty()) continue;
      InstalledPackage package{format,       facts.name,          facts.version, facts.architecture,
                               facts.source, facts.source_version};
      if (package.source.empty()) package.source = package.name;
      if (package.source_version.empty()) package.source_version = package.version;
      found.packages.push_back(std::move(package));
    }
  const auto key = [](const InstalledPackage& p) {
    return std::tie(p.format, p.name, p.version, p.architecture, p.source, p.source_version);
  };
  std::sort(found.packages.begin(), found.packages.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  found.packages.erase(std::unique(found.packages.begin(), found.packages.end()), found.packages.end());
  return found;
}

std::string package_url(const InstalledPackage& package, const OperatingSystem& os) {
  const bool deb = package.format == packages::Format::deb;
  const std::string family = os.id.empty() ? (deb ? "debian" : "alpine") : os.id;
  std::string url = fmt::format("pkg:{}/{}/{}@{}", deb ? "deb" : "apk", escape_for_url(family),
                                escape_for_url(package.name), escape_for_url(package.version));
  std::vector<std::string> qualifiers;
  if (!package.architecture.empty()) qualifiers.push_back("arch=" + escape_for_url(package.architecture));
  if (!os.id.empty() && !os.version_id.empty())
    qualifiers.push_back("distro=" + escape_for_url(os.id + "-" + os.version_id));
  const bool other_version = package.source_version != package.version;
  if (package.source != package.name || other_version)
    qualifiers.push_back("upstream=" + escape_for_url(package.source) +
                         (other_version ? "%40" + escape_for_url(package.source_version) : ""));
  for (size_t i = 0; i < qualifiers.size(); ++i) url += (i == 0 ? "?" : "&") + qualifiers[i];
  return url;
}

}  // namespace minibuild::trust
