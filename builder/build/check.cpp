// What can be said about a spec by looking at the files that it names, without building; and about a finished
// image.
#include "minibuild/build/check.h"

#include <algorithm>
#include <tuple>

#include "builder/build/copy.h"
#include "builder/build/credentials.h"
#include "builder/build/enforce.h"
#include "builder/build/libraries.h"
#include "builder/build/packages.h"
#include "builder/build/resolve_packages.h"
#include "builder/build/stages.h"
#include "minibuild/base/text.h"
#include "minibuild/build/lock.h"
#include "minibuild/project/inputs.h"
#include "minibuild/tree/accounts.h"

namespace minibuild::build {

namespace {

void look_at(const project::SpecFile& file, const spec::Copy& copy, spec::Diagnostics& diagnostics) {
  const auto report = [&](const std::string& message) {
    diagnostics.push_back({spec::Severity::error, "missing-source", copy.position, message});
  };
  if (copy.image) {
    if (copy.image->transport != oci::Transport::registry &&
        !base::exists(project::beside(file, copy.image->path)))
      report(fmt::format("there is no {}", oci::to_string(*copy.image)));
    return;
  }
  if (copy.stage || copy.download) return;
  const auto on_disk = [&](const std::string& path) { return file.spec.directory + "/" + path; };
  const tree::GlobPlace wanted = tree::place_of_glob(
      tree::normalise(copy.from), [&](const std::string& path) { return base::exists(on_disk(path)); });
  if (!base::exists(on_disk(wanted.start)))
    report(fmt::format("cannot copy '{}': it is not there", copy.from));
}

void look_at(const project::SpecFile& file, const spec::Base& base, spec::Diagnostics& diagnostics) {
  std::string path;
  if (const auto* other = std::get_if<spec::BaseSpec>(&base.what)) path = other->path;
  const auto* image = std::get_if<spec::BaseImage>(&base.what);
  if (image != nullptr && image->location.transport != oci::Transport::registry) path = image->location.path;
  if (path.starts_with(project::shipped_prefix)) return;
  if (!path.empty() && !base::exists(project::beside(file, path)))
    diagnostics.push_back(
        {spec::Severity::error, "missing-source", base.position, fmt::format("there is no file '{}'", path)});
  if (image != nullptr)
    for (const std::string& key : image->verify_keys)
      if (!base::exists(project::beside(file, key)))
        diagnostics.push_back({spec::Severity::error, "missing-source", base.position,
                               fmt::format("there is no key file '{}'", key)});
}

spec::Diagnostics look_at_sources(const project::SpecFile& file) {
  spec::Diagnostics diagnostics;
  look_at(file, file.spec.base, diagnostics);
  for (const spec::Copy& copy : file.spec.copy) look_at(file, copy, diagnostics);
  for (const spec::Stage& stage : file.spec.stages) {
    look_at(file, stage.base, diagnostics);
    for (const spec::Copy& copy : stage.copy) look_at(file, copy, diagnostics);
  }
  for (const spec::Source& source : file.spec.sources)
    for (const std::string& key : source.keys)
      if (!base::exists(project::beside(file, key)))
        diagnostics.push_back({spec::Severity::error, "missing-source", source.position,
                               fmt::format("there is no key file '{}'", key)});
  return diagnostics;
}

// What `copy` and `files` bring from beside the spec.
tree::FileTree local_tree(const project::SpecFile& file) {
  tree::FileTree tree;
  Target target{file, tree, 0, all_accounts(tree, file), nullptr};
  const LocalSource local(file);
  for (const spec::Copy& copy : file.spec.copy) {
    if (copy.stage || copy.image || copy.download || copy.closure) continue;
    try {
      apply_copy(copy, local.select(copy), target);
    } catch (const base::Error&) {
      continue;  // owners that only the base knows, globs that match nothing: the build says it
    }
  }
  try {
    apply_files(file.spec.files, target);
  } catch (const base::Error&) {
  }
  apply_remove(file.spec.remove, tree);
  return tree;
}

// True if all that can be below /etc is known without a build: nothing comes from a base, packages or
// elsewhere.
bool knows_accounts(const spec::Spec& spec) {
  const auto brings_accounts = [](const spec::Copy& copy) {
    if (!copy.stage && !copy.image && !copy.download) return false;
    const std::string to = tree::normalise(copy.to);
    return to.empty() || to == "etc" || to == "etc/passwd" || to == "etc/group" || copy.closure;
  };
  return std::holds_alternative<spec::BaseScratch>(spec.base.what) && spec.packages.empty() &&
         std::none_of(spec.copy.begin(), spec.copy.end(), brings_accounts);
}

// A user that the image will not have, where that can be known.
void look_at_user(const project::SpecFile& file, tree::FileTree tree, spec::Diagnostics& diagnostics) {
  if (!file.spec.user || !knows_accounts(file.spec)) return;
  try {
    Target target{file, tree, 0, all_accounts(tree, file), nullptr};
    apply_accounts(file.spec, target);
    tree::resolve_user(*file.spec.user, tree::read_accounts(tree));
  } catch (const base::Error& error) {
    diagnostics.push_back({spec::Severity::error, "unknown-user", spec::position_of(file.spec, "user"),
                           std::string(error.what()) + "; write its number, or add it under 'accounts'"});
  }
}

bool may_inherit(const spec::Spec& spec) {
  return std::holds_alternative<spec::BaseImage>(spec.base.what) ||
         std::holds_alternative<spec::BaseSpec>(spec.base.what);
}

// What the base names, and what the specs name that it is made by.
std::vector<std::string> all_bases(const project::Project& project, const project::SpecFile& file,
                                   int depth = 0) {
  std::vector<std::string> bases = bases_of(file.spec);
  const auto* other = std::get_if<spec::BaseSpec>(&file.spec.base.what);
  if (other == nullptr || depth > 16) return bases;  // the build says that specs stand on each other
  try {
    for (std::string& base : all_bases(project, project.below(file, *other, file.platform), depth + 1))
      bases.push_back(std::move(base));
  } catch (const base::Error& error) {
    project::fail_at(file, file.spec.base.position, error.code(), error.what());
  }
  return bases;
}

// The user as the config will have it, as far as the spec says: a name that only the base knows is taken for
// no root.
std::string user_of(const spec::Spec& spec) {
  if (!spec.user) return may_inherit(spec) ? "65532:65532" : "";
  const std::string name = spec.user->substr(0, spec.user->find(':'));
  if (name == "root") return "0:0";
  return base::parse_number(name) ? *spec.user : "65532:65532";
}

// The config as far as the spec says it.
oci::ImageConfig spec_config(const spec::Spec& spec) {
  oci::ImageConfig config;
  config.user = user_of(spec);
  if (spec.workdir) config.working_dir = *spec.workdir;
  if (spec.entrypoint) config.entrypoint = *spec.entrypoint;
  if (spec.cmd) config.cmd = *spec.cmd;
  config.env = spec.env;
  config.volumes = spec.volumes;
  config.labels = spec.labels;
  for (const spec::Port& port : spec.ports)
    config.exposed_ports.push_back(fmt::format("{}/{}", port.number, port.protocol));
  return config;
}

trust::Violation unpinned(std::string message, const std::string& spec_path, spec::Position position) {
  trust::Violation violation;
  violation.rule = "unpinned";
  violation.message = std::move(message);
  violation.fix = fmt::format("run 'minibuild lock {}' and keep {} with the spec", spec_path,
                              project::lock_path(spec_path));
  violation.position = position;
  return violation;
}

// Inputs from outside without a digest. That there is no lock file yet is said once: nothing is wrong with
// the spec.
std::vector<trust::Violation> unpinned_inputs(const project::Project& project,
                                              const std::optional<project::Lock>& lock,
                                              const spec::Diagnostics& locked_packages) {
  const std::string& path = project.path();
  const std::map<std::string, oci::Digest> pins =
      lock ? project::pins_of(*lock) : std::map<std::string, oci::Digest>();
  std::vector<std::pair<spec::Position, std::string>> open;
  for (const project::OutsideInput& input : project::outside_inputs(project, project.platforms()))
    if (input.needs_lock && !pins.contains(input.name) && input.file->spec.file == path)
      open.emplace_back(input.position, fmt::format("'{}'", base::printable(input.name)));
  std::vector<trust::Violation> found;
  if (!lock) {
    for (const spec::Diagnostic& one : locked_packages)
      if (one.severity == spec::Severity::warning) {
        open.emplace_back(one.position, "'packages'");
        break;
      }
    if (open.empty()) return found;
    std::sort(open.begin(), open.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first.line, a.first.column) < std::tie(b.first.line, b.first.column);
    });
    std::vector<std::string> names;
    for (const auto& [position, name] : open) names.push_back(name);
    found.push_back(unpinned(fmt::format("not locked yet: what {} {} for is what a build finds at the time; "
                                         "the first one writes {}",
                                         base::join(names, ", "), names.size() == 1 ? "stands" : "stand",
                                         project::lock_path(path)),
                             path, open.front().first));
    return found;
  }
  for (const auto& [position, name] : open)
    found.push_back(unpinned(fmt::format("{} is not in the lock file {}", name, project::lock_path(path)),
                             path, position));
  for (const spec::Diagnostic& one : locked_packages)
    if (one.severity == spec::Severity::warning) found.push_back(unpinned(one.message, path, one.position));
  return found;
}

}  // namespace

void drop_missing_baselines(project::SpecFile& file) {
  std::erase_if(file.spec.policy.baselines, [&](const std::string& name) {
    return !base::exists(project::path_beside(file.spec.directory, name));
  });
}

Checked check(const project::Project& project, const project::SpecFile& file, const Options& options,
              store::Cache& cache) {
  Checked checked;
  checked.wrong = look_at_sources(file);
  const std::optional<project::Lock>& lock = project.lock();
  const spec::Diagnostics locked_packages =
      examine_locked_packages(project, options, lock.value_or(project::Lock{}), cache);
  for (const spec::Diagnostic& one : locked_packages)
    if (one.severity == spec::Severity::error) checked.wrong.push_back(one);
  if (spec::has_errors(checked.wrong)) return checked;
  const ImagePolicy policy = load_policy(file);
  const tree::FileTree tree = local_tree(file);
  look_at_user(file, tree, checked.wrong);
  if (spec::has_errors(checked.wrong)) return checked;
  const oci::ImageConfig config = spec_config(file.spec);
  static const tree::FileTree nothing;
  std::vector<trust::Violation> found = find_credentials(archive::difference(nothing, tree), tree,
                                                         policy.baseline, cache, std::max(1, options.jobs));
  trust::examine_config({tree, config, file.spec.images, all_bases(project, file)}, policy.policy, found);
  trust::examine_accounts(tree, found);
  trust::examine_files(tree, found);
  for (const auto& more :
       {find_credentials(config, file.spec.annotations, policy.baseline), latest_bases(file.spec),
        unpinned_inputs(project, lock, locked_packages), stages_with_network(file.spec)})
    found.insert(found.end(), more.begin(), more.end());
  accept_declared_root(file.spec, policy.policy, found);
  // What the base brings is known when it is built: labels, and an entrypoint that 'cmd' is given to.
  if (may_inherit(file.spec))
    std::erase_if(found, [&](const trust::Violation& one) {
      return one.rule == "missing-label" || (one.rule == "shell-form" && !file.spec.entrypoint);
    });
  checked.violations = trust::apply(policy.policy, std::move(found));
  checked.baseline = policy.baseline;
  place(file, checked.violations);
  return checked;
}

std::vector<trust::Violation> check_image(const store::Image& image, const std::vector<oci::Reference>& names,
                                          const ImagePolicy& policy, store::Cache& cache, int jobs) {
  static const tree::FileTree nothing;
  const tree::FileTree tree = store::image_tree(image, cache, "the image");
  std::vector<trust::Violation> found = find_credentials(image, tree, policy.baseline, cache, jobs);
  const std::vector<trust::Violation> texts =
      find_credentials(image.config, image.manifest.annotations, policy.baseline, image.config_json);
  found.insert(found.end(), texts.begin(), texts.end());
  trust::Subject subject{tree, image.config, names};
  const auto base = image.manifest.annotations.find("org.opencontainers.image.base.name");
  if (base != image.manifest.annotations.end()) subject.bases.push_back(base->second);
  const auto no_supplier = [](const std::string&) { return std::string(); };
  for (const auto& more : {trust::examine(subject, policy.policy),
                           examine_libraries({image.config, tree, nothing}, cache, no_supplier),
                           vulnerabilities_of(policy, trust::inventory(tree), cache)})
    found.insert(found.end(), more.begin(), more.end());
  for (trust::Violation& one : found)
    if (one.rule == "root-user")
      one.fix =
          "give it another user, such as 65532:65532; if it has to be root, policy: { allow: [{ rule: "
          "root-user, "
          "reason: ... }] }";
  uint64_t size = 0;
  for (const store::ImageLayer& layer : image.layers) size += layer.descriptor.size;
  if (auto large = trust::examine_size(size, policy.policy)) found.push_back(std::move(*large));
  return trust::apply(policy.policy, std::move(found));
}

}  // namespace minibuild::build
