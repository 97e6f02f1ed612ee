// `minibuild inspect`: config, layers, packages, files.
#include <fmt/format.h>

#include <algorithm>

#include "builder/cli/commands.h"
#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/build/compare.h"
#include "minibuild/spec/spec.h"
#include "minibuild/store/image.h"

namespace minibuild::cli {

using base::Code;

namespace {

oci::Json packages_of(const tree::FileTree& tree) {
  oci::Json packages = oci::Json::array();
  for (const build::Package& package : build::packages_of(tree))
    packages.push_back({{"name", package.name}, {"version", package.version}, {"source", package.source}});
  return packages;
}

char letter(tree::NodeType type) {
  switch (type) {
    case tree::NodeType::directory:
      return 'd';
    case tree::NodeType::file:
      return '-';
    case tree::NodeType::symlink:
      return 'l';
    case tree::NodeType::character_device:
      return 'c';
    case tree::NodeType::block_device:
      return 'b';
    case tree::NodeType::fifo:
      return 'p';
  }
  return '?';
}

std::string mode_text(const tree::Node& node) {
  std::string text(1, letter(node.type));
  static constexpr std::string_view bits = "rwxrwxrwx";
  for (size_t i = 0; i < 9; ++i) text.push_back((node.mode >> (8 - i) & 1U) != 0 ? bits[i] : '-');
  const auto special = [&](uint32_t bit, size_t at, char with, char without) {
    if ((node.mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

oci::Json files_of(const tree::FileTree& tree) {
  oci::Json files = oci::Json::array();
  for (const auto& [path, node] : tree.nodes()) {
    oci::Json file;
    file["path"] = "/" + (base::is_utf8(path) ? path : base::printable(path));
    file["type"] = std::string(1, letter(node.type));
    file["mode"] = fmt::format("{:04o}", node.mode);
    file["uid"] = node.uid;
    file["gid"] = node.gid;
    if (node.type == tree::NodeType::file) file["size"] = node.content.size;
    if (node.type == tree::NodeType::symlink)
      file["target"] = base::is_utf8(node.target) ? node.target : base::printable(node.target);
    files.push_back(file);
  }
  return files;
}

oci::Json json_of(const store::Image& image, const tree::FileTree& tree) {
  oci::Json json;
  json["digest"] = oci::to_string(image.descriptor.digest);
  json["mediaType"] = image.manifest.media_type;
  json["platform"] = oci::to_string(image.config.platform);
  json["config"] = oci::json_of(image.config);
  json["layers"] = oci::Json::array();
  uint64_t size = 0;
  for (const store::ImageLayer& layer : image.layers) {
    json["layers"].push_back({{"digest", oci::to_string(layer.descriptor.digest)},
                              {"diffId", oci::to_string(layer.diff_id)},
                              {"mediaType", layer.descriptor.media_type},
                              {"size", layer.descriptor.size}});
    size += layer.descriptor.size;
  }
  json["size"] = size;
  if (!image.manifest.annotations.empty()) json["annotations"] = image.manifest.annotations;
  json["packages"] = packages_of(tree);
  json["files"] = files_of(tree);
  return json;
}

std::string quoted(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words) parts.push_back(base::shell_quote(base::printable(word)));
  return base::join(parts, " ");
}

std::string text_of(const store::Image& image, const tree::FileTree& tree, bool files) {
  const oci::ImageConfig& config = image.config;
  std::string text = fmt::format("digest      {}\nplatform    {}\n", oci::to_string(image.descriptor.digest),
                                 oci::to_string(config.platform));
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<12}{}\n", name, base::printable(value));
  };
  line("created", config.created);
  line("user", config.user.empty() ? "0:0 (root)" : config.user);
  line("entrypoint", quoted(config.entrypoint));
  line("cmd", quoted(config.cmd));
  line("workdir", config.working_dir);
  line("ports", base::join(config.exposed_ports, " "));
  line("volumes", base::join(config.volumes, " "));
  line("stop", config.stop_signal);
  for (const auto& [name, value] : config.env) line("env", name + "=" + value);
  for (const auto& [name, value] : config.labels) line("label", name + "=" + value);
  for (const auto& [name, value] : image.manifest.annotations) line("annotation", name + "=" + value);
  uint64_t size = 0;
  for (const store::ImageLayer& layer : image.layers) {
    text += fmt::format("layer       {}  {:>9}  {}\n", oci::to_string(layer.descriptor.digest),
                        base::human_size(layer.descriptor.size), layer.descriptor.media_type);
    size += layer.descriptor.size;
  }
  uint64_t bytes = 0;
  uint64_t count = 0;
  for (const auto& [path, node] : tree.nodes()) {
    if (node.type == tree::NodeType::file) bytes += node.content.size;
    ++count;
  }
  text +=
      fmt::format("size        {} in {} layer{}, {} in {} files and directories\n", base::human_size(size),
                  image.layers.size(), image.layers.size() == 1 ? "" : "s", base::human_size(bytes), count);
  const oci::Json packages = packages_of(tree);
  if (!packages.empty()) text += fmt::format("packages    {}\n", packages.size());
  if (!files) return text;
  for (const auto& [path, node] : tree.nodes()) {
    text += fmt::format("{} {:>5}:{:<5} {:>12} /{}", mode_text(node), node.uid, node.gid,
                        node.type == tree::NodeType::file ? std::to_string(node.content.size) : "-",
                        base::printable(path));
    if (node.type == tree::NodeType::symlink) text += " -> " + base::printable(node.target);
    text += "\n";
  }
  return text;
}

}  // namespace

oci::ImageLocation find_image(const std::string& text) {
  for (const char* prefix : {"oci:", "oci-archive:", "docker-archive:", "docker:"})
    if (text.starts_with(prefix)) return spec::parse_image_location(text);
  if (base::is_directory(text)) return {oci::Transport::oci_layout, text, ""};
  if (!base::exists(text)) {
    if (text.find('/') != std::string::npos || text.find(':') != std::string::npos)
      return spec::parse_image_location(text);
    throw base::Error(Code::failed, fmt::format("there is no image '{}'", text));
  }
  const base::Fd fd = base::open_file(text);
  base::FdSource source(fd.get(), text);
  const std::unique_ptr<base::Source> plain = archive::decompress_any(source, text);
  archive::TarReader reader(*plain, text);
  archive::TarEntry entry;
  while (reader.next(entry))
    if (entry.path == "oci-layout") return {oci::Transport::oci_archive, text, ""};
  return {oci::Transport::docker_archive, text, ""};
}

int inspect(const InspectArguments& arguments) {
  const std::optional<oci::Platform> platform = one_platform(arguments.platform);
  store::Cache cache(cache_directory(arguments.cache_dir));
  const oci::ImageLocation location = find_image(arguments.image);
  const store::ImageSet set =
      build::read_image(location, platform, cache, make_registries(arguments.registry, {}));
  oci::Json all = oci::Json::array();
  std::string text;
  for (const store::Image& image : set.images) {
    const tree::FileTree tree = store::image_tree(image, cache, oci::to_string(location));
    if (arguments.json)
      all.push_back(json_of(image, tree));
    else
      text += (text.empty() ? "" : "\n") + text_of(image, tree, arguments.files);
  }
  cache.save();
  if (arguments.json) {
    oci::Json out = all.size() == 1 ? all[0] : oci::Json::object();
    if (set.index) {
      if (all.size() != 1) out["images"] = all;
      out["index"] = oci::to_string(set.index->digest);
    }
    text = out.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
  }
  print_result(text);
  return 0;
}

}  // namespace minibuild::cli
