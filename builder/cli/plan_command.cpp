// `minibuild plan`: what a build would do.
#include "minibuild/build/plan.h"

#include <cstdlib>

#include "builder/cli/commands.h"
#include "builder/cli/progress.h"
#include "minibuild/base/file.h"

namespace minibuild::cli {

int plan(const PlanArguments& arguments) {
  pipeline::Wish wish = plain_wish(arguments.spec);
  std::vector<std::string> names = arguments.registry.mirrors;
  names.insert(names.end(), arguments.outputs.begin(), arguments.outputs.end());
  wish.set = read_set(arguments.set);
  wish.platforms = read_platforms(arguments.platforms);
  give_secrets(arguments.secrets, names, wish);
  for (const std::string& output : arguments.outputs) wish.targets.push_back(find_destination(output));
  // A cache that is not there is not made: an empty one elsewhere stands for it.
  std::string directory = cache_directory(arguments.cache_dir);
  std::optional<base::TemporaryDirectory> empty;
  if (!base::exists(directory)) {
    const char* temporary = std::getenv("TMPDIR");
    empty.emplace(temporary == nullptr ? "/tmp" : temporary, "minibuild-plan");
    directory = empty->path();
  }
  CommandEdges opened(directory, make_silence(), arguments.registry, CacheUse::look);
  const build::Plan plan = pipeline::plan(wish, opened.edges());
  const std::string text = arguments.json ? build::to_json(plan).dump(2) + "\n" : build::to_text(plan);
  pipeline::refuse_secrets(wish, text, "the plan, by the name of something that it reads");
  print_result(text);
  return 0;
}

}  // namespace minibuild::cli
