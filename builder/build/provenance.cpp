#include "minibuild/build/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "builder/build/copy.h"
#include "builder/build/inputs.h"
#include "builder/build/stages.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

using trust::Resource;

// The spec and those that it stands on, each once, with the text that was read; and what they name on disk.
class SpecFiles {
 public:
  std::vector<Resource> found;
  std::map<std::string, oci::ImageLocation> images;                  // by name as written
  std::vector<std::pair<SpecFile, std::vector<spec::Copy>>> copies;  // from beside each spec

  void look_at(const std::string& path, std::map<std::string, std::string> set, const oci::Platform& platform,
               int depth) {
    if (depth > 16) return;
    if (depth > 0) set = declared_of(path, std::move(set), platform);
    const SpecFile file = load_spec(path, set, platform);
    if (seen_.insert(path).second) {
      found.push_back(trust::resource("spec", plain(path), oci::digest_of(file.source)));
      add_policy(file);
    }
    std::vector<spec::Copy> local;
    const auto below = [&](const spec::Base& base) {
      if (const auto* other = std::get_if<spec::BaseSpec>(&base.what))
        look_at(beside(file, other->path), set, platform, depth + 1);
      if (const auto* image = std::get_if<spec::BaseImage>(&base.what)) add(file, image->location);
    };
    const auto copied = [&](const std::vector<spec::Copy>& list) {
      for (const spec::Copy& copy : list) {
        if (copy.image) add(file, *copy.image);
        if (!copy.image && !copy.stage && !copy.download) local.push_back(copy);
      }
    };
    below(file.spec.base);
    copied(file.spec.copy);
    for (const spec::Stage& stage : file.spec.stages) {
      below(stage.base);
      copied(stage.copy);
    }
    if (!local.empty()) copies.emplace_back(file, std::move(local));
  }

  // Without `./`, which a name beside a spec brings.
  static std::string plain(const std::string& path) {
    return path.starts_with(shipped_prefix) ? path : std::filesystem::path(path).lexically_normal().string();
  }

 private:
  void add_policy(const SpecFile& file) {
    if (file.spec.policy.file.empty()) return;
    const std::string path = beside(file, file.spec.policy.file);
    if (base::exists(path))
      found.push_back(trust::resource("policy", plain(path), oci::digest_of(base::read_file(path))));
  }
  void add(const SpecFile& file, const oci::ImageLocation& location) {
    if (location.transport != oci::Transport::registry)
      images.emplace(oci::to_string(location), beside(file, location));
  }
  std::set<std::string> seen_;
};

// A URL without the user and password that it may carry.
std::string without_credentials(const std::string& url) {
  const size_t start = url.find("://");
  if (start == std::string::npos) return url;
  const size_t end = std::min(url.find('/', start + 3), url.size());
  const size_t at = url.rfind('@', end);
  return at == std::string::npos || at < start ? url : url.substr(0, start + 3) + url.substr(at + 1);
}

std::string docker_url(const std::string& name, const std::vector<oci::Platform>& platforms) {
  const oci::Reference reference = oci::parse_reference(name);
  std::string url = "pkg:docker/";
  if (!reference.host.empty()) url += trust::escape_for_url(reference.host) + "/";
  std::vector<std::string> parts;
  for (const std::string& part : base::split(reference.repository, '/'))
    parts.push_back(trust::escape_for_url(part));
  url += base::join(parts, "/");
  if (!reference.tag.empty()) url += "@" + trust::escape_for_url(reference.tag);
  if (platforms.size() == 1) url += "?platform=" + trust::escape_for_url(oci::to_string(platforms.front()));
  return url;
}

std::optional<oci::Digest> pinned(const std::map<std::string, oci::Digest>& pins, const std::string& name) {
  const auto it = pins.find(name);
  if (it == pins.end()) return std::nullopt;
  return it->second;
}

void add_outside(const std::string& spec_path, const Options& options, const Lock& lock,
                 std::vector<Resource>& dependencies) {
  const std::map<std::string, oci::Digest> pins = pins_of(lock);
  for (const OutsideInput& input : outside_inputs(spec_path, options)) {
    std::optional<oci::Digest> digest = pinned(pins, input.name);
    if (input.download) {
      if (input.download->digest) digest = input.download->digest;
      Resource resource{"download", without_credentials(input.name), {}, "", "", {}};
      if (digest) resource.digest["sha256"] = oci::hex(*digest);
      dependencies.push_back(std::move(resource));
      continue;
    }
    if (const auto own = oci::parse_reference(input.name).digest) digest = own;
    Resource resource{"image", docker_url(input.name, input.platforms), {}, "", "", {}};
    if (digest) resource.digest["sha256"] = oci::hex(*digest);
    dependencies.push_back(std::move(resource));
  }
}

// Of a set of packages: whether this build used it.
bool is_used(const LockedPackages& set, const std::vector<oci::Platform>& platforms) {
  const std::string& wanted = set.platform;
  if (!set.stage.empty()) return wanted == oci::to_string(oci::host_platform());
  return std::any_of(platforms.begin(), platforms.end(),
                     [&](const oci::Platform& platform) { return oci::to_string(platform) == wanted; });
}

void add_packages(const Lock& lock, const Built& built, const std::vector<oci::Platform>& platforms,
                  std::vector<Resource>& dependencies) {
  trust::OperatingSystem os;
  if (!built.trees.empty()) os = trust::inventory(built.trees.front()).os;
  for (const LockedPackages& set : lock.packages) {
    if (!is_used(set, platforms)) continue;
    for (const LockedPackage& package : set.packages) {
      trust::InstalledPackage installed;
      installed.format = package.url.ends_with(".apk") ? packages::Format::apk : packages::Format::deb;
      installed.name = package.name;
      installed.version = package.version;
      installed.architecture = package.architecture;
      // The lock does not have the version of the source package, so the package URL does without it.
      installed.source = package.name;
      installed.source_version = package.version;
      Resource resource = trust::resource(
          "package", trust::package_url(installed, set.stage.empty() ? os : trust::OperatingSystem{}),
          package.digest);
      resource.download_location = without_credentials(package.url);
      resource.annotations["source"] = package.source;
      dependencies.push_back(std::move(resource));
    }
  }
}

// What the name of an image on disk stands for; of a docker-archive, which has no manifest, the file's own
// hash.
oci::Digest digest_on_disk(const oci::ImageLocation& location, store::Cache& cache,
                           const Registries& registries) {
  if (location.transport != oci::Transport::docker_archive)
    return open_image(location, cache, registries).top.digest;
  const base::Fd fd = base::open_file(location.path);
  base::FdSource source(fd.get(), location.path);
  base::Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  while (const size_t n = source.read(buffer)) hash.update({buffer.data(), n});
  return {hash.finish()};
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

// What one `copy` takes from beside the spec: a file with its hash, or a directory with that of a list of its
// files (in-toto's dirHash1: `HASH  NAME` by lines, sorted by name). Nothing if it is not there: a stage that
// was not needed may name anything.
std::optional<Resource> local_input(const SpecFile& file, const spec::Copy& copy) {
  spec::Copy plain = copy;
  plain.to = "/here/";
  plain.owner.clear();
  plain.mode.reset();
  plain.closure = false;
  tree::FileTree tree;
  std::map<std::string, base::Hash> hashes;
  try {
    Root root = LocalSource(file).select(plain);
    Target target{file, tree, 0, {}, nullptr};
    apply_copy(plain, root, target);
    for (const auto& [path, node] : tree.nodes())
      if (node.type == tree::NodeType::file) hashes[path.substr(5)] = hash_of(node.content);
  } catch (const base::Error&) {
    return std::nullopt;
  }
  const std::string name = SpecFiles::plain(beside(file, copy.from));
  const std::string place = file.spec.directory + "/" + tree::normalise(copy.from);
  if (hashes.size() == 1 && base::exists(place) && !base::is_directory(place))
    return trust::resource("file", name, oci::Digest{hashes.begin()->second});
  base::Sha256 list;
  for (const auto& [path, hash] : hashes) list.update(fmt::format("{}  {}\n", base::to_hex(hash), path));
  return Resource{"directory", name, {{"dirHash1", base::to_hex(list.finish())}}, "", "", {}};
}

std::string name_of(const Built& built) {
  return built.names.empty() ? "image" : oci::to_string(built.names.front());
}

}  // namespace

trust::Provenance describe_build(const std::string& spec_path, const Options& options, const Lock& lock,
                                 const Built& built, const Invocation& invocation) {
  trust::Provenance provenance;
  provenance.spec = spec_path;
  provenance.target = options.stage;
  provenance.args = options.set;
  for (const auto& [id, value] : options.secrets) provenance.secrets.push_back(id);
  const std::vector<oci::Platform> platforms = platforms_of(spec_path, options);
  for (const oci::Platform& platform : platforms) provenance.platforms.push_back(oci::to_string(platform));
  provenance.version = invocation.version;
  provenance.builder = invocation.builder;
  provenance.invocation = invocation.id;
  provenance.started = invocation.started;
  provenance.finished = invocation.finished;

  SpecFiles specs;
  for (const oci::Platform& platform : platforms) specs.look_at(spec_path, options.set, platform, 0);
  provenance.dependencies = std::move(specs.found);
  if (!(lock == Lock{}))
    provenance.dependencies.push_back(
        trust::resource("lock", lock_path(spec_path), oci::digest_of(to_json(lock))));
  add_outside(spec_path, options, lock, provenance.dependencies);
  add_packages(lock, built, platforms, provenance.dependencies);
  if (invocation.git)
    provenance.dependencies.push_back(
        {"source",
         invocation.git->repository.empty() ? "" : "git+" + without_credentials(invocation.git->repository),
         {{"gitCommit", invocation.git->commit}},
         "",
         "",
         {{"note", "the commit that is checked out; the working tree was not compared with it"}}});
  for (const store::Image& image : built.set.images)
    for (const oci::Descriptor& layer : image.manifest.layers) {
      Resource resource = trust::resource("layer", "", layer.digest);
      resource.media_type = layer.media_type;
      provenance.byproducts.push_back(std::move(resource));
    }
  trust::hide_secrets(provenance, options.secrets);
  return provenance;
}

std::vector<Resource> images_on_disk(const std::string& spec_path, const Options& options,
                                     store::Cache& cache) {
  SpecFiles specs;
  for (const oci::Platform& platform : platforms_of(spec_path, options))
    specs.look_at(spec_path, options.set, platform, 0);
  std::vector<Resource> found;
  for (const auto& [name, location] : specs.images)
    found.push_back(trust::resource("image", name, digest_on_disk(location, cache, options.registries)));
  return found;
}

std::vector<Resource> local_inputs(const std::string& spec_path, const Options& options) {
  SpecFiles specs;
  for (const oci::Platform& platform : platforms_of(spec_path, options))
    specs.look_at(spec_path, options.set, platform, 0);
  std::vector<Resource> found;
  for (const auto& [file, copies] : specs.copies)
    for (const spec::Copy& copy : copies)
      if (auto resource = local_input(file, copy);
          resource && std::find(found.begin(), found.end(), *resource) == found.end())
        found.push_back(std::move(*resource));
  return found;
}

std::vector<Resource> subjects_of(const Built& built) {
  std::vector<Resource> subjects;
  const oci::Digest top = store::top_of(built.set).digest;
  for (const oci::Reference& name : built.names)
    subjects.push_back(trust::resource(oci::to_string(name), "", top));
  if (subjects.empty()) subjects.push_back(trust::resource("image", "", top));
  if (!built.set.index) return subjects;
  for (const store::Image& image : built.set.images)
    subjects.push_back(
        trust::resource(fmt::format("{} {}", name_of(built), oci::to_string(image.config.platform)), "",
                        image.descriptor.digest));
  return subjects;
}

std::vector<trust::PackageFile> package_files(const Lock& lock) {
  std::vector<trust::PackageFile> files;
  for (const LockedPackages& set : lock.packages)
    for (const LockedPackage& package : set.packages)
      files.push_back({package.name, package.version, package.architecture, without_credentials(package.url),
                       package.digest});
  return files;
}

}  // namespace minibuild::build
