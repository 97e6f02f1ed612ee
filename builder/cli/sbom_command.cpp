// `minibuild sbom`: what an image contains, as SPDX and CycloneDX.
#include <fmt/format.h>

#include <algorithm>

#include "builder/cli/commands.h"
#include "builder/cli/say.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/sbom.h"

namespace minibuild::cli {

using base::Code;

namespace {

std::vector<trust::SbomFormat> formats_of(const std::vector<std::string>& words) {
  std::vector<trust::SbomFormat> formats;
  for (const std::string& word : words)
    for (const std::string& one : base::split(word, ',')) {
      const trust::SbomFormat format = trust::parse_sbom_format(one);
      if (std::find(formats.begin(), formats.end(), format) == formats.end()) formats.push_back(format);
    }
  if (formats.empty()) formats.push_back(trust::SbomFormat::spdx);
  return formats;
}

// What the document calls the image. A place on this disk is no name: the document would differ elsewhere.
std::vector<oci::Reference> names_of(const SbomArguments& arguments, const oci::ImageLocation& location) {
  if (!arguments.name.empty()) return {oci::parse_reference(arguments.name)};
  if (location.transport == oci::Transport::registry) return {oci::parse_reference(location.path)};
  return {};
}

std::string file_name_of(const trust::ImageIdentity& identity, bool with_platform, trust::SbomFormat format) {
  std::string stem = identity.name.substr(identity.name.rfind('/') + 1);
  for (char& c : stem)
    if (c == ' ' || c == '\\') c = '-';
  if (stem.empty() || stem.starts_with('.')) stem = "image";
  if (with_platform) {
    std::string platform = oci::to_string(identity.platform);
    std::replace(platform.begin(), platform.end(), '/', '-');
    stem += "-" + platform;
  }
  return stem + std::string(trust::extension_of(format));
}

}  // namespace

int sbom(const SbomArguments& arguments) {
  const std::vector<trust::SbomFormat> formats = formats_of(arguments.formats);
  const std::string& output = arguments.output;
  const bool directory = output.ends_with('/') || (!output.empty() && base::is_directory(output));
  if (formats.size() > 1 && !directory && (output.empty() || base::exists(output)))
    throw base::Error(Code::usage,
                      "several formats need a directory; say which with -o DIR, or ask for one format");
  const bool many = directory || formats.size() > 1;
  std::optional<oci::Platform> platform = one_platform(arguments.platform);
  // Without a place for several documents it is one image: this machine's, as other tools have it.
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation location = find_image(arguments.image);
  const std::string what = oci::to_string(location);
  store::ImageSet set = build::read_image(location, platform, cache, registries);
  if (!many && set.images.size() > 1) {
    const store::Image* here = store::image_for(set, oci::host_platform());
    if (here == nullptr)
      throw base::Error(Code::usage, fmt::format("{} has {} images, none for this machine; say which with "
                                                 "--platform, or write all with -o DIR/",
                                                 what, set.images.size()));
    say("sbom: the image for {} of {}; --platform chooses another, -o DIR/ writes all\n",
        oci::to_string(here->config.platform), set.images.size());
    set.images = {store::Image(*here)};
  }
  const std::vector<oci::Reference> names = names_of(arguments, location);
  std::vector<std::pair<std::string, std::string>> documents;  // file name, text
  for (const store::Image& image : set.images) {
    const trust::Components components = trust::components_of(store::image_tree(image, cache, what));
    const trust::ImageIdentity identity = trust::identify(image, names);
    for (const trust::SbomFormat format : formats)
      documents.emplace_back(file_name_of(identity, set.images.size() > 1, format),
                             trust::to_sbom(format, identity, components, MINIBUILD_VERSION));
  }
  cache.save();
  if (many) base::make_directories(output);
  for (const auto& [name, text] : documents) {
    if (output.empty())
      print_result(text);
    else
      base::write_file_atomic(many ? tree::join_path(output, name) : output, text);
  }
  return 0;
}

}  // namespace minibuild::cli
