#include "builder/build/root.h"

#include "builder/build/scan.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::build {

void Root::load(const std::string& path) {
  if (!host_ || path.empty() || tree_.find(path) != nullptr || !sandbox::shows_host_path("/" + path)) return;
  if (std::optional<tree::Node> node = scan_path("/" + path)) {
    node->link_group = 0;  // groups of single files mean nothing
    tree_.put(path, std::move(*node), 0);
  }
}

const tree::Node* Root::find(const std::string& path) {
  load(path);
  return tree_.find(path);
}

std::string Root::resolve(const std::string& path, bool follow_last) {
  if (!host_) return tree_.resolve(path, follow_last);
  // Each round brings in the links of one more step, until nothing changes.
  const auto load_all = [this](const std::string& whole) {
    for (size_t slash = whole.find('/'); slash != std::string::npos; slash = whole.find('/', slash + 1))
      load(whole.substr(0, slash));
    load(whole);
  };
  load_all(tree::normalise(path));
  std::string last;
  for (int round = 0; round < 50; ++round) {
    std::string now = tree_.resolve(path, follow_last);
    if (now == last) break;
    load_all(now);
    last = std::move(now);
  }
  return last;
}

void Root::load_below(const std::string& path) {
  if (!host_ || !sandbox::shows_host_path("/" + path)) return;
  const tree::Node* top = find(path);
  if (top == nullptr || top->type != tree::NodeType::directory) return;
  static const tree::IgnoreList nothing;
  tree::FileTree found;
  scan_directory("/" + path, nothing, "", path, found);
  for (const auto& [name, node] : found.nodes())
    if (tree_.find(name) == nullptr) tree_.put(name, node, 0);
}

}  // namespace minibuild::build
