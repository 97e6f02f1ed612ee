// What can be said about a spec by looking at the files that it names, without building.
#include "builder/build/copy.h"
#include "builder/build/stages.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

void look_at(const SpecFile& file, const spec::Copy& copy, spec::Diagnostics& diagnostics) {
  const auto report = [&](const std::string& message) {
    diagnostics.push_back({spec::Severity::error, "missing-source", copy.position, message});
  };
  if (copy.image) {
    if (copy.image->transport != oci::Transport::registry && !base::exists(beside(file, copy.image->path)))
      report(fmt::format("there is no {}", oci::to_string(*copy.image)));
    return;
  }
  if (copy.stage || copy.download) return;
  const std::string from = tree::normalise(copy.from);
  const std::string start = tree::is_glob(from) ? tree::glob_prefix(from) : from;
  if (!base::exists(file.spec.directory + "/" + start))
    report(fmt::format("cannot copy '{}': it is not there", copy.from));
}

void look_at(const SpecFile& file, const spec::Base& base, spec::Diagnostics& diagnostics) {
  std::string path;
  if (const auto* other = std::get_if<spec::BaseSpec>(&base.what)) path = other->path;
  const auto* image = std::get_if<spec::BaseImage>(&base.what);
  if (image != nullptr && image->location.transport != oci::Transport::registry) path = image->location.path;
  if (path.starts_with(shipped_prefix)) return;
  if (!path.empty() && !base::exists(beside(file, path)))
    diagnostics.push_back(
        {spec::Severity::error, "missing-source", base.position, fmt::format("there is no file '{}'", path)});
}

}  // namespace

spec::Diagnostics check(const SpecFile& file) {
  spec::Diagnostics diagnostics;
  look_at(file, file.spec.base, diagnostics);
  for (const spec::Copy& copy : file.spec.copy) look_at(file, copy, diagnostics);
  for (const spec::Stage& stage : file.spec.stages) {
    look_at(file, stage.base, diagnostics);
    for (const spec::Copy& copy : stage.copy) look_at(file, copy, diagnostics);
  }
  for (const spec::Source& source : file.spec.sources)
    for (const std::string& key : source.keys)
      if (!base::exists(beside(file, key)))
        diagnostics.push_back({spec::Severity::error, "missing-source", source.position,
                               fmt::format("there is no key file '{}'", key)});
  const bool has_user = file.spec.user.has_value();
  const bool may_have_user = std::holds_alternative<spec::BaseImage>(file.spec.base.what) ||
                             std::holds_alternative<spec::BaseSpec>(file.spec.base.what);
  if (!has_user && !may_have_user)
    diagnostics.push_back(
        {spec::Severity::error,
         "root-user",
         {1, 1},
         "the image would run as root; add a line such as 'user: 65532' with the user it should run as, "
         "or 'user: root' if it has to"});
  return diagnostics;
}

}  // namespace minibuild::build
