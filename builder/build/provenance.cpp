#include "minibuild/build/provenance.h"

#include <fmt/format.h>

#include <algorithm>

#include "builder/build/notes.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

using trust::Resource;

// Of a set of packages: whether this build used it.
bool is_used(const project::LockedPackages& set, const std::vector<oci::Platform>& platforms) {
  const std::string& wanted = set.platform;
  if (!set.stage.empty()) return wanted == oci::to_string(oci::host_platform());
  return std::any_of(platforms.begin(), platforms.end(),
                     [&](const oci::Platform& platform) { return oci::to_string(platform) == wanted; });
}

void add_packages(const project::Lock& lock, const Built& built, const std::vector<oci::Platform>& platforms,
                  std::vector<Resource>& dependencies) {
  trust::OperatingSystem os;
  if (!built.trees.empty()) os = trust::inventory(built.trees.front()).os;
  for (const project::LockedPackages& set : lock.packages) {
    if (!is_used(set, platforms)) continue;
    for (const project::LockedPackage& package : set.packages) {
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

std::string name_of(const Built& built) {
  return built.names.empty() ? "image" : oci::to_string(built.names.front());
}

}  // namespace

trust::Provenance describe_build(const project::Project& project, const Options& options,
                                 const project::Lock& lock, const Built& built,
                                 const Invocation& invocation) {
  trust::Provenance provenance;
  provenance.spec = project.path();
  provenance.target = options.stage;
  provenance.args = project.set();
  for (const auto& [id, value] : options.secrets) provenance.secrets.push_back(id);
  std::vector<oci::Platform> platforms;
  for (const store::Image& image : built.set.images) platforms.push_back(image.config.platform);
  for (const oci::Platform& platform : platforms) provenance.platforms.push_back(oci::to_string(platform));
  provenance.version = invocation.version;
  provenance.builder = invocation.builder;
  provenance.invocation = invocation.id;
  provenance.started = invocation.started;
  provenance.finished = invocation.finished;

  if (built.ledger) {
    provenance.dependencies = built.ledger->resources();
    provenance.open_stages = built.ledger->open_stages();
  }
  if (!(lock == project::Lock{}))
    provenance.dependencies.push_back(
        trust::resource("lock", project::lock_path(project.path()), oci::digest_of(to_json(lock))));
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

std::vector<trust::PackageFile> package_files(const project::Lock& lock) {
  std::vector<trust::PackageFile> files;
  for (const project::LockedPackages& set : lock.packages)
    for (const project::LockedPackage& package : set.packages)
      files.push_back({package.name, package.version, package.architecture, without_credentials(package.url),
                       package.digest});
  return files;
}

}  // namespace minibuild::build
