#include "builder/build/root.h"

namespace minibuild::build {

bool Root::is_directory(const std::string& path) {
  if (path.empty()) return true;
  const tree::Node* node = find(path);
  return node != nullptr && node->type == tree::NodeType::directory;
}

void Root::add(const std::string& path, const sandbox::HostView::Seen& seen) {
  // Of /etc single parts are shown, also those that are links outside: the file is where they lead.
  const std::string place = path.starts_with("etc/") ? base::real_path("/" + path) : "/" + path;
  std::optional<tree::Node> node = node_of(seen.st, seen.target, place);
  if (!node) return;
  node->link_group = links_.of(seen.st, tree_);
  if (!seen.readable) {
    unreadable_.insert(path);
    // The caller might be able to read it: no file has this stamp.
    if (node->type == tree::NodeType::file) node->content.where = tree::DiskFile{place, {}};
  }
  tree_.put(path, std::move(*node), 0);
}

void Root::load(const std::string& path) {
  if (!host_ || path.empty() || tree_.find(path) != nullptr || !asked_.insert(path).second) return;
  if (!is_directory(std::string(tree::directory_of(path)))) return;  // the stage put something in its place
  if (const auto seen = host_->look(path)) add(path, *seen);
}

const tree::Node* Root::find(const std::string& path) {
  load(path);
  return tree_.find(path);
}

const tree::Node* Root::find_readable(const std::string& path) {
  const tree::Node* node = find(path);
  return is_unreadable(path) ? nullptr : node;
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
  if (!host_ || !is_directory(path)) return;
  host_->for_each_below(path, [this](const std::string& name, const sandbox::HostView::Seen& seen) {
    if (tree_.find(name) == nullptr && is_directory(std::string(tree::directory_of(name)))) add(name, seen);
  });
}

}  // namespace minibuild::build
