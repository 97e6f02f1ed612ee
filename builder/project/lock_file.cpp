#include "minibuild/project/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <tuple>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/oci/reference.h"

namespace minibuild::project {

using base::fail;

namespace {

int line_at(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

// Where in a lock file something is wrong: what a message about it begins with.
class Blame {
 public:
  Blame(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  // Runs `task`; an error of its then has the line on which the entry at `path` (`packages`, 0, `packages`,
  // 3) begins.
  template <typename Task>
  auto at(const std::vector<std::string>& path, Task task) const {
    try {
      return task();
    } catch (const base::Error& error) {
      throw with_line(error, start_of(path));
    }
  }

  // An error of the syntax: at the byte that the message names, or where a key comes twice.
  [[noreturn]] void syntax(const base::Error& error) const {
    const std::string message = error.what();
    const std::string_view word = " at byte ";
    if (const size_t at = message.rfind(word); at != std::string::npos)
      if (const auto byte = base::parse_number(message.substr(at + word.size()), text_.size() + 1))
        throw with_line(error, *byte == 0 ? 0 : *byte - 1);
    throw with_line(error, scan({}, true));
  }

 private:
  base::Error with_line(const base::Error& error, std::optional<size_t> offset) const {
    const std::string message = error.what();
    const std::string start = fmt::format("cannot read {}: ", what_);
    if (!offset || !message.starts_with(start)) return error;
    return base::Error(error.code(), fmt::format("cannot read {}:{}: {}", what_, line_at(text_, *offset),
                                                 message.substr(start.size())));
  }

  std::optional<size_t> start_of(const std::vector<std::string>& path) const { return scan(path, false); }

  // Where the value at `path` begins, or the first key that comes twice or goes too deep. The text is valid
  // JSON but for that.
  std::optional<size_t> scan(const std::vector<std::string>& path, bool faults) const {
    struct Level {
      bool is_object = false;
      size_t index = 0;
      std::string key;
      std::set<std::string> keys;
      bool wants_key = false;
    };
    constexpr size_t max_depth = 64;
    std::vector<Level> levels;
    const auto is_at_path = [&] {
      if (faults || levels.size() != path.size()) return false;
      for (size_t i = 0; i < path.size(); ++i)
        if (path[i] != (levels[i].is_object ? levels[i].key : std::to_string(levels[i].index))) return false;
      return true;
    };
    for (size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ':') continue;
      if (c == ',') {
        if (!levels.empty()) {
          ++levels.back().index;
          levels.back().wants_key = levels.back().is_object;
        }
        continue;
      }
      if (c == '}' || c == ']') {
        if (!levels.empty()) levels.pop_back();
        continue;
      }
      if (c == '"') {
        const size_t start = i;
        for (++i; i < text_.size() && text_[i] != '"'; ++i)
          if (text_[i] == '\\') ++i;
        if (!levels.empty() && levels.back().wants_key) {
          Level& level = levels.back();
          level.key = text_.substr(start + 1, i - start - 1);
          level.wants_key = false;
          if (!level.keys.insert(level.key).second && faults) return start;
          continue;
        }
        if (is_at_path()) return start;
        continue;
      }
      if (is_at_path()) return i;
      if (c == '{' || c == '[') {
        if (faults && levels.size() >= max_depth) return i;
        levels.push_back({c == '{', 0, "", {}, c == '{'});
        continue;
      }
      while (i + 1 < text_.size() &&
             std::string_view(" \n\r\t,]}").find(text_[i + 1]) == std::string_view::npos)
        ++i;
    }
    return std::nullopt;
  }

  std::string_view text_;
  const std::string& what_;
};

std::string text_in(const oci::Json& object, const char* name, const std::string& what) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string())
    fail("cannot read {}: an entry lacks the text '{}'", what, name);
  return it->get<std::string>();
}

uint64_t size_in(const oci::Json& object, const std::string& what) {
  const auto it = object.find("size");
  if (it == object.end() || !it->is_number_unsigned())
    fail("cannot read {}: an entry lacks the number 'size'", what);
  return it->get<uint64_t>();
}

void check_fields(const oci::Json& entry, std::initializer_list<std::string_view> known,
                  const std::string& what) {
  if (!entry.is_object()) fail("cannot read {}: an entry is not an object", what);
  for (const auto& [field, ignored] : entry.items())
    if (std::find(known.begin(), known.end(), field) == known.end())
      fail("cannot read {}: unknown field '{}'", what, base::printable(field));
}

LockedImage read_image_entry(const oci::Json& entry, const std::string& what) {
  check_fields(entry, {"name", "digest", "mediaType", "size"}, what);
  const std::string name = text_in(entry, "name", what);
  oci::parse_reference(name);
  return {name, oci::parse_digest(text_in(entry, "digest", what), what), text_in(entry, "mediaType", what),
          size_in(entry, what)};
}

LockedDownload read_download_entry(const oci::Json& entry, const std::string& what) {
  check_fields(entry, {"url", "digest", "size"}, what);
  return {text_in(entry, "url", what), oci::parse_digest(text_in(entry, "digest", what), what),
          size_in(entry, what)};
}

template <typename Entry>
std::vector<Entry> read_entries(const oci::Json& list, Entry (*read)(const oci::Json&, const std::string&),
                                const std::string& what, const std::string& key, const Blame& blame) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  for (const oci::Json& item : list)
    entries.push_back(blame.at({key, std::to_string(entries.size())}, [&] {
      Entry entry = read(item, what);
      if (!names.insert(name_of(entry)).second)
        fail("cannot read {}: '{}' appears twice", what, base::printable(name_of(entry)));
      return entry;
    }));
  return entries;
}

std::vector<std::string> texts_in(const oci::Json& object, const char* name, const std::string& what) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_array()) fail("cannot read {}: an entry lacks the list '{}'", what, name);
  std::vector<std::string> texts;
  for (const oci::Json& item : *it) {
    if (!item.is_string()) fail("cannot read {}: '{}' holds something else than text", what, name);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

// A name that becomes part of paths and messages.
std::string plain_text_in(const oci::Json& object, const char* name, const std::string& what) {
  std::string text = text_in(object, name, what);
  if (text.empty() || std::any_of(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == '/'; }))
    fail("cannot read {}: malformed '{}': '{}'", what, name, base::printable(text.substr(0, 200)));
  return text;
}

LockedPackage read_package_entry(const oci::Json& entry, const std::string& what) {
  check_fields(entry, {"name", "version", "architecture", "source", "url", "digest", "size", "why"}, what);
  LockedPackage package{plain_text_in(entry, "name", what),
                        plain_text_in(entry, "version", what),
                        plain_text_in(entry, "architecture", what),
                        plain_text_in(entry, "source", what),
                        text_in(entry, "url", what),
                        oci::parse_digest(text_in(entry, "digest", what), what),
                        size_in(entry, what),
                        text_in(entry, "why", what)};
  const bool known = package.url.starts_with("https://") || package.url.starts_with("http://") ||
                     package.url.starts_with("file:///");
  if (!known) fail("cannot read {}: '{}' is not a URL", what, base::printable(package.url));
  return package;
}

LockedPackages read_package_set(const oci::Json& entry, const std::string& what, size_t number,
                                const Blame& blame) {
  check_fields(entry, {"spec", "stage", "platform", "requests", "sources", "packages"}, what);
  LockedPackages set;
  if (entry.contains("spec")) set.spec = text_in(entry, "spec", what);
  if (entry.contains("stage")) set.stage = text_in(entry, "stage", what);
  set.platform = text_in(entry, "platform", what);
  set.requests = texts_in(entry, "requests", what);
  set.sources = texts_in(entry, "sources", what);
  const auto list = entry.find("packages");
  if (list == entry.end() || !list->is_array())
    fail("cannot read {}: an entry lacks the list 'packages'", what);
  for (const oci::Json& item : *list)
    set.packages.push_back(
        blame.at({"packages", std::to_string(number), "packages", std::to_string(set.packages.size())}, [&] {
          LockedPackage package = read_package_entry(item, what);
          if (!set.packages.empty() && set.packages.back().name >= package.name)
            fail("cannot read {}: '{}' appears twice, or out of order", what, base::printable(package.name));
          return package;
        }));
  return set;
}

auto key_of(const LockedPackages& set) { return std::tie(set.spec, set.stage, set.platform); }
auto key_of(const LockedImage& image) { return std::tie(image.name); }
auto key_of(const LockedDownload& download) { return std::tie(download.url); }

// The entries of one kind after two have changed them.
template <typename Entries>
Entries merged(const Entries& before, const Entries& mine, const Entries& others) {
  const auto in = [](const Entries& entries, const auto& wanted) {
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const auto& entry) { return key_of(entry) == key_of(wanted); });
    return it == entries.end() ? nullptr : &*it;
  };
  Entries all;
  for (const auto& entry : mine) {
    const auto* old = in(before, entry);
    const auto* theirs = in(others, entry);
    all.push_back(theirs != nullptr && old != nullptr && *old == entry ? *theirs : entry);
  }
  for (const auto& entry : others)
    if (in(mine, entry) == nullptr && in(before, entry) == nullptr) all.push_back(entry);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return key_of(a) < key_of(b); });
  return all;
}

oci::Json to_json(const LockedPackages& set) {
  oci::Json json;
  if (!set.spec.empty()) json["spec"] = set.spec;
  if (!set.stage.empty()) json["stage"] = set.stage;
  json["platform"] = set.platform;
  json["requests"] = set.requests;
  json["sources"] = set.sources;
  json["packages"] = oci::Json::array();
  for (const LockedPackage& package : set.packages)
    json["packages"].push_back({{"name", package.name},
                                {"version", package.version},
                                {"architecture", package.architecture},
                                {"source", package.source},
                                {"url", package.url},
                                {"digest", oci::to_string(package.digest)},
                                {"size", package.size},
                                {"why", package.why}});
  return json;
}

}  // namespace

std::string lock_path(const std::string& spec_path) {
  for (const std::string_view end : {".yaml", ".yml"})
    if (spec_path.ends_with(end)) return spec_path.substr(0, spec_path.size() - end.size()) + ".lock.json";
  return spec_path + ".lock.json";
}

std::string line_of(const std::string& text, const std::string& value) {
  const size_t at = text.find(oci::Json(value).dump());
  return at == std::string::npos ? "" : fmt::format(":{}", line_at(text, at));
}

Lock parse_lock(std::string_view text, const std::string& what) {
  const Blame blame(text, what);
  const oci::Json json = [&] {
    try {
      return oci::parse_json(text, what);
    } catch (const base::Error& error) {
      blame.syntax(error);
    }
  }();
  if (!json.is_object() || !json.contains("minibuildLock"))
    fail("cannot read {}: it is not a lock file of minibuild", what);
  if (json["minibuildLock"] != 1)
    blame.at({"minibuildLock"}, [&] {
      fail("cannot read {}: it was made by a later version of minibuild (lock version {})", what,
           base::printable(json["minibuildLock"].dump().substr(0, 100)));
    });
  Lock lock;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const auto& [key, value] : json.items()) {
    if (key == "minibuildLock") continue;
    if (key == "images" && value.is_array())
      lock.images = read_entries(value, read_image_entry, what, key, blame);
    else if (key == "downloads" && value.is_array())
      lock.downloads = read_entries(value, read_download_entry, what, key, blame);
    else if (key == "packages" && value.is_array())
      for (const oci::Json& item : value)
        blame.at({key, std::to_string(lock.packages.size())}, [&, &sets = lock.packages] {
          LockedPackages set = read_package_set(item, what, sets.size(), blame);
          if (!seen.insert(key_of(set)).second)
            fail("cannot read {}: the packages of one image appear twice", what);
          sets.push_back(std::move(set));
        });
    else if (key == "compressor" && value.is_string())
      lock.compressor = value.get<std::string>();
    else
      blame.at({key}, [&, &name = key] {
        static const std::set<std::string, std::less<>> known = {"images", "downloads", "packages",
                                                                 "compressor"};
        if (known.contains(name)) fail("cannot read {}: '{}' is of the wrong type", what, name);
        fail("cannot read {}: unknown field '{}'", what, base::printable(name));
      });
  }
  return lock;
}

std::string to_json(const Lock& lock) {
  oci::Json json;
  json["minibuildLock"] = 1;
  if (!lock.compressor.empty()) json["compressor"] = lock.compressor;
  json["images"] = oci::Json::array();
  for (const LockedImage& image : lock.images)
    json["images"].push_back({{"name", image.name},
                              {"digest", oci::to_string(image.digest)},
                              {"mediaType", image.media_type},
                              {"size", image.size}});
  if (!lock.downloads.empty()) json["downloads"] = oci::Json::array();
  for (const LockedDownload& download : lock.downloads)
    json["downloads"].push_back(
        {{"url", download.url}, {"digest", oci::to_string(download.digest)}, {"size", download.size}});
  if (!lock.packages.empty()) json["packages"] = oci::Json::array();
  for (const LockedPackages& set : lock.packages) json["packages"].push_back(to_json(set));
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
    "compressor": { "type": "string", "description": "Library, version and parameters that made the layers: the same ones give the same bytes" },
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
    },
    "downloads": {
      "type": "array",
      "description": "What URLs without sha256 gave, in the order of the URLs",
      "items": {
        "type": "object",
        "required": ["url", "digest", "size"],
        "additionalProperties": false,
        "properties": {
          "url": { "type": "string" },
          "digest": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" },
          "size": { "type": "integer", "minimum": 0, "description": "In bytes" }
        }
      }
    },
    "packages": {
      "type": "array",
      "description": "What packages were resolved to, a set for each image, stage and platform",
      "items": {
        "type": "object",
        "required": ["platform", "requests", "sources", "packages"],
        "additionalProperties": false,
        "properties": {
          "spec": { "type": "string", "description": "A spec that this one stands on; absent for this one" },
          "stage": { "type": "string", "description": "Absent for the image" },
          "platform": { "type": "string" },
          "requests": { "type": "array", "items": { "type": "string" } },
          "sources": { "type": "array", "items": { "type": "string" } },
          "packages": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["name", "version", "architecture", "source", "url", "digest", "size", "why"],
              "additionalProperties": false,
              "properties": {
                "name": { "type": "string" },
                "version": { "type": "string" },
                "architecture": { "type": "string" },
                "source": { "type": "string", "description": "The source package" },
                "url": { "type": "string", "description": "Whatever mirror serves it" },
                "digest": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" },
                "size": { "type": "integer", "minimum": 0, "description": "In bytes" },
                "why": { "type": "string", "description": "requested, or needed by NAME" }
              }
            }
          }
        }
      }
    }
  }
}
)";
}

Lock merge(const Lock& before, const Lock& lock, const Lock& others) {
  return {merged(before.images, lock.images, others.images),
          merged(before.downloads, lock.downloads, others.downloads),
          merged(before.packages, lock.packages, others.packages), lock.compressor};
}

void write_lock(const std::string& path, const Lock& before, const Lock& lock) {
  // The directory is what all have in common; where it cannot be locked, the last one to write wins.
  const base::Fd directory(::open(base::parent_path(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (directory.get() >= 0 && ::flock(directory.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  const Lock others =
      base::exists(path) ? parse_lock(base::read_file(path, oci::max_json_size), path) : Lock{};
  base::write_file_atomic(path, to_json(others == before ? lock : merge(before, lock, others)));
}

std::map<std::string, oci::Digest> pins_of(const Lock& lock) {
  std::map<std::string, oci::Digest> pins;
  for (const LockedImage& image : lock.images) pins.emplace(image.name, image.digest);
  for (const LockedDownload& download : lock.downloads) pins.emplace(download.url, download.digest);
  return pins;
}

}  // namespace minibuild::project
