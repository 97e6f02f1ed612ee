#include "minibuild/trust/sarif.h"

#include <fmt/format.h>

#include <algorithm>

#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/trust/policy.h"

namespace minibuild::trust {

namespace {

// A path as URI reference (RFC 3986): what is not unreserved or a separator is escaped.
std::string uri_of(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const bool plain =
        base::is_alphanumeric(c) || std::string_view("-._~/+@,;=").find(c) != std::string_view::npos;
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

oci::Json rule_json(const SarifRule& rule) {
  oci::Json json;
  json["id"] = rule.id;
  if (!rule.name.empty()) json["shortDescription"]["text"] = rule.name;
  if (!rule.description.empty()) json["fullDescription"]["text"] = rule.description;
  if (rule.help.starts_with("https://")) json["helpUri"] = rule.help;
  if (!rule.help.empty()) json["help"]["text"] = rule.help;
  if (rule.severity >= 0) {
    json["properties"]["security-severity"] = fmt::format("{:.1f}", rule.severity);
    json["properties"]["tags"] = oci::Json::array({"security"});
  }
  return json;
}

}  // namespace

std::string to_sarif(const std::vector<SarifRule>& rules, const std::vector<SarifResult>& results) {
  std::vector<SarifRule> all = rules;
  const auto number_of = [&all](const std::string& id) {
    return std::find_if(all.begin(), all.end(), [&](const SarifRule& r) { return r.id == id; }) - all.begin();
  };
  oci::Json list = oci::Json::array();
  for (const SarifResult& one : results) {
    const auto number = number_of(one.rule);
    if (static_cast<size_t>(number) == all.size()) all.push_back({one.rule, "", "", "", -1});
    oci::Json result;
    result["ruleId"] = one.rule;
    result["ruleIndex"] = number;
    result["level"] = name_of(one.level);
    result["message"]["text"] = one.message;
    oci::Json place;
    place["physicalLocation"]["artifactLocation"]["uri"] = uri_of(one.uri);
    if (one.line > 0)
      place["physicalLocation"]["region"] = {{"startLine", one.line},
                                             {"startColumn", std::max(1, one.column)}};
    if (!one.logical.empty())
      place["logicalLocations"] = oci::Json::array({{{"fullyQualifiedName", one.logical}}});
    result["locations"] = oci::Json::array({place});
    if (!one.fingerprint.empty()) result["partialFingerprints"]["minibuild/v1"] = one.fingerprint;
    list.push_back(result);
  }
  oci::Json run;
  run["tool"]["driver"]["name"] = "minibuild";
  run["tool"]["driver"]["rules"] = oci::Json::array();
  for (const SarifRule& rule : all) run["tool"]["driver"]["rules"].push_back(rule_json(rule));
  run["columnKind"] = "unicodeCodePoints";
  run["results"] = list;
  oci::Json json;
  json["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
  json["version"] = "2.1.0";
  json["runs"] = oci::Json::array({run});
  return json.dump(2, ' ', false, oci::Json::error_handler_t::replace) + "\n";
}

}  // namespace minibuild::trust
