// YAML as values with positions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "minibuild/spec/diagnostic.h"

namespace minibuild::spec {

struct YamlEntry;

struct YamlNode {
  enum class Kind { scalar, sequence, mapping };
  Kind kind = Kind::scalar;
  std::string text;          // of a scalar
  bool plain = true;         // a scalar without quotes
  bool inline_style = true;  // not a block scalar: its characters stand in the source as they are in `text`
  Position position;
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;

  /// True for a plain scalar that means nothing: empty, `null` or `~`.
  bool is_null() const;
  const YamlNode* find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  Position position;  // of the key
  YamlNode value;
};

/// Reads one document. Aliases become copies; at most 200,000 nodes, 64 deep. False, with diagnostics, if it
/// is not well-formed, has duplicate keys, keys that are not scalars, tags, or several documents.
bool parse_yaml(std::string_view source, YamlNode& root, Diagnostics& diagnostics);

}  // namespace minibuild::spec
