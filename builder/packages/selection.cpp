// Whether a list of packages is what requests and dependencies make of it.
#include "minibuild/packages/selection.h"

#include <algorithm>
#include <map>
#include <set>

namespace minibuild::packages {

namespace {

Relation relation_of(const std::string& text, Format format) {
  return format == Format::apk ? apk_relation(text) : deb_relation(text);
}

// The names of which one has to be there; none if nothing has to.
std::vector<std::string> names_of(const std::string& dependency, Format format) {
  std::vector<std::string> names;
  if (format == Format::apk) {
    if (Relation one = apk_relation(dependency); !one.absent) names.push_back(std::move(one.name));
  } else {
    for (Relation& one : deb_alternatives(dependency)) names.push_back(std::move(one.name));
  }
  return names;
}

}  // namespace

Selection examine_selection(const std::vector<const Facts*>& chosen, const std::vector<Facts>& present,
                            const std::vector<Request>& requests, Format format) {
  std::multimap<std::string, size_t> by_name;  // what each has as its name, or provides
  const auto names = [&](const Facts& facts, const auto& add) {
    add(facts.name);
    for (const std::string& text : facts.provides) add(relation_of(text, format).name);
  };
  for (size_t i = 0; i < chosen.size(); ++i)
    names(*chosen[i], [&](const std::string& name) { by_name.emplace(name, i); });
  std::set<std::string> others;  // that are there without being chosen
  for (const Facts& facts : present) names(facts, [&](const std::string& name) { others.insert(name); });
  // What an omitted package provides is not known.
  const bool omits =
      std::any_of(requests.begin(), requests.end(), [](const Request& request) { return request.omitted; });

  Selection found;
  std::vector<bool> is_needed(chosen.size(), false);
  std::vector<size_t> open;
  const auto need = [&](size_t i) {
    if (!is_needed[i]) open.push_back(i);
    is_needed[i] = true;
  };
  const auto need_one_of = [&](const std::vector<std::string>& wanted, const std::string& by,
                               const std::string& text) {
    bool is_there = wanted.empty();
    for (const std::string& name : wanted) {
      is_there = is_there || others.contains(name);
      const auto [begin, end] = by_name.equal_range(name);
      for (auto it = begin; it != end; ++it) need(it->second);
      is_there = is_there || begin != end;
    }
    if (!is_there && !(omits && !by.empty())) found.missing.push_back({by, text});
  };
  for (const Request& request : requests)
    if (!request.omitted && !request.absent) need_one_of({request.name}, "", request.name);
  for (size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i]->essential || !chosen[i]->install_if.empty()) need(i);
  // What is there already may be the reason as well.
  for (const Facts& facts : present)
    for (const std::string& dependency : facts.depends)
      for (const std::string& name : names_of(dependency, format)) {
        const auto [begin, end] = by_name.equal_range(name);
        for (auto it = begin; it != end; ++it) need(it->second);
      }
  while (!open.empty()) {
    const Facts& facts = *chosen[open.back()];
    open.pop_back();
    for (const std::string& dependency : facts.depends)
      need_one_of(names_of(dependency, format), facts.name, dependency);
  }
  for (size_t i = 0; i < chosen.size(); ++i)
    if (!is_needed[i]) found.unneeded.push_back(chosen[i]->name);
  std::sort(found.unneeded.begin(), found.unneeded.end());
  return found;
}

}  // namespace minibuild::packages
