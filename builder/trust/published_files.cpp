#include "minibuild/trust/published_files.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::trust {

namespace {

using namespace std::string_view_literals;

// Of a list of files, or of a description.
constexpr uint64_t most_text = uint64_t{16} << 20U;

// NAME of `NAME/…`, and of `@SCOPE/NAME/…`; empty if nothing follows it.
std::string npm_name(std::string_view below) {
  size_t end = below.find('/');
  if (below.starts_with('@') && end != std::string_view::npos) end = below.find('/', end + 1);
  return end == std::string_view::npos || below.starts_with('.') ? "" : std::string(below.substr(0, end));
}

std::string text_or_empty(const oci::Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : "";
}

// Nothing if it is none.
oci::Json object_of(const std::string& text) {
  try {
    if (oci::Json json = oci::parse_json(text, "a description"); json.is_object()) return json;
  } catch (const base::Error&) {
  }
  return oci::Json::object();
}

// The directory `…/PART/NEXT/` of the path at its last `/PART/`; empty if there is none, or nothing below it.
std::string directory_below(const std::string& path, std::string_view part) {
  const std::string whole = "/" + path;
  const size_t at = whole.rfind(part);
  if (at == std::string::npos) return "";
  const size_t end = whole.find('/', at + part.size());
  return end == std::string::npos ? "" : whole.substr(1, end - 1);
}

}  // namespace

const std::string& PublishedFiles::text_of(const std::string& path) {
  const auto [it, is_new] = texts_.try_emplace(path);
  const tree::Node* node = is_new ? tree_.find(path) : nullptr;
  if (node != nullptr && node->type == tree::NodeType::file && node->content.size <= most_text)
    it->second = tree::read_content(node->content, most_text);
  return it->second;
}

std::string PublishedFiles::sha256_of(const std::string& path) const {
  const tree::Node* node = tree_.find(path);
  if (node == nullptr || node->type != tree::NodeType::file) return "";
  base::Sha256 hash;
  std::string part(size_t{1} << 20U, '\0');
  for (uint64_t at = 0; at < node->content.size; at += part.size()) {
    const size_t size = std::min<uint64_t>(part.size(), node->content.size - at);
    tree::read_content(node->content, at, std::span<char>(part.data(), size));
    hash.update(std::string_view(part).substr(0, size));
  }
  return base::to_hex(hash.finish());
}

const std::vector<PublishedFiles::Record>& PublishedFiles::records() {
  if (records_) return *records_;
  records_.emplace();
  constexpr std::string_view end = ".dist-info/RECORD";
  for (const auto& [path, node] : tree_.nodes()) {
    if (!path.ends_with(end) || node.type != tree::NodeType::file) continue;
    const std::string directory = path.substr(0, path.rfind('/'));
    // Installed from a directory, a file or a repository: that is the builder's own.
    if (is_there(directory + "/direct_url.json")) continue;
    const std::string name(tree::name_of(directory));
    const size_t dash = name.find('-');
    std::string package = name.substr(0, name.size() - ".dist-info"sv.size());
    if (dash != std::string::npos && dash < package.size()) package[dash] = ' ';
    records_->push_back(
        {directory.substr(0, directory.size() - name.size()), std::move(package), "\n" + text_of(path)});
  }
  return *records_;
}

std::optional<Publisher> PublishedFiles::of_python(const std::string& path) {
  std::string hash;
  for (const Record& record : records()) {
    if (!path.starts_with(record.root)) continue;
    std::string name = path.substr(record.root.size());
    if (name.find_first_of(",\"") != std::string::npos) {
      std::string quoted;
      for (const char c : name) quoted += std::string(c == '"' ? 2 : 1, c);
      name = "\"" + quoted + "\"";
    }
    const std::string line = "\n" + name + ",sha256=";
    const size_t at = record.text.find(line);
    if (at == std::string::npos) continue;
    if (hash.empty()) {
      const auto bytes = base::hash_from_hex(sha256_of(path));
      if (!bytes) return std::nullopt;
      hash = base::base64url(std::string(bytes->begin(), bytes->end()));
      while (hash.ends_with('=')) hash.pop_back();
    }
    if (record.text.compare(at + line.size(), hash.size() + 1, hash + ",") == 0)
      return Publisher{record.package, true};
  }
  return std::nullopt;
}

const oci::Json& PublishedFiles::json_of(const std::string& path) {
  const auto [it, is_new] = lists_.try_emplace(path);
  if (is_new) it->second = object_of(text_of(path));
  return it->second;
}

// `path` is that of a package below node_modules. npm lists each with its place, where it came from and the
// hash of its archive; pnpm puts what came from a registry below `.pnpm/NAME@VERSION`; Yarn lists names with
// ranges, and the archives' URLs.
bool PublishedFiles::is_fetched(const std::string& path, const std::string& name) {
  constexpr std::string_view part = "/node_modules/";
  const std::string whole = "/" + path;
  for (size_t at = whole.find(part); at != std::string::npos; at = whole.find(part, at + 1)) {
    const std::string root = whole.substr(1, at + part.size() - 1);
    const oci::Json& npm = json_of(root + ".package-lock.json");
    if (const auto all = npm.find("packages"); all != npm.end() && all->is_object()) {
      const auto one = all->find(whole.substr(at + 1));
      if (one != all->end() && one->is_object() && !text_or_empty(*one, "integrity").empty()) {
        const std::string from = text_or_empty(*one, "resolved");
        return from.empty() || from.starts_with("https://") || from.starts_with("http://");
      }
    }
    const oci::Json& yarn = json_of(root + ".yarn-integrity");
    if (const auto all = yarn.find("lockfileEntries"); all != yarn.end() && all->is_object())
      for (const auto& [key, from] : all->items())
        if (key.starts_with(name + "@") && from.is_string() &&
            from.get<std::string>().starts_with("https://") &&
            from.get<std::string>().find("/" + name + "/-/") != std::string::npos)
          return true;
    std::string flat = name;  // as pnpm writes it
    std::replace(flat.begin(), flat.end(), '/', '+');
    const std::string place = root + ".pnpm/" + flat + "@";
    if (path.starts_with(place) && path.size() > place.size() && is_there(root + ".modules.yaml") &&
        std::isdigit(static_cast<unsigned char>(path[place.size()])) != 0)
      return true;
  }
  return false;
}

std::optional<Publisher> PublishedFiles::of_npm(const std::string& path) {
  constexpr std::string_view part = "/node_modules/";
  const size_t at = ("/" + path).rfind(part);
  if (at == std::string::npos) return std::nullopt;
  const size_t begin = at + part.size() - 1;
  const std::string name = npm_name(std::string_view(path).substr(begin));
  if (name.empty()) return std::nullopt;
  const oci::Json json = object_of(text_of(path.substr(0, begin) + name + "/package.json"));
  const std::string version = text_or_empty(json, "version");
  const auto secluded = json.find("private");
  if (text_or_empty(json, "name").empty() || version.empty() ||
      (secluded != json.end() && *secluded != oci::Json(false)))
    return std::nullopt;
  return Publisher{name + " " + version, false, is_fetched(path.substr(0, begin) + name, name)};
}

std::optional<Publisher> PublishedFiles::of_cargo(const std::string& path) {
  for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    const std::string list = path.substr(0, slash) + "/.cargo-checksum.json";
    if (!is_there(list)) continue;
    const oci::Json json = object_of(text_of(list));
    const auto files = json.find("files");
    const bool known = !text_or_empty(json, "package").empty() && files != json.end() && files->is_object();
    if (!known || text_or_empty(*files, path.substr(slash + 1).c_str()) != sha256_of(path))
      return std::nullopt;
    return Publisher{std::string(tree::name_of(std::string_view(path).substr(0, slash))), true};
  }
  const std::string index = directory_below(path, "/registry/src/");
  const size_t end = index.empty() ? std::string::npos : path.find('/', index.size() + 1);
  if (end == std::string::npos || !is_there(path.substr(0, end) + "/.cargo-ok")) return std::nullopt;
  return Publisher{std::string(tree::name_of(std::string_view(path).substr(0, end))), false};
}

std::optional<Publisher> PublishedFiles::of_go(const std::string& path) {
  constexpr std::string_view cache = "/pkg/mod/";
  const std::string whole = "/" + path;
  if (const size_t at = whole.rfind(cache); at != std::string::npos) {
    const size_t version = whole.find("@v", at);
    const size_t end = version == std::string::npos ? version : whole.find('/', version);
    if (end == std::string::npos) return std::nullopt;
    const size_t begin = at + cache.size();
    return Publisher{
        whole.substr(begin, version - begin) + " " + whole.substr(version + 1, end - version - 1), false};
  }
  constexpr std::string_view vendor = "/vendor/";
  const size_t at = whole.find(vendor);
  if (at == std::string::npos) return std::nullopt;
  const std::string& modules = text_of(whole.substr(1, at + vendor.size() - 1) + "modules.txt");
  for (const std::string& line : base::split(modules, '\n')) {
    const std::vector<std::string> words = base::split(line, ' ');
    // A module that another replaces, as by a directory, has more words.
    if (words.size() == 3 && words[0] == "#" &&
        whole.compare(at + vendor.size(), words[1].size() + 1, words[1] + "/") == 0)
      return Publisher{words[1] + " " + words[2], false};
  }
  return std::nullopt;
}

std::optional<Publisher> PublishedFiles::of_ruby(const std::string& path) {
  const std::string gem = directory_below(path, "/gems/");
  if (gem.empty()) return std::nullopt;
  const std::string name(tree::name_of(gem));
  const std::string root = gem.substr(0, gem.size() - name.size() - "gems/"sv.size());
  if (!is_there(root + "specifications/" + name + ".gemspec")) return std::nullopt;
  return Publisher{name, false};
}

std::optional<Publisher> PublishedFiles::of_composer(const std::string& path) {
  const std::string owner = directory_below(path, "/vendor/");
  const size_t end = owner.empty() ? std::string::npos : path.find('/', owner.size() + 1);
  if (end == std::string::npos) return std::nullopt;
  const std::string root = owner.substr(0, owner.size() - tree::name_of(owner).size());
  const std::string name = path.substr(root.size(), end - root.size());
  const oci::Json json = object_of(text_of(root + "composer/installed.json"));
  const auto list = json.find("packages");
  if (list == json.end() || !list->is_array()) return std::nullopt;
  for (const oci::Json& one : *list) {
    if (!one.is_object() || text_or_empty(one, "name") != name) continue;
    const auto dist = one.find("dist");
    // `path` is a directory beside the application.
    if (dist == one.end() || !dist->is_object() || text_or_empty(*dist, "type") == "path")
      return std::nullopt;
    return Publisher{name + " " + text_or_empty(one, "version"), false};
  }
  return std::nullopt;
}

std::optional<Publisher> PublishedFiles::publisher_of(const std::string& path) {
  for (const auto ask : {&PublishedFiles::of_python, &PublishedFiles::of_npm, &PublishedFiles::of_cargo,
                         &PublishedFiles::of_go, &PublishedFiles::of_ruby, &PublishedFiles::of_composer})
    if (auto found = (this->*ask)(path)) return found;
  return std::nullopt;
}

bool is_mild(const std::string& rule, const std::string& path, const Publisher& publisher) {
  if (publisher.exact || rule.starts_with("file-")) return true;
  static constexpr auto weak = {"assignment"sv,     "url-password"sv, "php-define"sv,
                                "basic-auth"sv,     "bearer-token"sv, "jwt"sv,
                                "netrc-password"sv, "npm-auth"sv,     "registry-auth"sv};
  if (std::find(weak.begin(), weak.end(), rule) != weak.end()) return true;
  static constexpr auto directories = {"test"sv,     "tests"sv,   "__tests__"sv, "testdata"sv,
                                       "fixtures"sv, "example"sv, "examples"sv,  "doc"sv,
                                       "docs"sv,     "demo"sv,    "spec"sv,      "specs"sv,
                                       "sample"sv,   "samples"sv, "testing"sv,   "benchmark"sv};
  const auto is_one_of = [&](std::initializer_list<std::string_view> ends) {
    return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return path.ends_with(end); });
  };
  // What is read, not run.
  if (is_one_of({".md", ".markdown", ".rst", ".adoc", ".d.ts", ".d.mts", ".d.cts"})) return true;
  if (publisher.fetched && is_one_of({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".map",
                                      ".html", ".css", ".wasm", ".node"}))
    return true;
  const std::vector<std::string> parts = base::split(path, '/');
  return std::any_of(parts.begin(), parts.end() - 1, [](const std::string& part) {
    return std::find(directories.begin(), directories.end(), part) != directories.end();
  });
}

}  // namespace minibuild::trust
