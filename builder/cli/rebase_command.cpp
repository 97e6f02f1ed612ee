// `minibuild rebase`: the same image on a newer base.
#include <fmt/format.h>

#include "builder/cli/commands.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/rebase.h"

namespace minibuild::cli {

int rebase(const RebaseArguments& arguments) {
  store::Cache cache(cache_directory(arguments.cache_dir));
  const CacheLimit limit(cache, {});
  const build::Registries registries = make_registries(arguments.registry, note_on_stderr);
  const oci::ImageLocation from = find_image(arguments.image);
  const oci::ImageLocation onto = find_image(arguments.onto);
  oci::ImageLocation to = arguments.output.empty() ? from : find_destination(arguments.output);
  if (arguments.output.empty() && to.transport == oci::Transport::registry) {
    // The new image gets the tag; the old one stays under its digest.
    oci::Reference reference = oci::parse_reference(to.path);
    if (reference.tag.empty() && reference.digest)
      throw base::Error(
          base::Code::usage,
          "the image is named by a digest, which cannot name another; say where it goes with --output");
    reference.digest.reset();
    to.path = oci::to_string(reference);
  }
  if (to.transport != oci::Transport::registry) store::check_output(to);
  const store::ImageSet set = build::read_image(from, std::nullopt, cache, registries);
  store::ImageSet rebased;
  try {
    for (const store::Image& image : set.images) {
      build::RebaseNotes notes;
      rebased.images.push_back(build::rebase(image, onto, cache, registries, notes));
      const std::string subject =
          set.images.size() == 1 ? "rebase" : "rebase (" + oci::to_string(image.config.platform) + ")";
      for (const std::string& note : notes) note_on_stderr(subject, base::printable(note));
    }
  } catch (const base::Error& error) {
    throw base::Error(error.code(), fmt::format("cannot rebase {}: {}", oci::to_string(from), error.what()));
  }
  if (set.index) {
    oci::ImageIndex index = oci::parse_index(set.index_json, "the index");
    index.media_type = std::string(oci::media_type::index);
    index.manifests.clear();
    for (const store::Image& image : rebased.images) index.manifests.push_back(image.descriptor);
    rebased.index_json = oci::to_json(index);
    rebased.index = oci::Descriptor{
        index.media_type, oci::digest_of(rebased.index_json), rebased.index_json.size(), {}, {}};
  }
  build::write_output(to, {&rebased, {}, nullptr, 0}, cache, registries);
  cache.save();
  print_result(oci::to_string(store::top_of(rebased).digest) + "\n");
  return 0;
}

}  // namespace minibuild::cli
