// `minibuild copy`: an image from one place to another, byte for byte.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::cli {

namespace {

// What can hold whatever an index names, byte for byte.
bool holds_graphs(const oci::ImageLocation& place) {
  return place.transport == oci::Transport::registry || place.transport == oci::Transport::oci_layout ||
         place.transport == oci::Transport::oci_archive;
}

// The names that a docker archive gives an image that comes from there.
std::vector<oci::Reference> names_of(const store::ImageSet& set, const oci::ImageLocation& from) {
  std::vector<oci::Reference> names;
  if (from.transport == oci::Transport::registry) names.push_back(oci::parse_reference(from.path));
  for (const std::string& name : set.names) {
    try {
      names.push_back(oci::parse_reference(name));
    } catch (const base::Error&) {
      say("warning: its name '{}' is no name of an image, and is left out\n", base::printable(name));
    }
  }
  return names;
}

}  // namespace

int copy(const CopyArguments& arguments) {
  const std::optional<oci::Platform> platform = one_platform(arguments.platform);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation from = find_image(arguments.source);
  const oci::ImageLocation to = find_destination(arguments.destination);
  if (to.transport != oci::Transport::registry) store::check_output(to);
  const bool whole = holds_graphs(to);
  if (arguments.referrers && !whole)
    throw base::Error(base::Code::usage,
                      fmt::format("--referrers: {} cannot hold what belongs to an image; docker://, oci: and "
                                  "oci-archive: can",
                                  oci::to_string(to)));
  store::ImageSet set;
  store::Graph graph;
  if (whole && from.transport != oci::Transport::docker_archive) {
    graph = build::read_graph(
        from, platform, cache, registries, arguments.referrers,
        to.transport == oci::Transport::registry ? build::Layers::documents : build::Layers::all);
  } else {
    set = build::read_image(from, platform, cache, registries);
    if (platform) set.index.reset();  // one image is copied, not the index that it is under
    graph = store::graph_of(set);
  }
  if (arguments.referrers)
    say("{}: {} referrer{}\n", oci::to_string(from), graph.attachments.size(),
        graph.attachments.size() == 1 ? "" : "s");
  store::Product product;
  product.set = &set;
  product.graph = &graph;
  if (to.transport == oci::Transport::docker_archive) product.names = names_of(set, from);
  std::optional<tree::FileTree> tree;
  const bool merged = to.transport == oci::Transport::tar || to.transport == oci::Transport::directory;
  if (merged && set.images.size() == 1)
    product.tree = &tree.emplace(store::image_tree(set.images.front(), cache, arguments.source));
  std::optional<store::PlainTree> plain;
  if (product.tree != nullptr)
    plain = pipeline::plain_for(
        to, *product.tree,
        arguments.preserve_special ? pipeline::SpecialFiles::preserve : pipeline::SpecialFiles::leave_out,
        [](const std::string& text) { say("warning: {}\n", text); });
  if (plain) product.tree = &plain->tree;
  build::write_output(to, product, cache, registries);
  cache.save();
  print_result(oci::to_string(store::top_of(graph).digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
