#include "minibuild/packages/facts.h"
#include "minibuild/packages/version.h"

#include <strings.h>
#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/packages/apk.h"

namespace minibuild::packages {

namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

// The fields of a paragraph in order, with their continuation lines.
Fields fields_of(std::string_view paragraph) {
  Fields fields;
  size_t at = 0;
  while (at < paragraph.size()) {
    size_t end = paragraph.find('\n', at);
    while (end != std::string_view::npos && end + 1 < paragraph.size() &&
           (paragraph[end + 1] == ' ' || paragraph[end + 1] == '\t'))
      end = paragraph.find('\n', end + 1);
    if (end == std::string_view::npos) end = paragraph.size();
    const std::string_view line = paragraph.substr(at, end - at);
    if (const size_t colon = line.find(':'); colon != std::string_view::npos && colon > 0)
      fields.emplace_back(line.substr(0, colon), base::trim(line.substr(colon + 1)));
    at = end + 1;
  }
  return fields;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

void add_list(std::vector<std::string>& list, std::string_view text, char separator) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (const std::string_view item = base::trim(text.substr(0, end)); !item.empty()) list.emplace_back(item);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

uint64_t number(std::string_view text) { return base::parse_number(text).value_or(0); }

// Dependencies with `!` are conflicts.
void add_apk_dependencies(Facts& facts, std::string_view text) {
  std::vector<std::string> all;
  add_list(all, text, ' ');
  for (std::string& one : all) {
    if (one.starts_with('!'))
      facts.conflicts.push_back(one.substr(1));
    else
      facts.depends.push_back(std::move(one));
  }
}

}  // namespace

namespace {

bool only_has(std::string_view text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return base::is_alphanumeric(c) || more.find(c) != std::string_view::npos;
  });
}

}  // namespace

bool is_package_name(std::string_view name) {
  return name.size() <= 255 && only_has(name, "+-._") &&
         std::string_view(".+-").find(name[0]) == std::string_view::npos;
}

bool is_plain_version(std::string_view version) {
  return version.size() <= 255 && only_has(version, ".+-~:_");
}

std::string_view field_of(std::string_view paragraph, std::string_view name) {
  for (const auto& [key, value] : fields_of(paragraph))
    if (same_name(key, name)) return value;
  return {};
}

Facts deb_facts(std::string_view paragraph) {
  Facts facts;
  for (const auto& [key, value] : fields_of(paragraph)) {
    const auto is = [name = key](std::string_view wanted) { return same_name(name, wanted); };
    if (is("Package")) {
      facts.name = value;
    } else if (is("Version")) {
      facts.version = value;
    } else if (is("Architecture")) {
      facts.architecture = value;
    } else if (is("Source")) {
      const size_t space = value.find(' ');
      facts.source = value.substr(0, space);
      if (const size_t open = value.find('('); open != std::string_view::npos)
        facts.source_version = base::trim(value.substr(open + 1, value.find(')') - open - 1));
    } else if (is("Filename")) {
      facts.filename = value;
    } else if (is("Size")) {
      facts.size = number(value);
    } else if (is("Installed-Size")) {
      facts.installed_size = number(value) << 10U;
    } else if (is("SHA256")) {
      facts.sha256 = value;
    } else if (is("Priority")) {
      facts.priority = value;
    } else if (is("Essential")) {
      facts.essential = value == "yes";
    } else if (is("Multi-Arch")) {
      facts.multi_arch = value;
    } else if (is("Depends") || is("Pre-Depends")) {
      add_list(facts.depends, value, ',');
    } else if (is("Provides")) {
      add_list(facts.provides, value, ',');
    } else if (is("Conflicts") || is("Breaks")) {
      add_list(facts.conflicts, value, ',');
    } else if (is("Replaces")) {
      add_list(facts.replaces, value, ',');
    }
  }
  if (facts.source.empty()) facts.source = facts.name;
  if (facts.source_version == facts.version) facts.source_version.clear();
  return facts;
}

Facts apk_facts(std::string_view record) {
  Facts facts;
  size_t at = 0;
  while (at < record.size()) {
    const size_t end = std::min(record.find('\n', at), record.size());
    const std::string_view line = record.substr(at, end - at);
    at = end + 1;
    if (line.size() < 2 || line[1] != ':') continue;
    const std::string_view value = base::trim(line.substr(2));
    switch (line[0]) {
      case 'P':
        facts.name = value;
        break;
      case 'V':
        facts.version = value;
        break;
      case 'A':
        facts.architecture = value;
        break;
      case 'S':
        facts.size = number(value);
        break;
      case 'I':
        facts.installed_size = number(value);
        break;
      case 'C':
        facts.checksum = value;
        break;
      case 'o':
        facts.source = value;
        break;
      case 'D':
        add_apk_dependencies(facts, value);
        break;
      case 'p':
        add_list(facts.provides, value, ' ');
        break;
      case 'r':
        add_list(facts.replaces, value, ' ');
        break;
      case 'i':
        add_list(facts.install_if, value, ' ');
        break;
      case 'k':
        facts.provider_priority = static_cast<int>(std::min<uint64_t>(number(value), 65535));
        break;
      default:
        break;
    }
  }
  if (facts.source.empty()) facts.source = facts.name;
  facts.filename = facts.name + "-" + facts.version + ".apk";
  return facts;
}

Facts pkginfo_facts(std::string_view pkginfo) {
  const auto one = [&](std::string_view key) {
    const std::vector<std::string> values = pkginfo_values(pkginfo, key);
    return values.empty() ? std::string() : values.front();
  };
  Facts facts;
  facts.name = one("pkgname");
  facts.version = one("pkgver");
  facts.architecture = one("arch");
  facts.source = one("origin");
  facts.installed_size = number(one("size"));
  for (const std::string& depend : pkginfo_values(pkginfo, "depend")) add_apk_dependencies(facts, depend);
  facts.provides = pkginfo_values(pkginfo, "provides");
  facts.replaces = pkginfo_values(pkginfo, "replaces");
  facts.install_if = pkginfo_values(pkginfo, "install_if");
  if (facts.source.empty()) facts.source = facts.name;
  return facts;
}

Relation deb_relation(std::string_view text) {
  Relation relation;
  text = base::trim(text);
  const size_t open = text.find('(');
  std::string_view name = base::trim(text.substr(0, open));
  if (const size_t restriction = name.find_first_of("[<"); restriction != std::string_view::npos)
    name = base::trim(name.substr(0, restriction));
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    relation.qualifier = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  relation.name = name;
  if (open == std::string_view::npos) return relation;
  std::string_view inside = text.substr(open + 1, text.find(')', open) - open - 1);
  inside = base::trim(inside);
  const size_t end = std::min(inside.find_first_not_of("<>="), inside.size());
  const std::string_view op = inside.substr(0, end);
  relation.op = op == "<<" ? "<" : op == ">>" ? ">" : op == "<" ? "<=" : op == ">" ? ">=" : std::string(op);
  relation.version = base::trim(inside.substr(end));
  return relation;
}

std::vector<Relation> deb_alternatives(std::string_view text) {
  std::vector<std::string> parts;
  add_list(parts, text, '|');
  std::vector<Relation> relations;
  relations.reserve(parts.size());
  for (const std::string& part : parts) relations.push_back(deb_relation(part));
  return relations;
}

Relation apk_relation(std::string_view text) {
  Relation relation;
  text = base::trim(text);
  if (text.starts_with('!')) {
    relation.absent = true;
    text.remove_prefix(1);
  }
  const size_t at = std::min(text.find_first_of("<>=~"), text.size());
  const size_t end = std::min(text.find_first_not_of("<>=~", at), text.size());
  relation.name = text.substr(0, at);
  // A repository tag (`name@edge`) says where to look, not what.
  if (const size_t tag = relation.name.find('@'); tag != std::string::npos) relation.name.resize(tag);
  relation.op = text.substr(at, end - at);
  if (relation.op == "=~" || relation.op == "~=") relation.op = "~";
  if (relation.op == "==") relation.op = "=";
  relation.version = text.substr(end);
  return relation;
}

bool does_replace(const Facts& a, const Facts& b, Format format) {
  return std::any_of(a.replaces.begin(), a.replaces.end(), [&](const std::string& text) {
    const bool apk = format == Format::apk;
    const Relation relation = apk ? apk_relation(text) : deb_relation(text);
    if (relation.name != b.name) return false;
    if (relation.op.empty()) return true;
    const int order = apk ? compare_apk_versions(b.version, relation.version)
                          : compare_deb_versions(b.version, relation.version);
    return (order < 0 && relation.op.starts_with('<')) || (order > 0 && relation.op.starts_with('>')) ||
           (order == 0 && relation.op.ends_with('='));
  });
}

}  // namespace minibuild::packages
