// `minibuild plan`: what a build would do.
#include "minibuild/build/plan.h"

#include <cstdlib>

#include "builder/cli/commands.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::cli {

namespace {

int show(const PlanArguments& arguments, build::Options options) {
  std::vector<oci::ImageLocation> destinations;
  for (const std::string& output : arguments.outputs) destinations.push_back(find_destination(output));
  const oci::Platform platform = options.platforms.empty() ? oci::host_platform() : options.platforms.front();
  const build::SpecFile file = build::load_spec(arguments.spec, options.set, platform);
  if (destinations.empty()) destinations.push_back(default_destination(arguments.spec, file.spec.images));
  // A cache that is not there is not made: an empty one elsewhere stands for it.
  std::string directory = cache_directory(arguments.cache_dir);
  std::optional<base::TemporaryDirectory> empty;
  if (!base::exists(directory)) {
    const char* temporary = std::getenv("TMPDIR");
    empty.emplace(temporary == nullptr ? "/tmp" : temporary, "minibuild-plan");
    directory = empty->path();
  }
  store::Cache cache(directory);
  options.registries = make_registries(arguments.registry, {});
  const build::Plan plan = build::make_plan(arguments.spec, options, destinations, cache);
  const std::string text = arguments.json ? build::to_json(plan).dump(2) + "\n" : build::to_text(plan);
  build::refuse_secrets_of_text(text, "the plan, by the name of something that it reads", options);
  print_result(text);
  return 0;
}

}  // namespace

int plan(const PlanArguments& arguments) {
  build::Options options = plain_options(arguments.set);
  options.platforms = read_platforms(arguments.platforms);
  std::vector<std::string> names = arguments.registry.mirrors;
  names.insert(names.end(), arguments.outputs.begin(), arguments.outputs.end());
  give_secrets(arguments.secrets, names, options);
  return without_secrets(options, [&] { return show(arguments, options); });
}

}  // namespace minibuild::cli
