#include "minibuild/project/inputs.h"

#include <algorithm>
#include <map>

namespace minibuild::project {

namespace {

class Finder {
 public:
  std::vector<OutsideInput> found;

  void look_at(const SpecFile& file, Part part) {
    if (part == Part::image) {
      base(file, file.spec.base);
      copies(file, file.spec.copy);
      return;
    }
    for (const spec::Stage& stage : file.spec.stages) {
      base(file, stage.base);
      copies(file, stage.copy);
    }
  }

 private:
  void base(const SpecFile& file, const spec::Base& one) {
    if (const auto* image = std::get_if<spec::BaseImage>(&one.what))
      add(file, image->location, one.position, file.platform, image->verify_keys, image->verify_identity);
  }

  void copies(const SpecFile& file, const std::vector<spec::Copy>& list) {
    for (const spec::Copy& copy : list) {
      if (copy.image) add(file, *copy.image, copy.position, file.platform);
      if (copy.download) add(file, *copy.download, copy.position);
    }
  }

  OutsideInput* known(const std::string& name) {
    const auto it = std::find_if(found.begin(), found.end(),
                                 [&](const OutsideInput& input) { return input.name == name; });
    return it == found.end() ? nullptr : &*it;
  }

  void add(const SpecFile& file, const oci::ImageLocation& location, spec::Position position,
           const oci::Platform& platform, const std::vector<std::string>& keys = {},
           const std::string& identity = {}) {
    if (location.transport != oci::Transport::registry) return;
    if (OutsideInput* there = known(location.path)) {
      auto& platforms = there->platforms;
      if (std::find(platforms.begin(), platforms.end(), platform) == platforms.end())
        platforms.push_back(platform);
      if (there->verify_keys.empty()) {
        there->verify_keys = keys;
        there->verify_identity = identity;
      }
      return;
    }
    const bool tag = !oci::parse_reference(location.path).digest;
    found.push_back({location.path, std::nullopt, {platform}, tag, &file, position, keys, identity});
  }

  void add(const SpecFile& file, const spec::Download& download, spec::Position position) {
    if (OutsideInput* there = known(download.url)) {
      there->needs_lock = there->needs_lock || !download.digest;
      return;
    }
    found.push_back({download.url, download, {}, !download.digest, &file, position});
  }
};

}  // namespace

std::vector<std::vector<std::string>> open_names(const Project& project,
                                                 const std::vector<oci::Platform>& images) {
  std::map<std::string, std::string> sources;  // the texts of the specs, by path
  project.walk(images, {oci::host_platform()},
               [&](const SpecFile& file, Part) { sources.try_emplace(file.spec.file, file.source); });
  std::vector<std::vector<std::string>> names;
  for (const auto& [path, source] : sources) {
    std::string text;
    std::vector<std::string> parts;
    const auto finish = [&] {
      if (!parts.empty()) {
        parts.push_back(text);
        for (const std::string_view prefix : {"docker://", "./"})
          if (parts.front().starts_with(prefix)) parts.front().erase(0, prefix.size());
        names.push_back(parts);
      }
      text.clear();
      parts.clear();
    };
    for (size_t i = 0; i < source.size(); ++i) {
      const size_t end = source.compare(i, 2, "${") == 0 ? source.find('}', i) : std::string::npos;
      if (end != std::string::npos) {
        parts.push_back(std::move(text));
        text.clear();
        i = end;
      } else if (std::string_view(" \t\r\n\"',[]{}").find(source[i]) != std::string_view::npos) {
        finish();
      } else {
        text.push_back(source[i]);
      }
    }
    finish();
  }
  return names;
}

std::vector<OutsideInput> outside_inputs(const Project& project, const std::vector<oci::Platform>& images) {
  Finder finder;
  project.walk(images, {oci::host_platform()},
               [&](const SpecFile& file, Part part) { finder.look_at(file, part); });
  return std::move(finder.found);
}

}  // namespace minibuild::project
