// `base`, `copy`, `files` and `stages`.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "builder/spec/reader.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/file_tree.h"
#include "minibuild/tree/glob.h"

namespace minibuild::spec {

const Keys& copy_keys() {
  static const Keys keys = {{"from", "to", "stage", "image", "url", "sha256", "extract", "strip", "include",
                             "exclude", "mode", "dir-mode", "owner", "closure"},
                            {}};
  return keys;
}

const Keys& file_keys() {
  static const Keys keys = {{"file", "content", "directory", "symlink", "target", "mode", "owner"}, {}};
  return keys;
}

const Keys& stage_keys() {
  static const Keys keys = {{"base", "packages", "copy", "files", "env", "workdir", "secrets", "caches",
                             "network", "limits", "run"},
                            {}};
  return keys;
}

namespace {

void read_from(Reader& reader, const YamlNode& node, bool in_root, Copy& copy) {
  const std::optional<std::string> from = reader.text(node, "'from'", "a path such as src");
  if (!from) return;
  copy.from = *from;

  if (from->empty())
    return reader.error(node.position, "'from' is empty; write '.' for everything beside the spec");
  if (from->find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos)
    return reader.error(node.position,
                        fmt::format("'from' holds a control character: '{}'", base::printable(*from)));
  if (const std::string why = tree::glob_error(*from); !why.empty())
    return reader.error(
        node.position,
        fmt::format("'from' is the malformed pattern '{}': {}; a '\\' before it makes a character "
                    "mean itself",
                    *from, why));
  if (in_root) return;
  if (from->starts_with('/'))
    return reader.error(node.position, fmt::format("'from' must be a path beside the spec, got '{}'; files "
                                                   "from elsewhere on this machine are not copied",
                                                   *from));
  int depth = 0;
  for (const std::string& part : base::split(*from, '/')) {
    if (part == "..")
      --depth;
    else if (!part.empty() && part != ".")
      ++depth;
    if (depth < 0)
      return reader.error(node.position,
                          fmt::format("'from' leads out of the spec's directory: '{}'", *from));
  }
}

// `%20` as a space; what is no such escape stays.
std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    return digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) != std::string::npos &&
                        digit(text[i + 2]) != std::string::npos;
    out += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

// The last part of the URL's path; empty if there is none.
std::string end_of_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t path = url.find('/', url.find("://") + 3);
  return path == std::string_view::npos ? "" : std::string(url.substr(url.rfind('/') + 1));
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && std::none_of(name.begin(), name.end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

// A file of a server has the name that the URL's end stands for: `a%20b` is `a b`.
void name_download(Reader& reader, const YamlNode& url, Copy& copy) {
  const std::string end = end_of_url(copy.download->url);
  const std::string name = percent_decoded(end);
  if (copy.download->url.empty()) return;  // told already
  if (!is_file_name(end))
    return reader.error(url.position, "'url' names no file: it ends with '/', or has no path");
  if (!is_file_name(name) && copy.to.ends_with('/'))
    return reader.error(url.position,
                        fmt::format("'url' ends with '{}', which stands for a name that no file can have; "
                                    "write the file's name at the end of 'to'",
                                    end));
  copy.from = "/" + (is_file_name(name) ? name : end);
}

Download read_download(Reader& reader, const YamlNode& node) {
  Download download;
  const YamlNode& url = *node.find("url");
  download.url = reader.text(url, "'url'", "https://example.com/tool.tar.gz").value_or("");
  const std::string_view rest =
      std::string_view(download.url).substr(std::min(download.url.find("://"), download.url.size()));
  const std::string_view authority = rest.substr(0, rest.find('/', 3));
  const bool http = download.url.starts_with("https://") || download.url.starts_with("http://");
  if (!download.url.empty() && (!http || authority.size() <= 3))
    reader.error(url.position,
                 fmt::format("'url' is '{}', want a URL with https or http", base::printable(download.url)));
  else if (authority.find('@') != std::string_view::npos)
    reader.error(url.position,
                 "'url' has a user or a password in it; credentials belong in the files of "
                 "--authfile, not in a spec");
  else if (std::any_of(download.url.begin(), download.url.end(),
                       [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }))
    reader.error(url.position, "'url' holds a space or a control character; write %20 for a space");
  if (const YamlNode* hash = node.find("sha256")) {
    std::string text = reader.text(*hash, "'sha256'", "64 hexadecimal digits").value_or("");
    if (!text.starts_with("sha256:")) text.insert(0, "sha256:");
    try {
      download.digest = oci::parse_digest(text, "'sha256'");
    } catch (const base::Error&) {
      reader.error(hash->position,
                   "'sha256' must be 64 hexadecimal digits in lower case, as sha256sum prints");
    }
  }
  if (const YamlNode* extract = node.find("extract"))
    download.extract = reader.boolean(*extract, "'extract'").value_or(false);
  if (const YamlNode* strip = node.find("strip")) {
    download.strip = static_cast<uint32_t>(reader.number(*strip, "'strip'", 0, 100).value_or(0));
    if (!download.extract)
      reader.error(strip->position, "'strip' takes parts off the names in an archive; add 'extract: true'");
  }
  return download;
}

// The one place that an entry copies from, besides files beside the spec.
void read_source(Reader& reader, const YamlNode& node, Copy& copy) {
  std::vector<std::string> sources;
  for (const char* key : {"stage", "image", "url"})
    if (node.find(key) != nullptr) sources.push_back(fmt::format("'{}'", key));
  if (sources.size() > 1)
    reader.error(node.position,
                 fmt::format("an entry of 'copy' has one source, not {}", base::join(sources, " and ")));
  if (const YamlNode* stage = node.find("stage")) copy.stage = reader.text(*stage, "'stage'").value_or("");
  if (const YamlNode* image = node.find("image")) {
    if (const auto text = reader.text(*image, "'image'", "oci:DIR:TAG")) {
      try {
        copy.image = parse_image_location(*text);
      } catch (const base::Error& error) {
        reader.error(image->position, error.what());
      }
    }
  }
  if (node.find("url") != nullptr) {
    copy.download = read_download(reader, node);
    return;
  }
  for (const char* key : {"sha256", "extract", "strip"})
    if (const YamlNode* value = node.find(key))
      reader.error(value->position, fmt::format("'{}' is for an entry with 'url'", key));
}

// `true`, or `{search: [directories]}`.
void read_closure(Reader& reader, const YamlNode& node, Copy& copy) {
  if (node.kind != YamlNode::Kind::mapping) {
    copy.closure = reader.boolean(node, "'closure'").value_or(false);
    return;
  }
  static const Keys keys = {{"search"}, {}};
  copy.closure = true;
  if (!reader.check_map(node, "'closure'", keys, "{ search: [/opt/jre/lib/server] }")) return;
  if (const YamlNode* search = node.find("search"))
    copy.closure_search = reader.absolute_paths(*search, "'search'");
}

Copy read_copy(Reader& reader, const YamlNode& node) {
  Copy copy;
  copy.position = node.position;
  if (!reader.check_map(node, "an entry of 'copy'", copy_keys(), "{ from: src, to: /src }")) return copy;
  read_source(reader, node, copy);
  const YamlNode* from = node.find("from");
  if (from != nullptr && copy.download && !copy.download->extract)
    reader.error(from->position, "'from' names what is taken out of an archive; add 'extract: true'");
  else if (from != nullptr)
    read_from(reader, *from, copy.stage || copy.download || node.find("image") != nullptr, copy);
  else if (copy.download)
    copy.from = "/";
  else
    reader.error(node.position, "an entry of 'copy' needs 'from'; write { from: src, to: /src }",
                 "missing-key");
  if (const YamlNode* to = node.find("to"))
    copy.to = reader.absolute_path(*to, "'to'").value_or("");
  else
    reader.error(node.position, "an entry of 'copy' needs 'to'; write { from: src, to: /src }",
                 "missing-key");
  if (copy.download && !copy.download->extract) name_download(reader, *node.find("url"), copy);
  if (const YamlNode* include = node.find("include"))
    copy.include = reader.ignore_list(*include, "'include'");
  if (const YamlNode* exclude = node.find("exclude"))
    copy.exclude = reader.ignore_list(*exclude, "'exclude'");
  if (const YamlNode* mode = node.find("mode")) copy.mode = reader.mode(*mode, "'mode'");
  if (const YamlNode* mode = node.find("dir-mode")) copy.directory_mode = reader.mode(*mode, "'dir-mode'");
  if (const YamlNode* owner = node.find("owner")) copy.owner = reader.user(*owner, "'owner'").value_or("");
  if (const YamlNode* closure = node.find("closure")) read_closure(reader, *closure, copy);
  if (copy.closure && !node.find("stage") && !node.find("image"))
    reader.error(node.find("closure")->position,
                 "'closure' needs a root to find the libraries in: 'stage' or 'image'");
  return copy;
}

FileEntry read_file(Reader& reader, const YamlNode& node) {
  FileEntry entry;
  entry.position = node.position;
  if (!reader.check_map(node, "an entry of 'files'", file_keys(),
                        "{ file: /etc/hello.conf, content: \"text\" }"))
    return entry;
  const YamlNode* file = node.find("file");
  const YamlNode* directory = node.find("directory");
  const YamlNode* symlink = node.find("symlink");
  const int kinds = (file != nullptr ? 1 : 0) + (directory != nullptr ? 1 : 0) + (symlink != nullptr ? 1 : 0);
  if (kinds != 1) {
    reader.error(node.position, "an entry of 'files' has exactly one of 'file', 'directory' and 'symlink'",
                 "missing-key");
    return entry;
  }
  const YamlNode& path = file != nullptr ? *file : directory != nullptr ? *directory : *symlink;
  entry.kind = file != nullptr        ? FileEntry::Kind::file
               : directory != nullptr ? FileEntry::Kind::directory
                                      : FileEntry::Kind::symlink;
  entry.position = path.position;
  entry.path = reader
                   .absolute_path(path, file != nullptr        ? "'file'"
                                        : directory != nullptr ? "'directory'"
                                                               : "'symlink'")
                   .value_or("");
  if (const YamlNode* content = node.find("content")) {
    if (file == nullptr) reader.error(content->position, "'content' belongs to 'file'");
    // An empty file is written with an empty string.
    entry.content = reader.text(*content, "'content'", "content: \"\" for an empty file").value_or("");
  } else if (file != nullptr) {
    reader.error(node.position, "'file' needs 'content'; write content: \"\" for an empty file",
                 "missing-key");
  }
  if (const YamlNode* target = node.find("target")) {
    if (symlink == nullptr) reader.error(target->position, "'target' belongs to 'symlink'");
    entry.target = reader.text(*target, "'target'").value_or("");
    const bool bad = entry.target.empty() || entry.target.size() > 4095 ||
                     entry.target.find_first_of(std::string_view("\0\n", 2)) != std::string::npos;
    if (symlink != nullptr && !target->is_null() && bad && target->kind == YamlNode::Kind::scalar)
      reader.error(target->position, "'target' is not a path");
  } else if (symlink != nullptr) {
    reader.error(node.position, "'symlink' needs 'target'; write { symlink: /bin/sh, target: busybox }",
                 "missing-key");
  }
  if (const YamlNode* mode = node.find("mode")) {
    entry.mode = reader.mode(*mode, "'mode'");
    if (symlink != nullptr) reader.error(mode->position, "a symbolic link has no mode");
  }
  if (const YamlNode* owner = node.find("owner")) entry.owner = reader.user(*owner, "'owner'").value_or("");
  return entry;
}

}  // namespace

std::vector<Copy> read_copies(Reader& reader, const YamlNode& node) {
  std::vector<Copy> copies;
  if (node.kind != YamlNode::Kind::sequence) {
    reader.error(node.position, "'copy' must be a list; write - { from: src, to: /src }", "type");
    return copies;
  }
  for (const YamlNode& item : node.items) copies.push_back(read_copy(reader, item));
  return copies;
}

std::vector<FileEntry> read_files(Reader& reader, const YamlNode& node) {
  std::vector<FileEntry> files;
  if (node.kind != YamlNode::Kind::sequence) {
    reader.error(node.position,
                 "'files' must be a list; write - { file: /etc/hello.conf, content: \"text\" }", "type");
    return files;
  }
  std::map<std::string, int> lines;
  for (const YamlNode& item : node.items) {
    FileEntry entry = read_file(reader, item);
    const std::string path = tree::normalise(entry.path);
    if (!entry.path.empty() && path.empty())
      reader.error(entry.position, "the root itself cannot be written");
    if (!path.empty()) {
      const auto [first, is_new] = lines.try_emplace(path, entry.position.line);
      if (!is_new)
        reader.error(entry.position, fmt::format("'/{}' is already written on line {}", path, first->second),
                     "duplicate-file");
    }
    files.push_back(std::move(entry));
  }
  return files;
}

namespace {

// `distroless/cc`, `distroless/cc:debug`: specs that come with minibuild.
bool is_shipped(Reader& reader, const YamlNode& node, const std::string& text, Base& base) {
  const std::vector<std::string> names = shipped_specs();
  const std::string family = text.substr(0, text.find('/') + 1);
  if (family.empty() || std::none_of(names.begin(), names.end(),
                                     [&](const std::string& name) { return name.starts_with(family); }))
    return false;
  std::string name = text;
  if (const size_t colon = name.find(':'); colon != std::string::npos) name[colon] = '-';
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    base.what = BaseSpec{"minibuild:" + name + ".yaml"};
    return true;
  }
  std::vector<std::string> family_names;
  for (const std::string& one : names)
    if (one.starts_with(family)) family_names.push_back(one);
  const std::string close = base::nearest(name, family_names);
  reader.error(node.position, fmt::format("no base '{}' comes with minibuild; {}", base::printable(text),
                                          close.empty() ? "there are: " + base::join(family_names, ", ")
                                                        : fmt::format("did you mean '{}'?", close)));
  return true;
}

void read_base_text(Reader& reader, const YamlNode& node, const std::string& text, bool in_stage,
                    Base& base) {
  if (text == "scratch") return;
  if (text == "host") {
    if (!in_stage)
      reader.error(node.position,
                   "'host' can only be the base of a stage; the final image takes from a stage with 'copy'");
    base.what = BaseHost{};
    return;
  }
  if (text.starts_with("oci:") || text.starts_with("oci-archive:") || text.starts_with("docker-archive:") ||
      text.starts_with("tar:") || text.starts_with("dir:") || text.starts_with("docker://")) {
    try {
      base.what = BaseImage{parse_image_location(text), {}, {}};
    } catch (const base::Error& error) {
      reader.error(node.position, error.what());
    }
    return;
  }
  if (text.ends_with(".yaml") || text.ends_with(".yml")) {
    base.what = BaseSpec{text};
    return;
  }
  if (is_shipped(reader, node, text, base)) return;
  const size_t slash = text.find('/');
  const std::string_view first = std::string_view(text).substr(0, slash);
  const bool has_host = slash != std::string::npos &&
                        (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  if (has_host) {
    try {
      base.what = BaseImage{parse_image_location("docker://" + text), {}, {}};
    } catch (const base::Error& error) {
      reader.error(node.position, error.what());
    }
    return;
  }
  const std::string close = base::nearest(text, {"scratch", "host"});
  if (!close.empty())
    return reader.error(node.position,
                        fmt::format("unknown base '{}'; did you mean '{}'?", base::printable(text), close));
  reader.error(
      node.position,
      fmt::format("the base '{}' has no host; short names are not used: write 'docker.io/{}{}', "
                  "'oci:DIR:TAG', './other.yaml' or 'scratch'",
                  base::printable(text), slash == std::string::npos ? "library/" : "", base::printable(text)),
      "short-name");
}

constexpr std::string_view verified_base =
    "{ image: \"registry.example.com/base:1\", verify: { key: base.pub } }";

void read_verify(Reader& reader, const YamlNode& node, Base& base) {
  auto* image = std::get_if<BaseImage>(&base.what);
  if (image == nullptr)
    return reader.error(node.position,
                        "'verify' is for the image of a registry or a layout; others are not signed");
  if (!reader.check_map(node, "'verify'", {{"key", "identity"}, {}}, "{ key: base.pub }")) return;
  const YamlNode* key = node.find("key");
  if (key == nullptr)
    return reader.error(node.position,
                        "'verify' needs 'key', a file with a public key; write { key: base.pub }",
                        "missing-key");
  if (key->kind == YamlNode::Kind::sequence)
    image->verify_keys = reader.texts(*key, "'key'", "[base.pub]");
  else if (const auto text = reader.text(*key, "'key'", "base.pub"))
    image->verify_keys = {*text};
  if (image->verify_keys.empty() || image->verify_keys.front().empty())
    reader.error(key->position, "'key' names no file");
  if (const YamlNode* identity = node.find("identity"); identity != nullptr) {
    image->verify_identity =
        reader.text(*identity, "'identity'", "registry.example.com/team/base").value_or("");
    try {
      const oci::Reference named = oci::parse_reference(image->verify_identity);
      if (!named.host.empty() && !named.digest) return;
    } catch (const base::Error&) {
      // told below
    }
    reader.error(
        identity->position,
        fmt::format("'identity' is '{}', want what the signature calls the image: HOST/REPOSITORY or "
                    "HOST/REPOSITORY:TAG",
                    base::printable(image->verify_identity)));
  }
}

// `{ stage: NAME }`, or `{ image: REFERENCE, verify: { key: FILE } }`.
void read_base_map(Reader& reader, const YamlNode& node, bool in_stage, Base& base) {
  if (!reader.check_map(node, "'base'", {{"stage", "image", "verify"}, {}}, "{ stage: build }")) return;
  const YamlNode* stage = node.find("stage");
  const YamlNode* image = node.find("image");
  if ((stage == nullptr) == (image == nullptr))
    return reader.error(
        node.position,
        fmt::format("'base' as a map names a stage or an image; write {{ stage: build }} or {}",
                    verified_base),
        "missing-key");
  if (stage != nullptr) base.what = BaseStage{reader.text(*stage, "'stage'").value_or("")};
  if (image != nullptr)
    if (const auto text = reader.text(*image, "'image'", verified_base))
      read_base_text(reader, *image, *text, in_stage, base);
  if (const YamlNode* verify = node.find("verify")) read_verify(reader, *verify, base);
}

}  // namespace

Base read_base(Reader& reader, const YamlNode& node, bool in_stage) {
  Base base;
  base.position = node.position;
  if (node.kind == YamlNode::Kind::mapping) {
    read_base_map(reader, node, in_stage, base);
    return base;
  }
  if (const std::optional<std::string> text =
          reader.text(node, "'base'", "scratch, oci:DIR:TAG, ./other.yaml or { stage: NAME }"))
    read_base_text(reader, node, *text, in_stage, base);
  return base;
}

namespace {

void read_secrets(Reader& reader, const YamlNode& node, Stage& stage) {
  static const Keys keys = {{"id", "env", "file"}, {}};
  if (node.kind != YamlNode::Kind::sequence)
    return reader.error(node.position, "'secrets' must be a list; write - { id: token, env: TOKEN }", "type");
  std::set<std::string> targets;
  for (const YamlNode& item : node.items) {
    if (!reader.check_map(item, "an entry of 'secrets'", keys, "{ id: token, env: TOKEN }")) continue;
    Secret secret;
    secret.position = item.position;
    if (const YamlNode* id = item.find("id")) {
      secret.id = reader.text(*id, "'id'").value_or("");
      if (secret.id.empty() ||
          secret.id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
              std::string::npos)
        reader.error(id->position,
                     fmt::format("'{}' is not the id of a secret: letters, digits, '_', '.' and '-'",
                                 base::printable(secret.id)));
    } else {
      reader.error(item.position, "a secret needs 'id'; write { id: token, env: TOKEN }", "missing-key");
    }
    const YamlNode* env = item.find("env");
    const YamlNode* file = item.find("file");
    if ((env == nullptr) == (file == nullptr))
      reader.error(item.position, "a secret has exactly one of 'env' and 'file'", "missing-key");
    if (env != nullptr) secret.env = reader.text(*env, "'env'").value_or("");
    if (env != nullptr &&
        (secret.env.empty() || secret.env.find_first_of(std::string_view("=\0", 2)) != std::string::npos))
      reader.error(env->position, "'env' is not the name of a variable");
    if (file != nullptr) secret.file = reader.absolute_path(*file, "'file'").value_or("");
    if (!targets.insert(secret.env + "\n" + secret.file).second)
      reader.error(item.position, "two secrets have the same place");
    stage.secrets.push_back(std::move(secret));
  }
}

void read_run(Reader& reader, const YamlNode& node, Stage& stage) {
  const auto script = [](const std::string& text) { return Step{{"/bin/sh", "-eu", "-c", text}, text}; };
  if (node.kind == YamlNode::Kind::scalar) {
    if (const auto text = reader.command_text(node, "'run'")) stage.run.push_back(script(*text));
    return;
  }
  if (node.kind != YamlNode::Kind::sequence)
    return reader.error(node.position, "'run' must be a script or a list of commands; write run: [make]",
                        "type");
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::mapping) {
      reader.error(item.position,
                   "a command is a string or a list, got a map; put it in quotes if it holds ': '", "type");
      continue;
    }
    if (item.kind == YamlNode::Kind::scalar) {
      if (const auto text = reader.command_text(item, "a command of 'run'"))
        stage.run.push_back(script(*text));
      continue;
    }
    Step step;
    for (const YamlNode& word : item.items) {
      const auto text = reader.command_text(word, "an argument of a command");
      if (!text) continue;
      step.argv.push_back(*text);
      step.text += (step.text.empty() ? "" : " ") + base::shell_quote(*text);
    }
    if (step.argv.empty() || step.argv.front().empty())
      reader.error(item.position, "a command is empty");
    else
      stage.run.push_back(std::move(step));
  }
}

// `90s`, `30m`, `2h`.
std::optional<uint64_t> parse_time(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto unit = std::string_view("smh").find(text.back());
  const auto count = base::parse_number(text.substr(0, text.size() - 1), 1000000);
  if (!count || *count == 0 || unit == std::string_view::npos) return std::nullopt;
  constexpr uint64_t seconds[] = {1, 60, 3600};
  return *count * seconds[unit];
}

void read_limits(Reader& reader, const YamlNode& node, Limits& limits) {
  static const Keys keys = {{"memory", "processes", "disk", "time"}, {}};
  if (!reader.check_map(node, "'limits'", keys,
                        "limits: { memory: 4GB, processes: 500, disk: 20GB, time: 30m }"))
    return;
  const auto wrong = [&](const YamlNode& value, std::string_view key, const std::string& text,
                         std::string_view want) {
    reader.error(value.position,
                 fmt::format("'{}' is '{}', want {}", key, base::printable(text.substr(0, 60)), want));
  };
  const auto size = [&](std::string_view key, uint64_t least, uint64_t& out) {
    const YamlNode* value = node.find(key);
    const auto text = value != nullptr ? reader.text(*value, fmt::format("'{}'", key), "4GB") : std::nullopt;
    if (!text) return;
    const auto bytes = base::parse_size(*text);
    if (!bytes || *bytes < least)
      wrong(*value, key, *text,
            fmt::format("a size of at least {}, such as 4GB or 1.5GiB", base::human_size(least)));
    else
      out = *bytes;
  };
  size("memory", 16000000, limits.memory);
  size("disk", 1000000, limits.disk);
  if (const YamlNode* value = node.find("processes"))
    limits.processes = reader.number(*value, "'processes'", 8, 4000000).value_or(0);
  if (const YamlNode* value = node.find("time")) {
    const auto text = reader.text(*value, "'time'", "30m");
    const auto seconds = text ? parse_time(*text) : std::nullopt;
    if (text && !seconds) wrong(*value, "time", *text, "a time such as 90s, 30m or 2h");
    limits.time = seconds.value_or(0);
  }
}

Stage read_stage(Reader& reader, const YamlEntry& entry) {
  Stage stage;
  stage.name = entry.key;
  stage.position = entry.position;
  const YamlNode& node = entry.value;
  if (entry.key.empty() || entry.key.size() > 64 ||
      entry.key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
          std::string::npos)
    reader.error(entry.position,
                 fmt::format("'{}' is not the name of a stage: letters, digits, '_', '.' and '-'",
                             base::printable(entry.key.substr(0, 80))));
  if (!reader.check_map(node, fmt::format("the stage '{}'", base::printable(entry.key)), stage_keys(),
                        "{ base: host, run: [make] }"))
    return stage;
  if (const YamlNode* base = node.find("base"))
    stage.base = read_base(reader, *base, true);
  else
    reader.error(
        entry.position,
        fmt::format("the stage '{}' needs 'base'; write base: host for this machine's tools", stage.name),
        "missing-key");
  if (const YamlNode* packages = node.find("packages")) stage.packages = read_packages(reader, *packages);
  if (!stage.packages.empty() && std::holds_alternative<BaseHost>(stage.base.what))
    reader.error(stage.packages.front().position,
                 "packages cannot be added to the host's tools; write base: scratch, or another base");
  if (const YamlNode* copy = node.find("copy")) stage.copy = read_copies(reader, *copy);
  if (const YamlNode* files = node.find("files")) stage.files = read_files(reader, *files);
  if (const YamlNode* env = node.find("env")) stage.env = reader.environment(*env);
  if (const YamlNode* workdir = node.find("workdir"))
    stage.workdir = reader.absolute_path(*workdir, "'workdir'").value_or("/");
  if (const YamlNode* secrets = node.find("secrets")) read_secrets(reader, *secrets, stage);
  if (const YamlNode* caches = node.find("caches")) stage.caches = reader.absolute_paths(*caches, "'caches'");
  if (const YamlNode* network = node.find("network")) {
    const auto value = reader.text(*network, "'network'", "none or full");
    if (value && *value != "none" && *value != "full")
      reader.error(network->position,
                   fmt::format("'network' is '{}', want 'none' or 'full'", base::printable(*value)));
    stage.network = value && *value == "full";
  }
  if (const YamlNode* limits = node.find("limits")) read_limits(reader, *limits, stage.limits);
  if (const YamlNode* run = node.find("run")) read_run(reader, *run, stage);
  return stage;
}

}  // namespace

std::vector<Stage> read_stages(Reader& reader, const YamlNode& node) {
  std::vector<Stage> stages;
  if (node.kind != YamlNode::Kind::mapping) {
    reader.error(node.position,
                 "'stages' must be a map of names; write stages: { build: { base: host, run: [make] } }",
                 "type");
    return stages;
  }
  for (const YamlEntry& entry : node.entries) stages.push_back(read_stage(reader, entry));
  return stages;
}

}  // namespace minibuild::spec
