// OpenVEX (github.com/openvex/spec, 0.2.0): what a supplier says about vulnerabilities of a product.
#include <algorithm>
#include <map>

#include "builder/trust/advisory_records.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"
#include "minibuild/oci/reference.h"
#include "minibuild/trust/scan.h"

namespace minibuild::trust {

using base::fail;

namespace {

std::string text_of(const oci::Json& object, const char* key, const std::string& of) {
  const auto value = object.find(key);
  if (value == object.end() || value->is_null()) return {};
  if (!value->is_string()) fail("'{}' of {} is {}, want a string", key, of, value->type_name());
  return value->get<std::string>();
}

const oci::Json* list_of(const oci::Json& object, const char* key, const std::string& of) {
  const auto value = object.find(key);
  if (value == object.end() || value->is_null()) return nullptr;
  if (!value->is_array()) fail("'{}' of {} is {}, want an array", key, of, value->type_name());
  return &*value;
}

VexStatement::Component read_component(const oci::Json& json, const std::string& of) {
  VexStatement::Component component;
  if (json.is_string()) {  // 0.0.1
    component.names.push_back(json.get<std::string>());
    return component;
  }
  if (!json.is_object()) fail("a product of {} is {}, want an object", of, json.type_name());
  if (std::string id = text_of(json, "@id", of); !id.empty()) component.names.push_back(std::move(id));
  if (const auto identifiers = json.find("identifiers");
      identifiers != json.end() && identifiers->is_object())
    for (const auto& [kind, name] : identifiers->items())
      if (name.is_string()) component.names.push_back(name.get<std::string>());
  if (const auto hashes = json.find("hashes"); hashes != json.end() && hashes->is_object())
    if (std::string hash = text_of(*hashes, "sha-256", of); !hash.empty())
      component.names.push_back("sha256:" + hash);
  return component;
}

VexStatement read_statement(const oci::Json& json, int64_t time, const std::string& of) {
  VexStatement statement;
  if (!json.is_object()) fail("{} is {}, want an object", of, json.type_name());
  const auto vulnerability = json.find("vulnerability");
  if (vulnerability == json.end()) fail("{} has no 'vulnerability'", of);
  if (vulnerability->is_string()) {
    statement.vulnerabilities.push_back(vulnerability->get<std::string>());
  } else if (vulnerability->is_object()) {
    if (std::string name = text_of(*vulnerability, "name", of); !name.empty())
      statement.vulnerabilities.push_back(std::move(name));
    else if (const std::string id = text_of(*vulnerability, "@id", of); !id.empty())
      statement.vulnerabilities.push_back(id.substr(id.rfind('/') + 1));
    if (const oci::Json* aliases = list_of(*vulnerability, "aliases", of))
      for (const oci::Json& alias : *aliases)
        if (alias.is_string()) statement.vulnerabilities.push_back(alias.get<std::string>());
  }
  if (statement.vulnerabilities.empty()) fail("{} names no vulnerability", of);
  if (const oci::Json* products = list_of(json, "products", of))
    for (const oci::Json& product : *products) {
      VexStatement::Product one{read_component(product, of), {}};
      if (product.is_object())
        if (const oci::Json* parts = list_of(product, "subcomponents", of))
          for (const oci::Json& part : *parts) one.subcomponents.push_back(read_component(part, of));
      statement.products.push_back(std::move(one));
    }
  // 0.0.1 has them beside the products.
  if (const oci::Json* parts = list_of(json, "subcomponents", of))
    for (VexStatement::Product& product : statement.products)
      for (const oci::Json& part : *parts) product.subcomponents.push_back(read_component(part, of));
  statement.status = text_of(json, "status", of);
  if (statement.status != "not_affected" && statement.status != "affected" && statement.status != "fixed" &&
      statement.status != "under_investigation")
    fail("{} has the status '{}', want not_affected, affected, fixed or under_investigation", of,
         base::printable(statement.status));
  statement.justification = text_of(json, "justification", of);
  statement.impact = text_of(json, "impact_statement", of);
  statement.time = time;
  for (const char* key : {"timestamp", "last_updated"})
    if (const std::string own = text_of(json, key, of); !own.empty()) {
      const auto parsed = base::parse_time(own);
      if (!parsed) fail("{} has the {} '{}', want a time as RFC 3339 has it", of, key, base::printable(own));
      statement.time = *parsed;
    }
  return statement;
}

// purl-spec, taken apart: percent-decoded, the type in lower case.
struct PackageUrl {
  std::string type;
  std::string space;
  std::string name;
  std::string version;
  std::map<std::string, std::string> qualifiers;
};

std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<PackageUrl> parse_package_url(std::string_view text) {
  if (!text.starts_with("pkg:")) return std::nullopt;
  text.remove_prefix(4);
  while (text.starts_with('/')) text.remove_prefix(1);
  PackageUrl url;
  text = text.substr(0, text.find('#'));
  if (const size_t mark = text.find('?'); mark != std::string_view::npos) {
    for (const std::string& pair : base::split(text.substr(mark + 1), '&'))
      if (const size_t equals = pair.find('='); equals != std::string::npos && equals + 1 < pair.size())
        url.qualifiers[pair.substr(0, equals)] = percent_decoded(std::string_view(pair).substr(equals + 1));
    text = text.substr(0, mark);
  }
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    url.version = percent_decoded(text.substr(at + 1));
    text = text.substr(0, at);
  }
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  for (const char c : text.substr(0, slash)) url.type += base::lower_case(c);
  text.remove_prefix(slash + 1);
  const size_t last = text.rfind('/');
  if (last != std::string_view::npos) url.space = percent_decoded(text.substr(0, last));
  url.name = percent_decoded(last == std::string_view::npos ? text : text.substr(last + 1));
  if (url.name.empty()) return std::nullopt;
  return url;
}

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::optional<oci::Reference> reference_of(std::string_view text) {
  if (text.starts_with("docker://")) text.remove_prefix(9);
  try {
    return oci::parse_reference(text);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// `pkg:oci/NAME@sha256:…?repository_url=HOST/REPOSITORY&arch=…&tag=…` (purl-spec, "oci").
bool is_image_url(const PackageUrl& url, const ImageNames& image) {
  const auto qualifier = [&](const char* name) {
    const auto found = url.qualifiers.find(name);
    return found == url.qualifiers.end() ? std::string() : found->second;
  };
  if (const std::string arch = qualifier("arch"); !arch.empty() && arch != image.architecture) return false;
  // A digest says all: wherever the image is now, it is that one.
  if (!url.version.empty()) return has(image.digests, url.version);
  const std::string repository = qualifier("repository_url");
  const std::string tag = qualifier("tag");
  return std::any_of(image.references.begin(), image.references.end(), [&](const std::string& text) {
    const auto reference = reference_of(text);
    if (!reference) return false;
    const std::string full = reference->host + "/" + reference->repository;
    const size_t slash = full.rfind('/');
    return full.substr(slash + 1) == url.name && (tag.empty() || tag == reference->tag) &&
           (repository.empty() || repository == full || repository == full.substr(0, slash));
  });
}

bool is_image(const VexStatement::Component& component, const ImageNames& image) {
  return std::any_of(component.names.begin(), component.names.end(), [&](const std::string& name) {
    if (has(image.digests, name)) return true;
    if (const auto url = parse_package_url(name)) return url->type == "oci" && is_image_url(*url, image);
    const auto wanted = reference_of(name);
    if (!wanted || wanted->host.empty()) return false;
    if (wanted->digest) {
      if (!has(image.digests, oci::to_string(*wanted->digest))) return false;
    }
    return std::any_of(image.references.begin(), image.references.end(), [&](const std::string& text) {
      const auto reference = reference_of(text);
      return reference && reference->host == wanted->host && reference->repository == wanted->repository &&
             (wanted->digest || wanted->tag.empty() || wanted->tag == reference->tag);
    });
  });
}

bool is_package(const VexStatement::Component& component, const std::string& url) {
  return std::any_of(component.names.begin(), component.names.end(),
                     [&](const std::string& name) { return package_url_matches(name, url); });
}

bool is_about(const VexStatement& statement, const ImageNames& image, const std::string& url) {
  return std::any_of(
      statement.products.begin(), statement.products.end(), [&](const VexStatement::Product& product) {
        if (!is_package(product.self, url) && !is_image(product.self, image)) return false;
        return product.subcomponents.empty() ||
               std::any_of(product.subcomponents.begin(), product.subcomponents.end(),
                           [&](const VexStatement::Component& part) { return is_package(part, url); });
      });
}

// Statements by the vulnerabilities that they name.
using ByName = std::map<std::string, std::vector<const VexStatement*>>;

// The statement with the latest time that speaks of a vulnerability; null if none does.
const VexStatement* latest_about(const Vulnerability& found, const ByName& by_name, const ImageNames& image,
                                 const std::string& url) {
  std::vector<const VexStatement*> named;
  std::vector<std::string> names = found.aliases;
  names.push_back(found.id);
  for (const std::string& name : names)
    if (const auto place = by_name.find(name); place != by_name.end())
      named.insert(named.end(), place->second.begin(), place->second.end());
  std::sort(named.begin(), named.end());  // they are in one vector: in the order of the documents
  const VexStatement* latest = nullptr;
  for (const VexStatement* statement : named)
    if ((latest == nullptr || statement->time >= latest->time) && is_about(*statement, image, url))
      latest = statement;
  return latest;
}

}  // namespace

std::vector<VexStatement> parse_vex(std::string_view text, const std::string& what) {
  const oci::Json json = oci::parse_json(text, what);
  try {
    if (!json.is_object()) fail("it is {}, want an object", json.type_name());
    const std::string context = text_of(json, "@context", "the document");
    if (!context.starts_with("https://openvex.dev/ns"))
      fail("its '@context' is '{}', want https://openvex.dev/ns/v0.2.0: it is no OpenVEX document",
           base::printable(context));
    int64_t time = 0;
    if (const std::string stamp = text_of(json, "timestamp", "the document"); !stamp.empty()) {
      const auto parsed = base::parse_time(stamp);
      if (!parsed) fail("its timestamp is '{}', want a time as RFC 3339 has it", base::printable(stamp));
      time = *parsed;
    }
    std::vector<VexStatement> statements;
    if (const oci::Json* list = list_of(json, "statements", "the document"))
      for (const oci::Json& one : *list) {
        statements.push_back(read_statement(one, time, fmt::format("statement {}", statements.size() + 1)));
        statements.back().source = what;
      }
    return statements;
  } catch (const base::Error& error) {
    throw base::Error(error.code(), fmt::format("cannot read {}: {}", what, error.what()));
  }
}

bool package_url_matches(std::string_view wanted, std::string_view actual) {
  const auto a = parse_package_url(wanted);
  const auto b = parse_package_url(actual);
  if (!a || !b || a->type != b->type || a->space != b->space || a->name != b->name) return false;
  if (!a->version.empty() && a->version != b->version) return false;
  return std::all_of(a->qualifiers.begin(), a->qualifiers.end(), [&](const auto& qualifier) {
    const auto found = b->qualifiers.find(qualifier.first);
    return found != b->qualifiers.end() && found->second == qualifier.second;
  });
}

std::vector<Suppressed> suppress(std::vector<Vulnerability>& found,
                                 const std::vector<VexStatement>& statements, const ImageNames& image,
                                 const OperatingSystem& os) {
  std::vector<Suppressed> suppressed;
  std::vector<Vulnerability> kept;
  ByName by_name;
  for (const VexStatement& statement : statements)
    for (const std::string& name : statement.vulnerabilities) by_name[name].push_back(&statement);
  for (Vulnerability& one : found) {
    const VexStatement* latest = latest_about(one, by_name, image, package_url(one.package, os));
    if (latest != nullptr && (latest->status == "not_affected" || latest->status == "fixed"))
      suppressed.push_back({std::move(one), *latest});
    else
      kept.push_back(std::move(one));
  }
  found = std::move(kept);
  return suppressed;
}

}  // namespace minibuild::trust
