#include "minibuild/store/special_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using tree::NodeType;

namespace {

std::string list_of(const std::vector<std::string>& names) {
  const size_t shown = std::min<size_t>(3, names.size());
  std::string text = base::join({names.begin(), names.begin() + static_cast<ptrdiff_t>(shown)}, ", ");
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace

PlainTree plain_tree(const tree::FileTree& tree, bool preserve_special) {
  PlainTree plain{tree, {}, {}};
  std::vector<std::string> special, attributes;
  for (const auto& [path, node] : tree.nodes()) {
    const std::string name = "/" + base::printable(path);
    if (!preserve_special &&
        (node.type == NodeType::character_device || node.type == NodeType::block_device)) {
      plain.tree.remove(path);
      special.push_back("the device " + name);
      continue;
    }
    const bool plain_mode = preserve_special || node.type != NodeType::file;
    if (plain_mode && node.xattrs.empty()) continue;
    tree::Node& copy = *plain.tree.find(path);
    if (!plain_mode) {
      if ((node.mode & S_ISUID) != 0) special.push_back("setuid of " + name);
      if ((node.mode & S_ISGID) != 0) special.push_back("setgid of " + name);
      copy.mode &= ~static_cast<uint32_t>(S_ISUID | S_ISGID);
    }
    std::erase_if(copy.xattrs, [&](const auto& one) {
      const std::string& key = one.first;
      if (key == "security.capability") {
        if (!preserve_special) special.push_back("the capabilities of " + name);
        return !preserve_special;
      }
      const bool is_plain = key.starts_with("user.") && !key.starts_with("user.minibuild");
      if (!is_plain) attributes.push_back(base::printable(key) + " of " + name);
      return !is_plain;
    });
  }
  plain.left_out = list_of(special);
  plain.attributes = list_of(attributes);
  return plain;
}

}  // namespace minibuild::store
