// The baseline: findings that somebody looked at and accepted.
#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/sha256.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::trust {
namespace {

std::string field(const oci::Json& entry, const char* name, std::string_view what) {
  const auto found = entry.find(name);
  if (found == entry.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
    base::fail("cannot read {}: a finding needs '{}', a text", what, name);
  return found->get<std::string>();
}

}  // namespace

void Baseline::add(std::string_view path, const SecretFinding& finding) {
  entries.insert({finding.rule, std::string(path), finding.fingerprint});
}

bool Baseline::contains(const SecretFinding& finding) const {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return entry.fingerprint == finding.fingerprint; });
}

Baseline parse_baseline(std::string_view json, std::string_view what) {
  const oci::Json document = oci::parse_json(json, what);
  if (!document.is_object()) base::fail("cannot read {}: got no JSON object", what);
  const auto version = document.find("version");
  if (version == document.end() || !version->is_number_integer() || *version != 1)
    base::fail("cannot read {}: want \"version\": 1", what);
  const auto findings = document.find("findings");
  if (findings == document.end() || !findings->is_array())
    base::fail("cannot read {}: want \"findings\", a list", what);
  Baseline baseline;
  for (const oci::Json& entry : *findings) {
    if (!entry.is_object()) base::fail("cannot read {}: a finding is no JSON object", what);
    Baseline::Entry one{field(entry, "rule", what), field(entry, "path", what),
                        field(entry, "fingerprint", what)};
    if (!base::hash_from_hex(one.fingerprint))
      base::fail("cannot read {}: the fingerprint '{}' is not 64 lower-case hexadecimal digits", what,
                 one.fingerprint.substr(0, 80));
    baseline.entries.insert(std::move(one));
  }
  return baseline;
}

std::string to_json(const Baseline& baseline) {
  std::string out = "{\"version\":1,\"findings\":[";
  const char* separator = "\n";
  for (const Baseline::Entry& entry : baseline.entries) {
    const oci::Json one = {{"rule", entry.rule}, {"path", entry.path}, {"fingerprint", entry.fingerprint}};
    out += separator + one.dump(-1, ' ', false, oci::Json::error_handler_t::replace);
    separator = ",\n";
  }
  return out + "\n]}\n";
}

}  // namespace minibuild::trust
