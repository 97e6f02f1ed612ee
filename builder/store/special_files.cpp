#include "minibuild/store/special_files.h"

#include <sys/stat.h>

#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using tree::NodeType;

PlainTree without_special_files(const tree::FileTree& tree) {
  PlainTree plain{tree, {}};
  std::vector<std::string> left_out;
  for (const auto& [path, node] : tree.nodes()) {
    const std::string name = "/" + base::printable(path);
    if (node.type == NodeType::character_device || node.type == NodeType::block_device) {
      plain.tree.remove(path);
      left_out.push_back("the device " + name);
    } else if (node.type == NodeType::file) {
      tree::Node& copy = *plain.tree.find(path);
      if ((node.mode & S_ISUID) != 0) left_out.push_back("setuid of " + name);
      if ((node.mode & S_ISGID) != 0) left_out.push_back("setgid of " + name);
      copy.mode &= ~static_cast<uint32_t>(S_ISUID | S_ISGID);
      if (std::erase_if(copy.xattrs, [](const auto& one) { return one.first == "security.capability"; }) > 0)
        left_out.push_back("the capabilities of " + name);
    }
  }
  const size_t shown = std::min<size_t>(3, left_out.size());
  plain.left_out = base::join({left_out.begin(), left_out.begin() + static_cast<ptrdiff_t>(shown)}, ", ");
  if (left_out.size() > shown) plain.left_out += fmt::format(" and {} more", left_out.size() - shown);
  return plain;
}

}  // namespace minibuild::store
