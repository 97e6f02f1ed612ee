#include "minibuild/build/ledger.h"

#include <algorithm>
#include <filesystem>

#include "builder/build/copy.h"
#include "builder/build/notes.h"
#include "builder/build/stages.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/inventory.h"

namespace minibuild::build {

using trust::Resource;

namespace {

std::string docker_url(const std::string& name, const std::set<std::string>& platforms) {
  const oci::Reference reference = oci::parse_reference(name);
  std::string url = "pkg:docker/";
  if (!reference.host.empty()) url += trust::escape_for_url(reference.host) + "/";
  std::vector<std::string> parts;
  for (const std::string& part : base::split(reference.repository, '/'))
    parts.push_back(trust::escape_for_url(part));
  url += base::join(parts, "/");
  if (!reference.tag.empty()) url += "@" + trust::escape_for_url(reference.tag);
  if (platforms.size() == 1) url += "?platform=" + trust::escape_for_url(*platforms.begin());
  return url;
}

}  // namespace

std::string without_credentials(const std::string& url) {
  const size_t start = url.find("://");
  if (start == std::string::npos) return url;
  const size_t end = std::min(url.find('/', start + 3), url.size());
  const size_t at = url.rfind('@', end);
  return at == std::string::npos || at < start ? url : url.substr(0, start + 3) + url.substr(at + 1);
}

void Ledger::add(Resource resource) {
  const std::lock_guard lock(mutex_);
  if (std::find(resources_.begin(), resources_.end(), resource) == resources_.end())
    resources_.push_back(std::move(resource));
}

void Ledger::add_image(const std::string& name, const oci::Platform& platform, const oci::Digest& digest) {
  const std::lock_guard lock(mutex_);
  Image& image = images_[name];
  image.platforms.insert(oci::to_string(platform));
  image.digest = digest;
}

void Ledger::add_download(const std::string& url, const oci::Digest& digest) {
  const std::lock_guard lock(mutex_);
  downloads_[url] = digest;
}

void Ledger::add_open_stage(const std::string& name) {
  const std::lock_guard lock(mutex_);
  open_stages_.insert(name);
}

std::vector<Resource> Ledger::resources() const {
  const std::lock_guard lock(mutex_);
  std::vector<Resource> all = resources_;
  for (const auto& [name, image] : images_)
    all.push_back(trust::resource("image", docker_url(name, image.platforms), image.digest));
  for (const auto& [url, digest] : downloads_)
    all.push_back(trust::resource("download", without_credentials(url), digest));
  return all;
}

std::vector<std::string> Ledger::open_stages() const {
  const std::lock_guard lock(mutex_);
  return {open_stages_.begin(), open_stages_.end()};
}

namespace {

// Without `./`, which a name beside a spec brings.
std::string plain(const std::string& path) {
  return path.starts_with(project::shipped_prefix) ? path
                                                   : std::filesystem::path(path).lexically_normal().string();
}

base::Hash hash_of(const tree::Content& content) {
  base::Sha256 hash;
  std::vector<char> buffer(std::min<uint64_t>(content.size, size_t{1} << 20));
  for (uint64_t at = 0; at < content.size; at += buffer.size()) {
    const std::span<char> bytes(buffer.data(), std::min<uint64_t>(buffer.size(), content.size - at));
    tree::read_content(content, at, bytes);
    hash.update({bytes.data(), bytes.size()});
  }
  return hash.finish();
}

base::Hash hash_of_file(const std::string& path) {
  const base::Fd fd = base::open_file(path);
  base::FdSource source(fd.get(), path);
  base::Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t n = source.read(buffer)) hash.update({buffer.data(), n});
  return hash.finish();
}

}  // namespace

void note_spec(Ledger& ledger, const project::SpecFile& file) {
  ledger.add(trust::resource("spec", plain(file.spec.file), oci::digest_of(file.source)));
  if (file.policy_digest)
    ledger.add(
        trust::resource("policy", plain(project::beside(file, file.spec.policy.file)), *file.policy_digest));
}

void note_copy(Ledger& ledger, const project::SpecFile& file, const spec::Copy& copy, Root root) {
  if (!ledger.notes_contents()) return;
  spec::Copy own = copy;
  own.to = "/here/";
  own.owner.clear();
  own.mode.reset();
  own.closure = false;
  tree::FileTree tree;
  Target target{file, tree, 0, {}, nullptr};
  const tree::GlobPlace wanted = source_place(copy, root);
  const tree::Node* top = wanted.rest.empty() ? root.find(root.resolve(wanted.start, true)) : nullptr;
  const bool is_file = top != nullptr && top->type == tree::NodeType::file;
  apply_copy(own, std::move(root), target);
  std::map<std::string, base::Hash> hashes;
  for (const auto& [path, node] : tree.nodes())
    if (node.type == tree::NodeType::file) hashes[path.substr(5)] = hash_of(node.content);
  const std::string name = plain(project::beside(file, copy.from));
  if (is_file && hashes.size() == 1)
    return ledger.add(trust::resource("file", name, oci::Digest{hashes.begin()->second}));
  base::Sha256 list;
  for (const auto& [path, hash] : hashes) list.update(fmt::format("{}  {}\n", base::to_hex(hash), path));
  ledger.add({"directory", name, {{"dirHash1", base::to_hex(list.finish())}}, "", "", {}});
}

void note_image(Ledger& ledger, const project::SpecFile& file, const oci::ImageLocation& location,
                const oci::Platform& platform, store::Cache& cache, const Registries& registries) {
  if (location.transport == oci::Transport::registry) {
    if (const auto digest = pinned_digest(location, registries))
      ledger.add_image(location.path, platform, *digest);
    return;
  }
  if (!ledger.notes_contents()) return;
  // A docker-archive has no manifest; what names it is the file's own hash.
  const oci::ImageLocation place = project::beside(file, location);
  const oci::Digest digest = place.transport == oci::Transport::docker_archive
                                 ? oci::Digest{hash_of_file(place.path)}
                                 : open_image(place, cache, registries).top.digest;
  ledger.add(trust::resource("image", oci::to_string(location), digest));
}

}  // namespace minibuild::build
