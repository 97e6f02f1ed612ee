// `sources`, `packages` and `trim`.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "builder/spec/reader.h"
#include "minibuild/base/text.h"

namespace minibuild::spec {

const Keys& source_keys() {
  static const Keys keys = {
      {"deb", "apk", "suites", "components", "repositories", "keys", "check-valid-until", "priority"},
      {"rpm"}};
  return keys;
}

const Keys& package_keys() {
  static const Keys keys = {{"name", "source", "only", "except", "omit"}, {}};
  return keys;
}

namespace {

constexpr const char* source_example =
    "{ deb: \"https://snapshot.debian.org/archive/debian/20260901T000000Z\", suites: [trixie], components: "
    "[main], keys: "
    "[/usr/share/keyrings/debian-archive-keyring.gpg] }";

std::string read_url(Reader& reader, const YamlNode& node, const char* key) {
  std::string url =
      reader
          .text(node, fmt::format("'{}'", key), "https://snapshot.debian.org/archive/debian/20260901T000000Z")
          .value_or("");
  while (url.ends_with('/')) url.pop_back();
  const bool known = url.starts_with("https://") || url.starts_with("http://") || url.starts_with("file:///");
  const size_t host = url.find("://");
  if (!url.empty() && (!known || url.size() <= host + 3))
    reader.error(node.position,
                 fmt::format("'{}' is '{}', want a URL with https, http or file", key, base::printable(url)));
  else if (url.substr(0, url.find('/', std::min(host + 3, url.size()))).find('@') != std::string::npos)
    reader.error(node.position,
                 fmt::format("'{}' has a user or a password in it; credentials belong in the files of "
                             "--authfile, not in a spec",
                             key));
  else if (std::any_of(url.begin(), url.end(),
                       [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }))
    reader.error(node.position, fmt::format("'{}' holds a space or a control character", key));
  return url;
}

std::vector<std::string> read_words(Reader& reader, const YamlNode& node, const char* key,
                                    const char* example) {
  const YamlNode* list = node.find(key);
  if (list == nullptr) return {};
  std::vector<std::string> words = reader.texts(*list, fmt::format("'{}'", key), example);
  for (const std::string& word : words)
    if (word.empty() || word.starts_with('/') || word.find("..") != std::string::npos ||
        word.find_first_of(std::string_view(" \t\r\n\0?#%", 8)) != std::string::npos)
      reader.error(list->position, fmt::format("'{}' in '{}' is not a name", base::printable(word), key));
  return words;
}

Source read_source(Reader& reader, const YamlEntry& entry) {
  Source source;
  source.name = entry.key;
  source.position = entry.position;
  const YamlNode& node = entry.value;
  if (!reader.check_map(node, fmt::format("the source '{}'", base::printable(entry.key)), source_keys(),
                        source_example))
    return source;
  const YamlNode* deb = node.find("deb");
  const YamlNode* apk = node.find("apk");
  if ((deb != nullptr) == (apk != nullptr)) {
    if (node.find("rpm") == nullptr)
      reader.error(node.position,
                   fmt::format("a source has one of 'deb' and 'apk'; write {}", source_example),
                   "missing-key");
    return source;
  }
  source.kind = deb != nullptr ? Source::Kind::deb : Source::Kind::apk;
  source.url = read_url(reader, deb != nullptr ? *deb : *apk, deb != nullptr ? "deb" : "apk");
  const auto misplaced = [&](const char* key, const char* kind) {
    if (const YamlNode* there = node.find(key))
      reader.error(there->position, fmt::format("'{}' belongs to a source of kind '{}'", key, kind));
  };
  const auto required = [&](const char* key, const std::vector<std::string>& list, const char* example) {
    if (list.empty() && (node.find(key) == nullptr || node.find(key)->kind == YamlNode::Kind::sequence))
      reader.error(
          node.position,
          fmt::format("the source '{}' needs '{}'; write {}", base::printable(source.name), key, example),
          "missing-key");
  };
  if (source.kind == Source::Kind::deb) {
    misplaced("repositories", "apk");
    source.suites = read_words(reader, node, "suites", "suites: [trixie]");
    required("suites", source.suites, "suites: [trixie]");
    source.components = read_words(reader, node, "components", "components: [main]");
    if (source.components.empty()) source.components = {"main"};
    if (const YamlNode* check = node.find("check-valid-until"))
      source.check_valid_until = reader.boolean(*check, "'check-valid-until'").value_or(true);
  } else {
    for (const char* key : {"suites", "components", "check-valid-until"}) misplaced(key, "deb");
    source.components = read_words(reader, node, "repositories", "repositories: [main]");
  }
  if (const YamlNode* priority = node.find("priority"))
    if (const auto number = reader.number(*priority, "'priority'", 0, 1000))
      source.priority = static_cast<int>(*number);
  if (const YamlNode* keys = node.find("keys"))
    source.keys = reader.texts(*keys, "'keys'", "keys: [/usr/share/keyrings/debian-archive-keyring.gpg]");
  required("keys", source.keys,
           "keys: [FILE] with the public keys that its indexes are signed with; packages that nobody vouches "
           "for are not used");
  return source;
}

// `name`, `name=VERSION`, `name>=VERSION`, `name~VERSION`, `!name`.
void read_name(Reader& reader, const YamlNode& node, PackageEntry& entry) {
  const auto text = reader.text(node, "a package", "libc6, libc6=2.41-12 or { name: libc6, except: [docs] }");
  if (!text) return;
  entry.text = *text;
  std::string_view rest = *text;
  if (rest.starts_with('!')) {
    entry.absent = true;
    rest.remove_prefix(1);
  }
  const size_t at = std::min(rest.find_first_of("<>=~"), rest.size());
  const size_t end = std::min(rest.find_first_not_of("<>=~", at), rest.size());
  entry.name = base::trim(rest.substr(0, at));
  entry.op = rest.substr(at, end - at);
  entry.version = base::trim(rest.substr(end));
  if (entry.op == "==") entry.op = "=";
  static const std::set<std::string> operators = {"", "=", "<", "<=", ">", ">=", "~"};
  const auto bad = [](const std::string& part, std::string_view more) {
    return part.find_first_not_of(
               std::string("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_:")
                   .append(more)) != std::string::npos;
  };
  if (entry.name != "*" && (entry.name.empty() || bad(entry.name, "/")))
    reader.error(node.position,
                 fmt::format("'{}' is not the name of a package; write one such as libc6 or libc6=2.41-12",
                             base::printable(*text)));
  else if (!operators.contains(entry.op) || entry.op.empty() != entry.version.empty() ||
           bad(entry.version, "~"))
    reader.error(node.position,
                 fmt::format("'{}' is not a package with a version; write name=VERSION, name>=VERSION or "
                             "name~VERSION",
                             base::printable(*text)));
}

PackageEntry read_entry(Reader& reader, const YamlNode& node) {
  PackageEntry entry;
  entry.position = node.position;
  if (node.kind != YamlNode::Kind::mapping) {
    read_name(reader, node, entry);
    if (entry.name == "*")
      reader.error(node.position, "'*' stands for all packages; write { name: \"*\", except: [docs] }");
    return entry;
  }
  if (!reader.check_map(node, "an entry of 'packages'", package_keys(), "{ name: libc6, except: [docs] }"))
    return entry;
  if (const YamlNode* name = node.find("name"))
    read_name(reader, *name, entry);
  else
    reader.error(node.position, "an entry of 'packages' needs 'name'; write { name: libc6, except: [docs] }",
                 "missing-key");
  const auto globs = [&](const char* key) {
    const YamlNode* list = node.find(key);
    return list == nullptr ? std::vector<std::string>() : reader.ignore_list(*list, fmt::format("'{}'", key));
  };
  entry.only = globs("only");
  entry.except = globs("except");
  if (const YamlNode* omit = node.find("omit")) entry.omit = reader.boolean(*omit, "'omit'").value_or(false);
  if (const YamlNode* source = node.find("source"))
    entry.from = reader.text(*source, "'source'", "the name of one of 'sources'").value_or("");
  if (!entry.from.empty() && (entry.absent || entry.name == "*"))
    reader.error(node.position,
                 "'source' says where one package comes from; write { name: openssl, source: vendor }");
  if (entry.omit && (!entry.only.empty() || !entry.from.empty() || !entry.except.empty() || entry.absent ||
                     !entry.op.empty() || entry.name == "*"))
    reader.error(
        node.position,
        "a package that is omitted has a name and nothing else; write { name: debconf, omit: true }");
  return entry;
}

}  // namespace

std::vector<Source> read_sources(Reader& reader, const YamlNode& node) {
  std::vector<Source> sources;
  if (node.kind != YamlNode::Kind::mapping) {
    reader.error(node.position,
                 fmt::format("'sources' must be a map; write sources: {{ debian: {} }}", source_example),
                 "type");
    return sources;
  }
  for (const YamlEntry& entry : node.entries) sources.push_back(read_source(reader, entry));
  return sources;
}

std::vector<int> ranks_of(const std::vector<Source>& sources) {
  std::vector<int> priorities;
  for (const Source& source : sources)
    if (source.priority) priorities.push_back(*source.priority);
  std::sort(priorities.rbegin(), priorities.rend());
  priorities.erase(std::unique(priorities.begin(), priorities.end()), priorities.end());
  std::vector<int> ranks;
  auto last = static_cast<int>(priorities.size());
  for (const Source& source : sources) {
    const auto it = std::find(priorities.begin(), priorities.end(), source.priority);
    ranks.push_back(it == priorities.end() ? last++ : static_cast<int>(it - priorities.begin()));
  }
  return ranks;
}

std::vector<PackageEntry> read_packages(Reader& reader, const YamlNode& node) {
  std::vector<PackageEntry> packages;
  if (node.kind != YamlNode::Kind::sequence) {
    reader.error(node.position, "'packages' must be a list; write packages: [libc6, ca-certificates]",
                 "type");
    return packages;
  }
  std::map<std::string, int> lines;
  for (const YamlNode& item : node.items) {
    PackageEntry entry = read_entry(reader, item);
    if (!entry.name.empty()) {
      const auto [first, is_new] = lines.try_emplace(entry.name, entry.position.line);
      if (!is_new)
        reader.error(entry.position, fmt::format("the package '{}' is already listed on line {}",
                                                 base::printable(entry.name), first->second));
    }
    packages.push_back(std::move(entry));
  }
  return packages;
}

Trim read_trim(Reader& reader, const YamlNode& node) {
  Trim trim;
  trim.position = node.position;
  if (node.kind != YamlNode::Kind::mapping) {
    trim.on = reader.boolean(node, "'trim'").value_or(false);
    return trim;
  }
  if (!reader.check_map(node, "'trim'", {{"keep"}, {}}, "{ keep: [usr/share/zoneinfo/**] }")) return trim;
  trim.on = true;
  if (const YamlNode* keep = node.find("keep")) trim.keep = reader.ignore_list(*keep, "'keep'");
  return trim;
}

}  // namespace minibuild::spec
