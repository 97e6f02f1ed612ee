#include "minibuild/build/plan.h"

#include <set>

#include "builder/build/download.h"
#include "builder/build/error_context.h"
#include "builder/build/packages.h"
#include "builder/build/stages.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/lock.h"
#include "minibuild/build/secret_guard.h"
#include "minibuild/project/inputs.h"

namespace minibuild::build {

namespace {

// A build tells its progress; a plan has none.
class Silent : public Progress {
 public:
  void note(const std::string& /*subject*/, const std::string& /*text*/) override {}
  void output(const std::string& /*stage*/, std::string_view /*line*/) override {}
  void layer(uint64_t /*done*/, uint64_t /*total*/) override {}
};

class Planner {
 public:
  Planner(const project::Project& project, const Options& options, store::Cache& cache)
      : project_(project), options_(options), cache_(cache) {}

  Plan run(const std::vector<oci::ImageLocation>& destinations) {
    inputs();
    for (const oci::Platform& platform : project_.platforms()) image(platform);
    for (const oci::ImageLocation& destination : destinations) output(destination);
    return std::move(plan_);
  }

 private:
  // Where something comes from or goes to.
  template <typename Name>
  std::vector<std::string> routes(const Name& name, bool push) {
    std::vector<std::string> details;
    if (!options_.registries.client) return details;
    for (const registry::Client::Route& route : options_.registries.client().routes(name)) {
      if (push && route.mirror) continue;  // mirrors are read only
      details.push_back(
          fmt::format("{} {}{}, {}", push ? "to" : "from", route.url, route.mirror ? " (mirror)" : "",
                      route.credential.empty() ? "without credentials" : "as " + route.credential));
    }
    return details;
  }

  void inputs() {
    const project::Lock lock = project_.lock().value_or(project::Lock{});
    const std::map<std::string, oci::Digest> locked = project::pins_of(lock);
    pinned_ = locked;
    sets_ = lock.packages;
    for (const project::LockedPackages& set : sets_) packages(set);
    for (const oci::Platform& platform : project_.platforms()) shipped_packages(platform);
    for (const project::OutsideInput& input : project::outside_inputs(project_, project_.platforms())) {
      try {
        if (input.download)
          download(input, locked);
        else
          registry_image(input, locked);
      } catch (const base::Error& error) {
        if (error.code() != base::Code::failed) throw;
        project::fail_at(*input.file, input.position, error.code(), error.what());
      }
    }
  }

  Registries with_pins() const {
    Registries registries = options_.registries;
    registries.pinned = pinned_;
    return registries;
  }

  // What of a set is not here; packages that are not locked are resolved by a build.
  void packages(const project::LockedPackages& set) {
    const std::string subject = fmt::format("packages of {} ({})",
                                            !set.stage.empty()  ? "the stage " + set.stage
                                            : !set.spec.empty() ? set.spec
                                                                : "the image",
                                            set.platform);
    size_t missing = 0;
    uint64_t size = 0;
    std::string first;
    for (const project::LockedPackage& package : set.packages) {
      if (is_package_cached(package, cache_)) continue;
      if (missing++ == 0) first = package.url;
      size += package.size;
    }
    if (missing == 0)
      plan_.push_back({"fetch", subject, fmt::format("{}, in the cache", set.packages.size()), {}, false});
    else
      plan_.push_back({"fetch", subject,
                       fmt::format("{} of {}, {}", missing, set.packages.size(), base::human_size(size)),
                       first.starts_with("file:") ? std::vector<std::string>() : routes(first, false), true});
  }

  // Of specs that come with minibuild: locked by theirs where this spec's lock file has none of them yet.
  void shipped_packages(const oci::Platform& platform) {
    const project::SpecFile& file = project_.top(platform);
    std::set<std::string> paths;
    const auto look_at = [&](const spec::Base& base) {
      const auto* other = std::get_if<spec::BaseSpec>(&base.what);
      if (other != nullptr && project::beside(file, other->path).starts_with(project::shipped_prefix))
        paths.insert(project::beside(file, other->path));
    };
    look_at(file.spec.base);
    for (const spec::Stage& stage : file.spec.stages) look_at(stage.base);
    for (const std::string& path : paths) {
      const std::optional<project::Lock>& theirs = project_.lock_of(path);
      for (project::LockedPackages set : theirs ? theirs->packages : std::vector<project::LockedPackages>()) {
        if (set.platform != oci::to_string(platform)) continue;
        if (set.spec.empty()) set.spec = path;
        const auto same = [&](const project::LockedPackages& one) {
          return one.spec == set.spec && one.stage == set.stage && one.platform == set.platform;
        };
        if (std::any_of(sets_.begin(), sets_.end(), same)) continue;
        sets_.push_back(set);
        packages(set);
      }
    }
  }

  void unlocked_packages(const project::SpecFile& file, const oci::Platform& platform) {
    if (has_packages(file.spec.packages) && find_set(sets_, "", "", platform) == nullptr)
      plan_.push_back(
          {"resolve", fmt::format("packages ({})", oci::to_string(platform)),
           fmt::format("not in the lock file: {}", base::join(request_texts(file.spec.packages), ", ")),
           source_texts(file.spec), true});
  }

  void registry_image(const project::OutsideInput& input, const std::map<std::string, oci::Digest>& locked) {
    const oci::Reference reference = oci::parse_reference(input.name);
    if (input.needs_lock && !locked.contains(input.name)) {
      PlanStep step{"resolve", input.name, "not in the lock file", {}, true};
      if (options_.registries.client && !options_.registries.offline) {
        const oci::Descriptor found =
            with_context("resolve", {oci::Transport::registry, input.name, ""},
                         [&] { return options_.registries.client().resolve(reference); });
        step.text += fmt::format("; it names {} now", oci::to_string(found.digest));
        pinned_.emplace(input.name, found.digest);
      }
      plan_.push_back(std::move(step));
    }
    for (const oci::Platform& platform : input.platforms) {
      const std::string subject = fmt::format("{} ({})", input.name, oci::to_string(platform));
      const ToFetch fetch = look_at_image(input.name, platform, cache_, with_pins());
      if (fetch.missing == 0) {
        plan_.push_back({"fetch", subject, "in the cache", {}, false});
        continue;
      }
      plan_.push_back({"fetch", subject,
                       fmt::format("{} of {} layer{}, {}", fetch.missing, fetch.layers,
                                   fetch.layers == 1 ? "" : "s", base::human_size(fetch.size)),
                       routes(reference, false), true});
    }
  }

  void download(const project::OutsideInput& input, const std::map<std::string, oci::Digest>& locked) {
    if (input.needs_lock && !locked.contains(input.name))
      plan_.push_back(
          {"resolve", input.name, "not in the lock file; its hash is known when it is fetched", {}, true});
    if (find_download(*input.download, cache_, with_pins()))
      plan_.push_back({"fetch", input.name, "in the cache", {}, false});
    else
      plan_.push_back({"fetch", input.name, "not in the cache", routes(input.name, false), true});
  }

  void image(const oci::Platform& platform) {
    const project::SpecFile& file = project_.top(platform);
    Options options = options_;
    options.registries = with_pins();
    options.registries.offline = true;
    options.packages = sets_;
    options.ledger = std::make_shared<Ledger>();
    unlocked_packages(file, platform);
    Silent silent;
    const ReadBase read = [&](const spec::Base& wanted) {
      if (std::holds_alternative<spec::BaseSpec>(wanted.what)) base::fail("its base is another spec");
      return read_plain_base(file, wanted, oci::host_platform(), cache_, options.registries);
    };
    const int64_t epoch = file.spec.epoch.value_or(options.epoch.value_or(0));
    StageMemory memory;
    const StageContext context{project_, file, options, cache_, silent, read, epoch, memory};
    const std::vector<const spec::Stage*> stages = needed_stages(file.spec, stages_of_image(file.spec));
    const auto forecasts = forecast_stages(stages, context);
    for (const spec::Stage* stage : stages) {
      const StageForecast& forecast = forecasts.at(stage->name);
      if (!stages_.insert(stage->name).second) continue;
      std::string text = forecast.text;
      if (const auto* below = std::get_if<spec::BaseSpec>(&stage->base.what);
          below != nullptr && !forecast.result)
        text = fmt::format("stands on {}, which is built first", below->path);
      std::vector<std::string> details;
      if (stage->network) details.emplace_back("with the network while it runs (network: full)");
      plan_.push_back({"stage", stage->name, text, details, !forecast.result});
    }
    const auto* other = std::get_if<spec::BaseSpec>(&file.spec.base.what);
    plan_.push_back({"assemble",
                     oci::to_string(platform),
                     fmt::format("{} and {} on {}", counted(file.spec.copy.size(), "copy", "copies"),
                                 counted(file.spec.files.size(), "file", "files"),
                                 other != nullptr ? other->path : base_name(file.spec.base)),
                     {},
                     true});
  }

  static std::string counted(size_t n, const char* one, const char* many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
  }

  static std::string base_name(const spec::Base& base) {
    if (const auto* image = std::get_if<spec::BaseImage>(&base.what))
      return oci::to_string(image->location) +
             (image->verify_keys.empty()
                  ? ""
                  : fmt::format(" (must be signed by {}{})", base::join(image->verify_keys, " or "),
                                image->verify_identity.empty() ? "" : " for " + image->verify_identity));
    if (const auto* stage = std::get_if<spec::BaseStage>(&base.what)) return "the stage " + stage->name;
    return "scratch";
  }

  void output(const oci::ImageLocation& destination) {
    if (destination.transport != oci::Transport::registry) {
      plan_.push_back({"write",
                       oci::to_string(destination),
                       base::exists(destination.path) ? "is there; it is brought up to date" : "new",
                       {},
                       true});
      return;
    }
    const oci::Reference reference = oci::parse_reference(destination.path);
    PlanStep step{"push", oci::to_string(destination), "what the registry lacks", routes(reference, true),
                  true};
    if (options_.registries.client && !options_.registries.offline) {
      const auto found = options_.registries.client().find_manifest(reference);
      step.text += found ? fmt::format("; the tag names {} now", oci::to_string(found->digest))
                         : "; the tag is not there yet";
    }
    plan_.push_back(std::move(step));
  }

  const project::Project& project_;
  const Options& options_;
  store::Cache& cache_;
  std::map<std::string, oci::Digest> pinned_;
  std::vector<project::LockedPackages> sets_;
  std::set<std::string> stages_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const project::Project& project, const Options& options,
               const std::vector<oci::ImageLocation>& destinations, store::Cache& cache) {
  guard_secrets(project, options);
  return Planner(project, options, cache).run(destinations);
}

std::string to_text(const Plan& plan) {
  std::string text;
  for (const PlanStep& step : plan) {
    text += fmt::format("{:9}{}: {}\n", step.kind, step.subject, step.text);
    for (const std::string& detail : step.details) text += fmt::format("{:9}  {}\n", "", detail);
  }
  return text;
}

oci::Json to_json(const Plan& plan) {
  oci::Json json;
  json["steps"] = oci::Json::array();
  for (const PlanStep& step : plan) {
    oci::Json one = {
        {"kind", step.kind}, {"subject", step.subject}, {"text", step.text}, {"work", step.work}};
    if (!step.details.empty()) one["details"] = step.details;
    json["steps"].push_back(std::move(one));
  }
  return json;
}

}  // namespace minibuild::build
