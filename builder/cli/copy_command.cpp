// `minibuild copy`: an image from one place to another, byte for byte.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "builder/cli/special_files.h"
#include "minibuild/base/error.h"

namespace minibuild::cli {

int copy(const CopyArguments& arguments) {
  const std::optional<oci::Platform> platform = one_platform(arguments.platform);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation from = find_image(arguments.source);
  const oci::ImageLocation to = find_destination(arguments.destination);
  if (to.transport != oci::Transport::registry) store::check_output(to);
  store::ImageSet set = build::read_image(
      from, platform, cache, registries,
      to.transport == oci::Transport::registry ? build::Layers::documents : build::Layers::all);
  if (platform) set.index.reset();  // one image is copied, not the index that it is under
  if (arguments.referrers) {
    if (to.transport != oci::Transport::registry && to.transport != oci::Transport::oci_layout &&
        to.transport != oci::Transport::oci_archive)
      throw base::Error(
          base::Code::usage,
          fmt::format("--referrers: {} cannot hold what belongs to an image; docker://, oci: and "
                      "oci-archive: can",
                      oci::to_string(to)));
    build::read_attachments(set, from, cache, registries);
    say("{}: {} referrer{}\n", oci::to_string(from), set.attachments.size(),
        set.attachments.size() == 1 ? "" : "s");
  }
  store::Product product;
  product.set = &set;
  if (to.transport == oci::Transport::docker_archive && from.transport == oci::Transport::registry)
    product.names.push_back(oci::parse_reference(from.path));
  std::optional<tree::FileTree> tree;
  const bool merged = to.transport == oci::Transport::tar || to.transport == oci::Transport::directory;
  if (merged && set.images.size() == 1)
    product.tree = &tree.emplace(store::image_tree(set.images.front(), cache, arguments.source));
  std::optional<store::PlainTree> plain;
  product.tree =
      tree_for(to, product.tree, plain, [](const std::string& text) { say("warning: {}\n", text); });
  build::write_output(to, product, cache, registries);
  cache.save();
  print_result(oci::to_string(store::top_of(set).digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
