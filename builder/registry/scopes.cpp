#include "builder/registry/scopes.h"

#include <algorithm>
#include <vector>

#include "minibuild/base/text.h"

namespace minibuild::registry {

namespace {

constexpr size_t max_asked = 1024;

struct Scope {
  std::string resource;  // `TYPE:NAME`
  std::vector<std::string> actions;
};

void add(std::vector<Scope>& scopes, std::string_view text) {
  for (const std::string& one : base::split(text, ' ')) {
    if (one.empty()) continue;
    const size_t colon = one.rfind(':');  // a name may have a port in it
    const std::string resource = one.substr(0, colon);
    auto it = std::find_if(scopes.begin(), scopes.end(),
                           [&](const Scope& scope) { return scope.resource == resource; });
    if (it == scopes.end()) it = scopes.insert(scopes.end(), {resource, {}});
    if (colon == std::string::npos) continue;
    for (const std::string& action : base::split(one.substr(colon + 1), ','))
      if (!action.empty() && std::find(it->actions.begin(), it->actions.end(), action) == it->actions.end())
        it->actions.push_back(action);
  }
}

}  // namespace

std::string merged_scopes(std::string_view ours, std::string_view asked) {
  std::vector<Scope> scopes;
  add(scopes, ours);
  if (asked.size() <= max_asked) add(scopes, asked);
  std::vector<std::string> texts;
  for (const Scope& scope : scopes)
    texts.push_back(scope.resource + (scope.actions.empty() ? "" : ":" + base::join(scope.actions, ",")));
  return base::join(texts, " ");
}

}  // namespace minibuild::registry
