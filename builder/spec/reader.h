// Reading typed values out of YAML, with a diagnostic for each one that is wrong.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/spec/interpolate.h"
#include "builder/spec/yaml.h"
#include "minibuild/spec/spec.h"

namespace minibuild::spec {

/// The keys of a map: those that are understood, and those that a later version will.
struct Keys {
  std::vector<std::string> known;
  std::vector<std::string> later;
};

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void error(Position position, std::string message, std::string rule = "value");
  void warning(Position position, std::string message, std::string rule);

  /// Reports unknown keys with a suggestion, and keys that are not supported yet. False if it is no map.
  bool check_map(const YamlNode& node, std::string_view what, const Keys& keys, std::string_view example);

  /// A scalar's text with its variables put in; nothing, and a diagnostic, for lists, maps and null.
  std::optional<std::string> text(const YamlNode& node, std::string_view what, std::string_view example = {});
  std::optional<std::string> text_keeping_env(const YamlNode& node, std::string_view what);
  std::optional<std::string> command_text(const YamlNode& node, std::string_view what);
  std::optional<bool> boolean(const YamlNode& node, std::string_view what);
  std::optional<uint64_t> number(const YamlNode& node, std::string_view what, uint64_t min, uint64_t max);
  /// Permission bits in octal, written with a leading 0 or in quotes.
  std::optional<uint32_t> mode(const YamlNode& node, std::string_view what);
  /// A path from the root of an image, without control characters.
  std::optional<std::string> absolute_path(const YamlNode& node, std::string_view what);
  std::vector<std::string> texts(const YamlNode& node, std::string_view what, std::string_view example);
  std::vector<std::string> globs(const YamlNode& node, std::string_view what);
  // Patterns of a tree::IgnoreList.
  std::vector<std::string> ignore_list(const YamlNode& node, std::string_view what);
  std::vector<std::string> absolute_paths(const YamlNode& node, std::string_view what);
  /// `name`, `uid`, `name:group` or `uid:gid`.
  std::optional<std::string> user(const YamlNode& node, std::string_view what);
  Environment environment(const YamlNode& node);
  std::map<std::string, std::string> text_map(const YamlNode& node, std::string_view what);

  /// Before this is called no variable is defined.
  void set_variables(Variables variables) { variables_ = std::move(variables); }

 private:
  std::optional<std::string> scalar(const YamlNode& node, std::string_view what, std::string_view example);
  // False if there were errors; that the spec grows too much is told once.
  bool report(const YamlNode& node, std::string_view raw, const std::vector<InterpolationError>& errors);
  Variables variables_;
  size_t growth_left_ = max_grown;
  bool told_growth_ = false;
  Diagnostics& diagnostics_;
};

/// `'x', 'y' or 'z'`.
std::string one_of(const std::vector<std::string>& words);

// The parts of a spec that stages and the final image have alike.
std::vector<Copy> read_copies(Reader& reader, const YamlNode& node);
std::vector<FileEntry> read_files(Reader& reader, const YamlNode& node);
Base read_base(Reader& reader, const YamlNode& node, bool in_stage);
std::vector<Source> read_sources(Reader& reader, const YamlNode& node);
std::vector<PackageEntry> read_packages(Reader& reader, const YamlNode& node);
Trim read_trim(Reader& reader, const YamlNode& node);
std::vector<Stage> read_stages(Reader& reader, const YamlNode& node);
Policy read_policy(Reader& reader, const YamlNode& node);
Attest read_attest(Reader& reader, const YamlNode& node);

const Keys& image_keys();
const Keys& stage_keys();
const Keys& copy_keys();
const Keys& file_keys();
const Keys& source_keys();
const Keys& package_keys();
const Keys& policy_keys();

}  // namespace minibuild::spec
