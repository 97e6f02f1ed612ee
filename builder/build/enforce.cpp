#include "builder/build/enforce.h"

#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/tree/glob.h"
#include "minibuild/trust/scan.h"

namespace minibuild::build {

using base::Code;

namespace {

constexpr size_t max_baseline = size_t{16} << 20;

spec::Policy read_shared(const std::string& path, const std::string& name) {
  const std::string source = base::read_file(path, spec::max_policy);
  spec::PolicyFile shared = spec::parse_policy(source, name);
  if (spec::has_errors(shared.diagnostics)) {
    std::string text = spec::render_text(shared.diagnostics, name, source);
    while (text.ends_with('\n')) text.pop_back();
    throw base::Error(Code::usage, text);
  }
  return std::move(shared.policy);
}

trust::Baseline read_baselines(const ImagePolicy& policy) {
  trust::Baseline all;
  for (const std::string& name : policy.policy.baselines) {
    const std::string path = project::path_beside(policy.directory, name);
    all.entries.merge(trust::parse_baseline(base::read_file(path, max_baseline), path).entries);
  }
  return all;
}

// The entry of the spec that brought a path: the last `files` or `copy` that it can come from.
spec::Position position_of_path(const spec::Spec& spec, const std::string& path) {
  for (auto it = spec.files.rbegin(); it != spec.files.rend(); ++it)
    if (tree::is_within(tree::normalise(it->path), path.substr(1))) return it->position;
  const spec::Copy* best = nullptr;
  size_t length = 0;
  for (const spec::Copy& copy : spec.copy) {
    const std::string to = tree::normalise(copy.to);
    if (!to.empty() && !tree::is_within(path.substr(1), to)) continue;
    if (best != nullptr && to.size() < length) continue;
    best = &copy;
    length = to.size();
  }
  if (best != nullptr) return best->position;
  return spec.packages.empty() || spec.base.position.line > 0 ? spec.base.position
                                                              : spec.packages.front().position;
}

spec::Position position_of_rule(const spec::Spec& spec, const std::string& rule) {
  if (rule == "untrusted-base") return spec.base.position;
  if (rule == "max-size") return spec.policy.max_size_position;
  if (rule == "max-severity") return spec.policy.max_severity_position;
  return {};
}

trust::Advisories advisories_of(const ImagePolicy& policy, store::Cache& cache) {
  trust::Advisories advisories;
  for (const std::string& name : policy.policy.databases)
    trust::add_advisories(advisories, project::path_beside(policy.directory, name), cache);
  if (policy.policy.databases.empty()) advisories = trust::open_feeds(trust::stored_feeds(cache), cache);
  // A gate does not open because a download failed.
  if (!advisories.passed_over().empty())
    throw base::Error(
        Code::failed,
        fmt::format("{} is neither the Debian tracker's JSON nor an Alpine secdb nor OSV records; "
                    "get it again, or take it out of the directory",
                    base::printable(advisories.passed_over().front())));
  if (advisories.empty())
    throw base::Error(Code::failed,
                      "'max-severity' needs a database of advisories; fetch one with 'minibuild scan "
                      "--update', or name files "
                      "under policy.vulnerability-db");
  return advisories;
}

std::string fix_of_silence(const trust::Inventory& inventory) {
  if (inventory.os.id.empty())
    return "add the package that has etc/os-release (Debian: base-files), or that file";
  const bool is_known = !trust::ecosystems_of(inventory.os).empty();
  if (is_known && !inventory.packages.empty())
    return "name advisories about this system under policy.vulnerability-db, or fetch them: minibuild scan "
           "--update";
  return std::string(is_known ? "keep the list of its packages in the image"
                              : "take a base of Debian, Ubuntu, Alpine, Wolfi or Chainguard") +
         ", or accept it: policy: { allow: [{ rule: max-severity, reason: ... }] }";
}

// `is_own`: the packages are those that the spec lists.
std::vector<trust::Violation> exceeding(const trust::Inventory& inventory,
                                        const trust::Advisories& advisories, spec::VulnerabilitySeverity most,
                                        bool is_own) {
  // The severities of policies begin with low, those of advisories with two below.
  const auto limit =
      static_cast<trust::Severity>(static_cast<int>(trust::Severity::low) + static_cast<int>(most));
  std::vector<trust::Violation> violations;
  if (const std::string why = trust::nothing_to_say(inventory, advisories); !why.empty())
    return {{"max-severity", "nothing can be said about known vulnerabilities: " + why,
             fix_of_silence(inventory), ""}};
  for (const trust::Vulnerability& one : trust::scan(inventory, advisories)) {
    if (one.severity <= limit) continue;
    const std::string fix =
        one.fixed_version.empty() ? std::string("there is no fixed package yet: leave the package out")
        : is_own ? fmt::format("update it to {} or later: minibuild lock --update {}", one.fixed_version,
                               one.package.name)
                 : fmt::format("take a newer base or package, with {} or later", one.fixed_version);
    trust::Violation violation{
        "max-severity",
        fmt::format("{} {} has {} ({})", one.package.name, one.package.version, one.id,
                    trust::name_of(one.severity)),
        fmt::format("{}, or accept it: policy: {{ allow: [{{ rule: max-severity, id: {}, reason: ... }}] }}",
                    fix, one.id),
        ""};
    violation.id = one.id;
    violations.push_back(std::move(violation));
  }
  return violations;
}

}  // namespace

ImagePolicy load_policy(const project::SpecFile& file) {
  ImagePolicy loaded{file.spec.policy, {}, file.spec.directory};
  for (const std::string& name : loaded.policy.baselines)
    if (const std::string path = project::beside(file, name); !base::exists(path))
      project::fail_at(
          file, loaded.policy.position, Code::usage,
          fmt::format("there is no baseline '{}'; write one: minibuild check --write-baseline {} {}", name,
                      path, file.spec.file));
  for (const std::string& name : loaded.policy.databases)
    if (const std::string path = project::path_beside(loaded.directory, name); !base::exists(path))
      project::fail_at(
          file, loaded.policy.position, Code::usage,
          fmt::format("there are no advisories at '{}' ({}); fetch some with 'minibuild scan --update' and "
                      "leave 'vulnerability-db' out, or put them there",
                      name, path));
  try {
    loaded.baseline = read_baselines(loaded);
  } catch (const base::Error& error) {
    project::fail_at(file, loaded.policy.position, Code::usage, error.what());
  }
  return loaded;
}

ImagePolicy image_policy(const std::string& path) {
  ImagePolicy loaded;
  if (path.empty()) return loaded;
  if (!base::exists(path))
    throw base::Error(Code::usage, fmt::format("there is no policy '{}'", base::printable(path)));
  loaded.policy = read_shared(path, path);
  loaded.directory = base::parent_path(path);
  loaded.baseline = read_baselines(loaded);
  return loaded;
}

void place(const project::SpecFile& file, std::vector<trust::Violation>& violations) {
  for (trust::Violation& one : violations) {
    const auto unless_known = [&](spec::Position position) {
      if (one.position.line == 0) one.position = position;
    };
    if (!one.place.empty()) unless_known(spec::position_of(file.spec, one.place));
    unless_known(position_of_rule(file.spec, one.rule));
    if (!one.path.empty()) unless_known(position_of_path(file.spec, one.path));
    if (one.rule != "root-user" && one.rule != "missing-label") unless_known(file.spec.base.position);
    unless_known({1, 1});
  }
}

spec::Diagnostics diagnostics_of(const std::vector<trust::Violation>& violations, size_t most) {
  spec::Diagnostics diagnostics;
  std::map<std::string, size_t> counts;
  for (const trust::Violation& one : violations) {
    if (++counts[one.rule] > most) continue;
    const auto severity = one.level == trust::Level::error ? spec::Severity::error : spec::Severity::warning;
    diagnostics.push_back({severity, one.rule, one.position, fmt::format("{} [{}]", one.message, one.rule),
                           std::string(trust::reason_of(one.rule)), one.fix});
  }
  for (const trust::Violation& one : violations)
    if (size_t& count = counts[one.rule]; count > most) {
      const auto severity =
          one.level == trust::Level::error ? spec::Severity::error : spec::Severity::warning;
      diagnostics.push_back({severity, one.rule, one.position,
                             fmt::format("and {} more [{}]", count - most, one.rule), "", ""});
      count = 0;
    }
  return diagnostics;
}

void enforce(const project::SpecFile& file, const ImagePolicy& policy,
             std::vector<trust::Violation> violations, Progress& progress) {
  violations = trust::apply(policy.policy, std::move(violations));
  place(file, violations);
  violations = trust::merged(violations);
  std::vector<trust::Violation> errors;
  std::map<std::string, size_t> counts;
  for (trust::Violation& one : violations) {
    // Of a rule with errors the warnings come behind them.
    const bool follows = std::any_of(errors.begin(), errors.end(),
                                     [&](const trust::Violation& error) { return error.rule == one.rule; });
    if (one.level == trust::Level::error || follows) {
      errors.push_back(std::move(one));
    } else if (++counts[one.rule] <= most_shown) {
      progress.warning({one.rule, one.message, one.fix, one.position.line});
    }
  }
  for (const auto& [rule, count] : counts)
    if (count > most_shown) progress.warning({rule, fmt::format("and {} more", count - most_shown), "", 0});
  if (errors.empty()) return;
  std::string text = spec::render_text(diagnostics_of(errors, most_shown), file.spec.file, file.source);
  while (text.ends_with('\n')) text.pop_back();
  throw base::Error(Code::refused, text);
}

std::vector<trust::Violation> vulnerabilities_of(const ImagePolicy& policy, const trust::Inventory& inventory,
                                                 store::Cache& cache, bool is_own) {
  // A program by itself has no packages; a system without a list of them has some that are not known.
  if (!policy.policy.max_severity || (inventory.packages.empty() && inventory.os.id.empty())) return {};
  return exceeding(inventory, advisories_of(policy, cache), *policy.policy.max_severity, is_own);
}

namespace {

bool names_rule(const spec::Policy& policy, std::string_view rule) {
  const auto is_it = [&](const auto& one) { return one.rule == rule; };
  return std::any_of(policy.deny.begin(), policy.deny.end(), is_it) ||
         std::any_of(policy.warn.begin(), policy.warn.end(), is_it);
}

}  // namespace

void accept_declared_root(const spec::Spec& spec, const spec::Policy& policy,
                          std::vector<trust::Violation>& violations) {
  const auto is_it = [](const auto& one) { return one.rule == "root-user"; };
  const bool is_named = names_rule(policy, "root-user");
  const std::string name = spec.user ? spec.user->substr(0, spec.user->find(':')) : "";
  const bool is_written = name == "root" || base::parse_number(name) == uint64_t{0};
  if (is_written && !is_named) std::erase_if(violations, is_it);
  for (trust::Violation& one : violations)
    if (is_it(one) && is_named)
      one.fix =
          "write 'user: 65532', or another number that is not 0; if it has to be root, policy: { allow: [{ "
          "rule: root-user, reason: ... }] }";
}

std::vector<std::string> bases_of(const spec::Spec& spec) {
  const spec::Base* base = &spec.base;
  // A stage as base stands on what its own base is.
  for (size_t depth = 0; depth <= spec.stages.size(); ++depth)
    if (const auto* stage = std::get_if<spec::BaseStage>(&base->what))
      for (const spec::Stage& one : spec.stages)
        if (one.name == stage->name) base = &one.base;
  const auto* image = std::get_if<spec::BaseImage>(&base->what);
  if (image == nullptr) return {};
  const bool remote = image->location.transport == oci::Transport::registry;
  return {remote ? image->location.path : oci::to_string(image->location)};
}

std::vector<trust::Violation> vulnerabilities_of(const project::SpecFile& file, const ImagePolicy& policy,
                                                 const tree::FileTree& tree, store::Cache& cache,
                                                 Progress& progress) {
  if (!policy.policy.max_severity) return {};
  const trust::Inventory inventory = trust::inventory(tree);
  if (inventory.packages.empty() && inventory.os.id.empty()) {
    progress.note("max-severity",
                  "the image has no packages to look up; what is copied into it is not known to databases");
    return {};
  }
  try {
    return vulnerabilities_of(policy, inventory, cache, !file.spec.packages.empty());
  } catch (const base::Error& error) {
    project::fail_at(file, policy.policy.max_severity_position, error.code(), error.what());
  }
}

std::vector<trust::Violation> stages_with_network(const spec::Spec& spec) {
  std::vector<trust::Violation> found;
  for (const spec::Stage& stage : spec.stages) {
    if (!stage.network) continue;
    found.push_back(
        {"network", fmt::format("the stage '{}' has the network while it runs", base::printable(stage.name)),
         "write what it fetches under 'copy' as URLs with hashes, or under 'packages', and leave out "
         "'network: full'",
         ""});
    found.back().position = stage.position;
  }
  return found;
}

std::vector<trust::Violation> latest_bases(const spec::Spec& spec) {
  std::vector<trust::Violation> found;
  const auto* image = std::get_if<spec::BaseImage>(&spec.base.what);
  if (image == nullptr || image->location.transport != oci::Transport::registry) return {};
  for (const std::string& base : bases_of(spec)) {
    const oci::Reference reference = oci::parse_reference(base);
    if (reference.digest || (!reference.tag.empty() && reference.tag != "latest")) continue;
    found.push_back({"latest-tag", fmt::format("the base '{}' has the tag 'latest'", base::printable(base)),
                     "write a version after the colon; the lock file pins it to a digest", ""});
    found.back().position = spec.base.position;
  }
  return found;
}

}  // namespace minibuild::build
