#include "builder/build/inputs.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "builder/build/stages.h"

namespace minibuild::build {

namespace {

class InputFinder {
 public:
  InputFinder(const std::string& path, const Options& options) {
    for (const oci::Platform& platform : platforms_of(path, options))
      look_at(path, options.set, platform, 0, Part::image);
    look_at(path, options.set, oci::host_platform(), 0, Part::stages);
  }
  std::vector<OutsideInput> found;
  std::map<std::string, std::string> sources;  // the texts of the specs, by path

 private:
  enum class Part { image, stages };
  std::set<std::tuple<std::string, std::string, Part, std::map<std::string, std::string>>> seen_;

  void look_at(const std::string& path, std::map<std::string, std::string> set, const oci::Platform& platform,
               int depth, Part part) {
    if (depth > 16) return;  // the build says that specs stand on each other
    if (!seen_.insert({path, oci::to_string(platform), part, set}).second) return;  // two ways to one spec
    if (depth > 0) set = declared_of(path, std::move(set), platform);
    const SpecFile file = load_spec(path, set, platform);
    sources.try_emplace(path, file.source);
    const auto base = [&](const spec::Base& one) {
      if (const auto* image = std::get_if<spec::BaseImage>(&one.what))
        add(file, image->location, one.position, platform, image->verify_keys, image->verify_identity);
      if (const auto* other = std::get_if<spec::BaseSpec>(&one.what))
        for (const Part below : {Part::image, Part::stages})
          look_at(beside(file, other->path), set, platform, depth + 1, below);
    };
    const auto copies = [&](const std::vector<spec::Copy>& list) {
      for (const spec::Copy& copy : list) {
        if (copy.image) add(file, *copy.image, copy.position, platform);
        if (copy.download) add(file, *copy.download, copy.position);
      }
    };
    if (part == Part::image) {
      base(file.spec.base);
      copies(file.spec.copy);
      return;
    }
    for (const spec::Stage& stage : file.spec.stages) {
      base(stage.base);
      copies(stage.copy);
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
    found.push_back({location.path, std::nullopt, {platform}, tag, file, position, keys, identity});
  }

  void add(const SpecFile& file, const spec::Download& download, spec::Position position) {
    if (OutsideInput* there = known(download.url)) {
      there->needs_lock = there->needs_lock || !download.digest;
      return;
    }
    found.push_back({download.url, download, {}, !download.digest, file, position});
  }
};

}  // namespace

std::vector<oci::Platform> platforms_of(const std::string& spec_path, const Options& options) {
  if (!options.platforms.empty()) return options.platforms;
  const SpecFile file = load_spec(spec_path, options.set, oci::host_platform());
  if (!file.spec.platforms.empty()) return file.spec.platforms;
  return {oci::host_platform()};
}

std::vector<std::vector<std::string>> open_names(const std::string& spec_path, const Options& options) {
  std::vector<std::vector<std::string>> names;
  for (const auto& [path, source] : InputFinder(spec_path, options).sources) {
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

std::vector<OutsideInput> outside_inputs(const std::string& spec_path, const Options& options) {
  return std::move(InputFinder(spec_path, options).found);
}

}  // namespace minibuild::build
