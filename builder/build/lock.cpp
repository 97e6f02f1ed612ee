#include "minibuild/build/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <tuple>

#include "builder/build/describe.h"
#include "builder/build/download.h"
#include "builder/build/packages.h"
#include "builder/build/resolve_packages.h"
#include "builder/build/secret_gate.h"
#include "builder/build/stages.h"
#include "minibuild/archive/compress.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/secret_guard.h"
#include "minibuild/project/inputs.h"

namespace minibuild::build {

using base::Code;
using base::fail;

namespace {

using Use = project::OutsideInput;

project::LockedImage ask_image(const Use& use, const Options& options) {
  if (options.registries.offline)
    fail("its digest is not in the lock file, and --offline forbids asking for it");
  if (!options.registries.client) fail("no registry can be reached from here");
  const oci::Descriptor found = options.registries.client().resolve(oci::parse_reference(use.name));
  return {use.name, found.digest, found.media_type, found.size};
}

project::LockedDownload ask_download(const Use& use, const Options& options, store::Cache& cache) {
  const Downloaded fetched = fetch_download(*use.download, cache, options.registries);
  return {use.name, fetched.digest, fetched.size};
}

template <typename Entries>
auto find(const Entries& entries, const std::string& name) -> decltype(&entries.front()) {
  const auto it =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return name_of(entry) == name; });
  return it == entries.end() ? nullptr : &*it;
}

// What is asked for to lock the names of one kind.
struct Wanted {
  LockMode mode = LockMode::as_needed;
  const std::vector<std::string>& updates;
  const std::string& lock_path;
  const std::string& spec_path;

  bool again(const std::string& name) const {
    return mode == LockMode::update &&
           (updates.empty() || std::find(updates.begin(), updates.end(), name) != updates.end());
  }
};

// The entry of one name: the one that is known, or what `ask` says now.
template <typename Entry, typename Ask>
Entry resolve(const Use& use, const Entry* known, const Wanted& wanted, bool look, Ask ask,
              std::vector<Moved>& moved) {
  if (wanted.mode == LockMode::exact && known == nullptr)
    project::fail_at(
        *use.file, use.position, Code::failed,
        fmt::format("'{}' is not in the lock file {}, and --locked forbids adding it; run: minibuild lock {}",
                    use.name, wanted.lock_path, wanted.spec_path));
  const bool again = wanted.again(use.name);
  if (known != nullptr && !again && !look) return *known;
  try {
    const Entry now = ask();
    if (known != nullptr && known->digest != now.digest)
      moved.push_back({use.name, known->digest, now.digest});
    return known != nullptr && !again ? *known : now;
  } catch (const base::Error& error) {
    project::fail_at(
        *use.file, use.position, error.code(),
        use.download ? error.what() : fmt::format("cannot resolve docker://{}: {}", use.name, error.what()));
  }
}

template <typename Entries>
void sort_by_name(Entries& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return name_of(a) < name_of(b); });
}

}  // namespace

namespace {

// `lock` is about all that the file is about; a build about what it needs.
PackageScope scope_of(const project::Project& project, LockMode mode,
                      const std::vector<project::LockedPackages>& before) {
  PackageScope scope;
  std::vector<oci::Platform>& images = scope.images;
  std::vector<oci::Platform>& machines = scope.machines;
  images = project.platforms();
  machines = {oci::host_platform()};
  if (mode == LockMode::exact || mode == LockMode::as_needed) return scope;
  const auto add = [](std::vector<oci::Platform>& list, const oci::Platform& platform) {
    if (std::find(list.begin(), list.end(), platform) == list.end()) list.push_back(platform);
  };
  const bool all = !project.has_own_platforms();
  scope.no_others = all && !project.top(oci::host_platform()).spec.platforms.empty();
  for (const oci::Platform& platform : images) add(machines, platform);
  for (const project::LockedPackages& set : before)
    if (const auto platform = oci::parse_platform(set.platform); platform && all) {
      if (!set.stage.empty())
        add(machines, *platform);
      else if (set.spec.empty() && !scope.no_others)
        add(images, *platform);
    }
  return scope;
}

// Names that the specs give only in part: what an argument or the platform stands for is open.
class Open {
 public:
  Open(const project::Project& project, const std::vector<oci::Platform>& images)
      : project_(project), images_(images) {}
  bool may_name(const std::string& name) {
    if (!patterns_) patterns_ = project::open_names(project_, images_);
    return std::any_of(patterns_->begin(), patterns_->end(), [&](const std::vector<std::string>& parts) {
      size_t at = parts.front().size();
      if (!name.starts_with(parts.front())) return false;
      for (size_t i = 1; i + 1 < parts.size(); ++i) {
        const size_t found = name.find(parts[i], at);
        if (found == std::string::npos) return false;
        at = found + parts[i].size();
      }
      return name.size() >= at + parts.back().size() && name.ends_with(parts.back());
    });
  }

 private:
  const project::Project& project_;
  const std::vector<oci::Platform>& images_;
  std::optional<std::vector<std::vector<std::string>>> patterns_;
};

template <typename Entries>
void keep_others(const Entries& before, Open& open, Entries& now, std::vector<std::string>& dropped) {
  for (const auto& entry : before) {
    if (find(now, name_of(entry)) != nullptr) continue;
    if (open.may_name(name_of(entry)))
      now.push_back(entry);
    else
      dropped.push_back(fmt::format("'{}'", base::printable(name_of(entry))));
  }
}

}  // namespace

Locking resolve_lock(const project::Project& project, const Options& options, LockMode mode,
                     store::Cache& cache, const std::vector<std::string>& update_names) {
  const std::string& spec_path = project.path();
  const std::string path = project::lock_path(spec_path);
  const bool there = project.lock().has_value();
  const project::Lock before = project.lock().value_or(project::Lock{});
  const PackageScope scope = scope_of(project, mode, before.packages);
  // Before anybody is asked: names are told to servers.
  guard_secrets(project, scope.images, options);
  std::vector<Use> uses = project::outside_inputs(project, scope.images);
  for (const Use& use : uses)
    if (!use.needs_lock && !use.download)
      require_signed_base(*use.file, {oci::Transport::registry, use.name, ""},
                          oci::parse_reference(use.name).digest, use.verify_keys, use.verify_identity,
                          use.position, cache, options.registries);
  std::erase_if(uses, [](const Use& use) { return !use.needs_lock; });
  const auto used = [&](const std::string& name) {
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) { return use.name == name; });
  };
  const ResolvedPackages resolved =
      resolve_packages(project, options, mode, scope, before.packages, update_names, cache);
  const auto is_package_name = [&](const std::string& name) {
    for (const project::LockedPackages& set : resolved.sets) {
      for (const project::LockedPackage& package : set.packages)
        if (package.name == name) return true;
      for (const std::string& source : set.sources)
        if (source.starts_with(name + " ")) return true;
    }
    return false;
  };
  for (const std::string& name : update_names)
    if (!used(name) && !is_package_name(name)) {
      std::vector<std::string> names;
      for (const Use& use : uses) names.push_back(use.name);
      for (const project::LockedPackages& set : resolved.sets)
        for (const project::LockedPackage& package : set.packages) names.push_back(package.name);
      throw base::Error(Code::usage,
                        fmt::format("{} names no image, URL, package or source '{}'; those to lock are: {}",
                                    spec_path, name, names.empty() ? "none" : base::join(names, ", ")));
    }
  Locking result;
  result.lock.packages = resolved.sets;
  result.before = before;
  result.package_changes = resolved.changes;
  result.warnings = resolved.warnings;
  result.dropped = resolved.dropped;
  const Wanted wanted{mode, update_names, path, spec_path};
  for (const Use& use : uses) {
    if (use.download)
      result.lock.downloads.push_back(resolve(
          use, find(before.downloads, use.name), wanted, false,
          [&] { return ask_download(use, options, cache); }, result.moved));
    else
      result.lock.images.push_back(resolve(
          use, find(before.images, use.name), wanted, mode == LockMode::look,
          [&] { return ask_image(use, options); }, result.moved));
    if (!use.download)
      require_signed_base(*use.file, {oci::Transport::registry, use.name, ""},
                          result.lock.images.back().digest, use.verify_keys, use.verify_identity,
                          use.position, cache, options.registries);
  }
  Open open(project, scope.images);
  keep_others(before.images, open, result.lock.images, result.dropped);
  keep_others(before.downloads, open, result.lock.downloads, result.dropped);
  sort_by_name(result.lock.images);
  sort_by_name(result.lock.downloads);
  if (mode == LockMode::exact && !result.dropped.empty())
    fail("the lock file {} is stale: the spec has no use for {} any more; run: minibuild lock {}", path,
         result.dropped.front(), spec_path);
  // A spec without names to lock needs no file; one that is there is brought up to date.
  if (!there && result.lock.images.empty() && result.lock.downloads.empty() && resolved.sets.empty())
    return result;
  // Another compressor is for the user to accept: a build alone keeps what the file says.
  const std::string own =
      archive::fingerprint(compression_of(project.top(oci::host_platform()).spec.compression));
  const bool keep = mode == LockMode::as_needed || mode == LockMode::exact;
  result.lock.compressor = keep && there ? before.compressor : own;
  if (there && !before.compressor.empty() && before.compressor != own) result.compressor = before.compressor;
  result.changed = !there || !(result.lock == before);
  refuse_secrets(*secret_forms_of(options), to_json(result.lock), path);
  return result;
}

}  // namespace minibuild::build
