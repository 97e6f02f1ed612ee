// `minibuild lock`: what the spec's outside inputs stand for, written down.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/progress.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/build/lock.h"

namespace minibuild::cli {

int lock(const LockArguments& arguments) {
  // `minibuild lock --update NAME` is about ./minibuild.yaml, as everywhere.
  std::string spec = arguments.spec;
  std::vector<std::string> names = arguments.names;
  const bool is_spec = base::exists(spec) || spec.ends_with(".yaml") || spec.ends_with(".yml");
  if (arguments.update && !is_spec && base::exists(LockArguments{}.spec)) {
    names.insert(names.begin(), spec);
    spec = LockArguments{}.spec;
  }
  pipeline::Wish wish = plain_wish(spec);
  wish.set = read_set(arguments.set);
  wish.platforms = read_platforms(arguments.platforms);
  std::vector<std::string> told = arguments.registry.mirrors;
  told.insert(told.end(), arguments.names.begin(), arguments.names.end());
  give_secrets(arguments.secrets, told, wish);
  CommandEdges opened(arguments.cache_dir, make_notes(), arguments.registry);
  opened.edges().registries.verify_again = true;
  const auto mode = arguments.update ? build::LockMode::update : build::LockMode::look;
  const build::Locking locking = pipeline::lock(wish, mode, names, opened.edges());
  for (const build::Moved& moved : locking.moved)
    say("{}: {}\n  before  {}\n  now     {}\n", moved.name,
        arguments.update ? "moved, and was updated" : "has moved; to follow it: minibuild lock --update",
        oci::to_string(moved.before), oci::to_string(moved.now));
  for (const std::string& change : locking.package_changes) say("{}\n", change);
  for (const std::string& entry : locking.dropped)
    say("{} dropped: the spec has no use for it any more\n", entry);
  for (const std::string& warning : locking.warnings) say("warning: {}\n", warning);
  const std::string path = project::lock_path(spec);
  const size_t images = locking.lock.images.size();
  const size_t downloads = locking.lock.downloads.size();
  size_t packages = 0;
  for (const project::LockedPackages& set : locking.lock.packages) packages += set.packages.size();
  std::string more =
      downloads == 0 ? "" : fmt::format(", {} download{}", downloads, downloads == 1 ? "" : "s");
  if (packages > 0) more += fmt::format(", {} package{}", packages, packages == 1 ? "" : "s");
  say("{}: {}, {} image{}{}\n", path,
      locking.changed                      ? "written"
      : images + downloads + packages == 0 ? "nothing to lock"
                                           : "unchanged",
      images, images == 1 ? "" : "s", more);
  return 0;
}

}  // namespace minibuild::cli
