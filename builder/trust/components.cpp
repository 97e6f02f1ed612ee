// Finds what an image contains: its databases say what packages there are, and each file that they do not
// mention is looked at.
#include "minibuild/trust/components.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <tuple>

#include "builder/trust/build_info.h"
#include "builder/trust/licenses.h"
#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/packages/install.h"
#include "minibuild/tree/elf.h"

namespace minibuild::trust {

namespace {

constexpr uint64_t max_copyright = uint64_t{64} << 10;
constexpr size_t max_summary = 500;  // bytes

// The first bytes of a file of the tree; nothing if there is none.
std::optional<std::string> start_of(const tree::FileTree& tree, const std::string& path, uint64_t limit) {
  const tree::Node* node = nullptr;
  try {
    node = tree.find(tree.resolve(path, true));
  } catch (const base::Error&) {  // a circle of links
  }
  if (node == nullptr || node->type != tree::NodeType::file) return std::nullopt;
  std::string text(std::min(node->content.size, limit), '\0');
  tree::read_content(node->content, 0, text);
  return text;
}

// A line as it can stand in a document.
std::string first_line(std::string_view text) {
  const std::string_view line = base::trim(text.substr(0, text.find('\n')));
  return base::printable(line.substr(0, max_summary));
}

// Only what is surely a URL: validators refuse the rest.
std::string web_address(std::string_view text) {
  const bool web = text.starts_with("https://") || text.starts_with("http://");
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
  const size_t host = text.find("//") + 2;
  return web && plain && text.size() > host && text.size() <= max_summary ? std::string(text) : std::string();
}

void read_deb(const tree::FileTree& tree, const std::string& paragraph, PackageComponent& component) {
  component.maintainer = first_line(packages::field_of(paragraph, "Maintainer"));
  component.homepage = web_address(packages::field_of(paragraph, "Homepage"));
  component.summary = first_line(packages::field_of(paragraph, "Description"));
  const std::string& name = component.package.name;
  if (!packages::is_package_name(name)) return;
  const std::string path = "usr/share/doc/" + name + "/copyright";
  const std::optional<std::string> copyright = start_of(tree, path, max_copyright);
  if (!copyright) {
    component.license_comment = fmt::format("the image has no /{}", path);
    return;
  }
  component.licenses = copyright_licenses(*copyright);
  component.license_comment = component.licenses.empty()
                                  ? fmt::format("/{} is not in the machine-readable form", path)
                                  : fmt::format("the license names in /{}", path);
}

void read_apk(const std::string& record, PackageComponent& component) {
  for (const std::string& line : base::split(record, '\n')) {
    const std::string_view value = std::string_view(line).substr(std::min<size_t>(2, line.size()));
    if (line.starts_with("m:")) component.maintainer = first_line(value);
    if (line.starts_with("U:")) component.homepage = web_address(base::trim(value));
    if (line.starts_with("T:")) component.summary = first_line(value);
    if (line.starts_with("L:")) component.licenses = expression_licenses(value);
  }
  component.license_comment =
      component.licenses.empty() ? "the package database names no license" : "as the package database has it";
}

auto order_of(const InstalledPackage& package) {
  return std::tie(package.format, package.name, package.version, package.architecture);
}

// What the records say beyond the inventory, which decides what there is and in which order.
std::vector<PackageComponent> packages_of(const tree::FileTree& tree, const Inventory& found) {
  std::vector<PackageComponent> components;
  for (const InstalledPackage& package : found.packages) {
    PackageComponent component;
    component.package = package;
    component.url = package_url(package, found.os);
    components.push_back(std::move(component));
  }
  for (const packages::Format format : {packages::Format::deb, packages::Format::apk})
    for (const packages::InstalledRecord& record : packages::installed_records(tree, format)) {
      InstalledPackage wanted;
      wanted.format = format;
      wanted.name = record.facts.name;
      wanted.version = record.facts.version;
      wanted.architecture = record.facts.architecture;
      const auto it = std::lower_bound(components.begin(), components.end(), wanted,
                                       [](const PackageComponent& a, const InstalledPackage& b) {
                                         return order_of(a.package) < order_of(b);
                                       });
      if (it == components.end() || order_of(it->package) != order_of(wanted)) continue;
      if (format == packages::Format::deb)
        read_deb(tree, record.text, *it);
      else
        read_apk(record.text, *it);
    }
  return components;
}

// Both hashes in one pass: SPDX files need a SHA-1 (SPDX 2.3, 8.4), everybody else wants a SHA-256.
void hash_file(const tree::Content& content, CopiedFile& file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(::EVP_MD_CTX_new(), ::EVP_MD_CTX_free);
  if (context == nullptr || ::EVP_DigestInit_ex(context.get(), ::EVP_sha1(), nullptr) != 1)
    base::fail("cannot compute a SHA-1");
  base::Sha256 sha256;
  std::string buffer(std::min<uint64_t>(content.size, uint64_t{1} << 20), '\0');
  for (uint64_t at = 0; at < content.size;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(buffer.size(), content.size - at));
    const std::span<char> part = std::span(buffer).first(n);
    tree::read_content(content, at, part);
    sha256.update({part.data(), part.size()});
    ::EVP_DigestUpdate(context.get(), part.data(), part.size());
    at += n;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  ::EVP_DigestFinal_ex(context.get(), hash.data(), &size);
  file.sha1 = base::to_hex(std::string_view(reinterpret_cast<const char*>(hash.data()), size));
  file.sha256 = base::to_hex(sha256.finish());
}

void look_into(const tree::Content& content, CopiedFile& file) {
  static const std::vector<std::string_view> names = {".note.gnu.build-id", ".note.package", ".go.buildinfo",
                                                      ".dep-v0"};
  std::array<char, 6> ident{};
  if (content.size < 52) return;
  tree::read_content(content, 0, ident);
  if (std::string_view(ident.data(), 4) !=
      "\x7f"
      "ELF")
    return;
  file.elf = true;
  std::map<std::string, std::string> sections;
  try {
    sections = tree::elf_sections(content, names, max_build_section, file.path);
  } catch (const base::Error&) {  // cut off or damaged: a file like any other
    return;
  }
  const bool little_endian = ident[5] == 1;
  file.build_id = parse_build_id(sections[".note.gnu.build-id"], little_endian);
  file.note = parse_package_note(sections[".note.package"], little_endian);
  file.build = parse_go_build(sections[".go.buildinfo"]);
  if (!file.build) file.build = parse_rust_build(sections[".dep-v0"]);
}

bool is_database(const std::string& path) {
  return tree::is_within(path, "var/lib/dpkg") || tree::is_within(path, "lib/apk/db") ||
         tree::is_within(path, "usr/lib/apk/db");
}

std::vector<CopiedFile> files_of(const tree::FileTree& tree) {
  const std::set<std::string> packaged = packages::packaged_files(tree);
  std::vector<CopiedFile> files;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type != tree::NodeType::file || is_database(path) || packaged.contains(path)) continue;
    CopiedFile file;
    file.path = path;
    file.size = node.content.size;
    hash_file(node.content, file);
    look_into(node.content, file);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Components components_of(const tree::FileTree& tree) {
  const Inventory found = inventory(tree);
  return {found.os, packages_of(tree, found), files_of(tree)};
}

void add_package_files(Components& components, const std::vector<PackageFile>& files) {
  for (PackageComponent& component : components.packages)
    for (const PackageFile& file : files) {
      const InstalledPackage& package = component.package;
      if (file.name != package.name || file.version != package.version ||
          file.architecture != package.architecture)
        continue;
      component.download = web_address(file.url);
      component.download_digest = file.digest;
    }
}

}  // namespace minibuild::trust
