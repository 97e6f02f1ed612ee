// `minibuild diff`, `minibuild why` and `minibuild reproduce`.
#include <fmt/format.h>

#include <algorithm>

#include "builder/cli/commands.h"
#include "builder/cli/progress.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/compare.h"

namespace minibuild::cli {

using base::Code;

namespace {

constexpr int different = static_cast<int>(Code::refused);

build::Opened open_first(const oci::ImageLocation& location, const std::optional<oci::Platform>& platform,
                         store::Cache& cache, const build::Registries& registries) {
  store::ImageSet set = build::read_image(location, platform, cache, registries);
  const store::Image* mine = platform ? nullptr : store::image_for(set, oci::host_platform());
  build::Opened opened{mine != nullptr ? *mine : set.images.front(), {}};
  opened.tree = store::image_tree(opened.image, cache, oci::to_string(location));
  return opened;
}

std::vector<oci::Platform> platforms_of(const store::ImageSet& set) {
  std::vector<oci::Platform> platforms;
  for (const store::Image& image : set.images) platforms.push_back(image.config.platform);
  return platforms;
}

// Two indexes of the same platforms: each platform by itself.
int diff_all(const DiffArguments& arguments, const std::vector<oci::Platform>& platforms,
             const oci::ImageLocation& first, const oci::ImageLocation& second, store::Cache& cache,
             const build::Registries& registries) {
  std::string text;
  oci::Json json;
  bool same = true;
  for (const oci::Platform& platform : platforms) {
    const build::Difference difference = build::compare(open_first(first, platform, cache, registries),
                                                        open_first(second, platform, cache, registries));
    json["platforms"][oci::to_string(platform)] = build::to_json(difference);
    if (difference.same_manifest) continue;
    same = false;
    text += oci::to_string(platform) + "\n" + build::to_text(difference);
  }
  json["same"] = same;
  cache.save();
  print_result(arguments.json ? json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n" : text);
  return same ? 0 : different;
}

}  // namespace

int diff(const DiffArguments& arguments) {
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, {});
  const auto platform = one_platform(arguments.platform);
  const oci::ImageLocation first = find_image(arguments.before);
  const oci::ImageLocation second = find_image(arguments.after);
  if (!platform) {
    const std::vector<oci::Platform> one = platforms_of(build::read_image(first, {}, cache, registries));
    const std::vector<oci::Platform> other = platforms_of(build::read_image(second, {}, cache, registries));
    if (one.size() > 1 && one == other) return diff_all(arguments, one, first, second, cache, registries);
  }
  const build::Opened before = open_first(first, platform, cache, registries);
  const build::Opened after = open_first(second, platform, cache, registries);
  const build::Difference difference = build::compare(before, after);
  cache.save();
  print_result(arguments.json
                   ? build::to_json(difference).dump(2, ' ', false, oci::Json::error_handler_t::replace) +
                         "\n"
                   : build::to_text(difference));
  return difference.same_manifest ? 0 : different;
}

int why(const WhyArguments& arguments) {
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, {});
  const build::Opened opened =
      open_first(find_image(arguments.image), one_platform(arguments.platform), cache, registries);
  const build::Origin origin = build::find_origin(opened.image, arguments.path, cache, arguments.image);
  cache.save();
  std::string text = fmt::format("/{}  {}\n", base::printable(origin.path), origin.fact);
  text +=
      fmt::format("layer    {} of {}, {}\n", origin.layer, opened.image.layers.size(), origin.layer_digest);
  if (!origin.created_by.empty()) text += fmt::format("made by  {}\n", base::printable(origin.created_by));
  if (!origin.package.empty()) text += fmt::format("package  {}\n", base::printable(origin.package));
  for (const size_t layer : origin.earlier) text += fmt::format("over     layer {}\n", layer);
  print_result(text);
  return 0;
}

int reproduce(const ReproduceArguments& arguments) {
  pipeline::Wish wish = plain_wish(arguments.spec);
  wish.set = read_set(arguments.set);
  std::vector<std::string> names = arguments.registry.mirrors;
  names.push_back(arguments.image);
  give_secrets(arguments.secrets, names, wish);
  if (!arguments.reuse_stages) wish.stage_runs = build::StageRuns::apart;
  CommandEdges opened(arguments.cache_dir, make_progress(arguments.progress), arguments.registry);
  const oci::ImageLocation image = find_image(arguments.image);
  const pipeline::Reproduced result = pipeline::reproduce(wish, image, opened.edges());
  if (result.same) {
    say("{} is what {} gives, byte for byte\n", oci::to_string(image), arguments.spec);
    print_result(oci::to_string(result.digest) + "\n");
    return 0;
  }
  std::string text;
  for (const auto& [platform, difference] : result.differences) {
    if (result.platforms > 1) text += oci::to_string(platform) + "\n";
    text += build::to_text(difference);
  }
  if (!result.compressor.empty())
    text += fmt::format("The lock file was made with another compressor: {}.\n", result.compressor);
  if (text.empty()) text = "The images are the same; the index over them differs.\n";
  pipeline::refuse_secrets(wish, text, "what there is to say of the difference");
  print_result(text);
  return different;
}

}  // namespace minibuild::cli
