#include "minibuild/build/lock.h"

#include <algorithm>
#include <set>

#include "builder/build/stages.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::Code;
using base::fail;

namespace {

// Where a name is first used.
struct Use {
  std::string name;
  SpecFile file;
  spec::Position position;
};

// Walks through a spec and those that it stands on.
class Finder {
 public:
  explicit Finder(const Options& options) : options_(options) {}

  std::vector<Use> run(const std::string& path) {
    std::vector<oci::Platform> platforms = options_.platforms;
    const SpecFile file = load_spec(path, options_.set, oci::host_platform());
    if (platforms.empty()) platforms = file.spec.platforms;
    if (platforms.empty()) platforms = {oci::host_platform()};
    for (const oci::Platform& platform : platforms) look_at(path, options_.set, platform, 0);
    // Stages run for the host's platform.
    look_at(path, options_.set, oci::host_platform(), 0);
    return std::move(uses_);
  }

 private:
  void look_at(const std::string& path, std::map<std::string, std::string> set, const oci::Platform& platform,
               int depth) {
    if (depth > 16) return;  // the build says that specs stand on each other
    const SpecFile plain = depth == 0 ? SpecFile{} : read_spec(path, {}, platform);
    if (depth > 0)
      std::erase_if(set, [&](const auto& entry) {
        return std::none_of(plain.spec.args.begin(), plain.spec.args.end(),
                            [&](const auto& declared) { return declared.first == entry.first; });
      });
    const SpecFile file = load_spec(path, set, platform);
    const auto base = [&](const spec::Base& one) {
      if (const auto* image = std::get_if<spec::BaseImage>(&one.what))
        add(file, image->location, one.position);
      if (const auto* other = std::get_if<spec::BaseSpec>(&one.what))
        look_at(beside(file, other->path), set, platform, depth + 1);
    };
    const auto copies = [&](const std::vector<spec::Copy>& list) {
      for (const spec::Copy& copy : list)
        if (copy.image) add(file, *copy.image, copy.position);
    };
    base(file.spec.base);
    copies(file.spec.copy);
    for (const spec::Stage& stage : file.spec.stages) {
      base(stage.base);
      copies(stage.copy);
    }
  }

  void add(const SpecFile& file, const oci::ImageLocation& location, spec::Position position) {
    if (location.transport != oci::Transport::registry || oci::parse_reference(location.path).digest) return;
    if (names_.insert(location.path).second) uses_.push_back({location.path, file, position});
  }

  const Options& options_;
  std::vector<Use> uses_;
  std::set<std::string> names_;
};

LockedImage ask(const Use& use, const Options& options) {
  try {
    if (options.registries.offline)
      fail("its digest is not in the lock file, and --offline forbids asking for it");
    if (!options.registries.client) fail("no registry can be reached from here");
    const auto found = options.registries.client().find_manifest(oci::parse_reference(use.name));
    if (!found) fail("there is no such image");
    return {use.name, found->digest, found->media_type, found->size};
  } catch (const base::Error& error) {
    if (error.code() == Code::interrupted) throw;
    fail_at(use.file, use.position, error.code(),
            fmt::format("cannot resolve docker://{}: {}", use.name, error.what()));
  }
}

const LockedImage* find(const Lock& lock, const std::string& name) {
  const auto it = std::find_if(lock.images.begin(), lock.images.end(),
                               [&](const LockedImage& image) { return image.name == name; });
  return it == lock.images.end() ? nullptr : &*it;
}

std::string text_in(const oci::Json& object, const char* name, const std::string& what) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string())
    fail("cannot read {}: an image lacks the text '{}'", what, name);
  return it->get<std::string>();
}

}  // namespace

std::string lock_path(const std::string& spec_path) {
  for (const std::string_view end : {".yaml", ".yml"})
    if (spec_path.ends_with(end)) return spec_path.substr(0, spec_path.size() - end.size()) + ".lock.json";
  return spec_path + ".lock.json";
}

Lock parse_lock(std::string_view text, const std::string& what) {
  const oci::Json json = oci::parse_json(text, what);
  if (!json.is_object() || !json.contains("minibuildLock"))
    fail("cannot read {}: it is not a lock file of minibuild", what);
  if (json["minibuildLock"] != 1)
    fail("cannot read {}: it was made by a later version of minibuild (lock version {})", what,
         json["minibuildLock"].dump());
  Lock lock;
  for (const auto& [key, value] : json.items()) {
    if (key == "minibuildLock") continue;
    if (key != "images" || !value.is_array())
      fail("cannot read {}: unknown field '{}'", what, base::printable(key));
    for (const oci::Json& entry : value) {
      if (!entry.is_object()) fail("cannot read {}: an image is not an object", what);
      for (const auto& [field, ignored] : entry.items())
        if (field != "name" && field != "digest" && field != "mediaType" && field != "size")
          fail("cannot read {}: unknown field '{}'", what, base::printable(field));
      LockedImage image;
      image.name = text_in(entry, "name", what);
      image.digest = oci::parse_digest(text_in(entry, "digest", what), what);
      image.media_type = text_in(entry, "mediaType", what);
      if (!entry.contains("size") || !entry["size"].is_number_unsigned())
        fail("cannot read {}: an image lacks the number 'size'", what);
      image.size = entry["size"].get<uint64_t>();
      oci::parse_reference(image.name);
      if (find(lock, image.name) != nullptr) fail("cannot read {}: '{}' appears twice", what, image.name);
      lock.images.push_back(std::move(image));
    }
  }
  return lock;
}

std::string to_json(const Lock& lock) {
  oci::Json json;
  json["minibuildLock"] = 1;
  json["images"] = oci::Json::array();
  for (const LockedImage& image : lock.images)
    json["images"].push_back({{"name", image.name},
                              {"digest", oci::to_string(image.digest)},
                              {"mediaType", image.media_type},
                              {"size", image.size}});
  return json.dump(2) + "\n";
}

std::string lock_schema() {
  return R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "minibuild lock file, version 1",
  "type": "object",
  "required": ["minibuildLock", "images"],
  "additionalProperties": false,
  "properties": {
    "minibuildLock": { "const": 1, "description": "The version of this format" },
    "images": {
      "type": "array",
      "description": "What the tags of registries named, in the order of their names",
      "items": {
        "type": "object",
        "required": ["name", "digest", "mediaType", "size"],
        "additionalProperties": false,
        "properties": {
          "name": { "type": "string", "description": "The reference as the spec has it: HOST/REPOSITORY:TAG" },
          "digest": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" },
          "mediaType": { "type": "string" },
          "size": { "type": "integer", "minimum": 0, "description": "Of the manifest or index, in bytes" }
        }
      }
    }
  }
}
)";
}

Locking resolve_lock(const std::string& spec_path, const Options& options, LockMode mode,
                     const std::vector<std::string>& update_names) {
  const std::string path = lock_path(spec_path);
  const bool there = base::exists(path);
  const Lock before = there ? parse_lock(base::read_file(path, oci::max_json_size), path) : Lock{};
  const std::vector<Use> uses = Finder(options).run(spec_path);
  const auto used = [&](const std::string& name) {
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) { return use.name == name; });
  };
  for (const std::string& name : update_names)
    if (!used(name)) {
      std::vector<std::string> names;
      for (const Use& use : uses) names.push_back(use.name);
      throw base::Error(Code::usage, fmt::format("{} names no image '{}'; those to lock are: {}", spec_path,
                                                 name, names.empty() ? "none" : base::join(names, ", ")));
    }
  Locking result;
  for (const Use& use : uses) {
    const LockedImage* known = find(before, use.name);
    if (mode == LockMode::exact && known == nullptr)
      fail_at(use.file, use.position, Code::failed,
              fmt::format(
                  "'{}' is not in the lock file {}, and --locked forbids adding it; run: minibuild lock {}",
                  use.name, path, spec_path));
    const bool again = mode == LockMode::update &&
                       (update_names.empty() ||
                        std::find(update_names.begin(), update_names.end(), use.name) != update_names.end());
    if (known != nullptr && !again && mode != LockMode::look) {
      result.lock.images.push_back(*known);
      continue;
    }
    const LockedImage now = ask(use, options);
    if (known != nullptr && known->digest != now.digest)
      result.moved.push_back({use.name, known->digest, now.digest});
    result.lock.images.push_back(known != nullptr && !again ? *known : now);
  }
  std::sort(result.lock.images.begin(), result.lock.images.end(),
            [](const LockedImage& a, const LockedImage& b) { return a.name < b.name; });
  if (mode == LockMode::exact)
    for (const LockedImage& image : before.images)
      if (!used(image.name))
        fail("the lock file {} is stale: the spec does not name '{}' any more; run: minibuild lock {}", path,
             image.name, spec_path);
  // A spec without names to lock needs no file; one that is there is brought up to date.
  result.changed = there ? !(result.lock == before) : !result.lock.images.empty();
  return result;
}

std::map<std::string, oci::Digest> pins_of(const Lock& lock) {
  std::map<std::string, oci::Digest> pins;
  for (const LockedImage& image : lock.images) pins.emplace(image.name, image.digest);
  return pins;
}

}  // namespace minibuild::build
