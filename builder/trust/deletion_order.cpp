// The order in which manifests can be deleted so that nothing is left that names what is gone.
#include <algorithm>

#include "builder/trust/retention_rules.h"

namespace minibuild::trust {

namespace {

// `before[x]` has to be deleted earlier than x; by digest on both sides.
using Graph = std::map<oci::Digest, std::set<oci::Digest>>;

struct Order {
  Graph before;
  Graph after;
};

Order order_of(const Holdings& holdings, const std::set<oci::Digest>& going) {
  Order order;
  const auto add = [&](const oci::Digest& first, const oci::Digest& second) {
    if (first == second || !going.contains(first) || !going.contains(second)) return;
    order.before[second].insert(first);
    order.after[first].insert(second);
  };
  for (const oci::Digest& digest : going) {
    const auto it = holdings.manifests.find(digest);
    if (it == holdings.manifests.end()) continue;
    for (const oci::Digest& child : it->second.children) add(digest, child);
    if (it->second.subject) add(digest, *it->second.subject);
  }
  for (const auto& [tag, digest] : holdings.tags)
    if (const auto derived = derived_tag(tag, holdings)) add(digest, derived->subject);
  return order;
}

// Everything that is connected with `start`.
std::set<oci::Digest> connected(const oci::Digest& start, const Order& order) {
  std::set<oci::Digest> found{start};
  std::vector<oci::Digest> todo{start};
  while (!todo.empty()) {
    const oci::Digest digest = todo.back();
    todo.pop_back();
    for (const Graph* graph : {&order.before, &order.after}) {
      const auto it = graph->find(digest);
      if (it == graph->end()) continue;
      for (const oci::Digest& next : it->second)
        if (found.insert(next).second) todo.push_back(next);
    }
  }
  return found;
}

std::vector<oci::Digest> sorted(const std::set<oci::Digest>& group, const Order& order) {
  std::map<oci::Digest, size_t> waiting;
  std::set<oci::Digest> ready;
  std::set<oci::Digest> rest = group;
  for (const oci::Digest& digest : group) {
    const auto it = order.before.find(digest);
    waiting[digest] = it == order.before.end() ? 0 : it->second.size();
    if (waiting[digest] == 0) ready.insert(digest);
  }
  std::vector<oci::Digest> out;
  while (!rest.empty()) {
    // Only tags can make a circle, and only when somebody means harm: then any order is as good.
    const oci::Digest next = ready.empty() ? *rest.begin() : *ready.begin();
    ready.erase(next);
    rest.erase(next);
    out.push_back(next);
    const auto it = order.after.find(next);
    if (it == order.after.end()) continue;
    for (const oci::Digest& later : it->second)
      if (rest.contains(later) && --waiting[later] == 0) ready.insert(later);
  }
  return out;
}

}  // namespace

std::vector<std::vector<oci::Digest>> deletion_order(const Holdings& holdings,
                                                     const std::set<oci::Digest>& going) {
  const Order order = order_of(holdings, going);
  std::vector<std::vector<oci::Digest>> groups;
  std::set<oci::Digest> done;
  for (const oci::Digest& digest : going) {
    if (done.contains(digest)) continue;
    const std::set<oci::Digest> group = connected(digest, order);
    done.insert(group.begin(), group.end());
    groups.push_back(sorted(group, order));
  }
  return groups;
}

}  // namespace minibuild::trust
