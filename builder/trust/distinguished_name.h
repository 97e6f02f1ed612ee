// Names in certificates and in trust policies (RFC 4514).
#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minibuild::trust {

/// Type and value of each attribute, in order. Types are upper-case (`C`, `ST`, `O`, `EMAILADDRESS`) or
/// dotted numbers.
using DistinguishedName = std::vector<std::pair<std::string, std::string>>;

/// Precedes the name in a trusted identity.
constexpr std::string_view subject_prefix = "x509.subject:";

DistinguishedName name_of(const X509_NAME* name);
/// Parses RFC 4514, with `S` for `ST`; multi-valued RDNs (`+`) and repeated types are refused. Throws Error
/// naming `what`.
DistinguishedName parse_name(std::string_view text, const std::string& what);
/// Like RFC 4514, but in the order of the name, and safe for a terminal.
std::string to_string(const DistinguishedName& name);
/// Returns true if `name` has a type twice: then it is unclear which value counts.
bool is_ambiguous(const DistinguishedName& name);
/// Returns true if an RDN of a certificate's subject is a set of several attributes (RFC 5280, 4.1.2.4),
/// written with `+` in RFC 4514.
bool has_sets(const X509* certificate);
/// Returns true if `name` has every attribute of `part`.
bool contains(const DistinguishedName& name, const DistinguishedName& part);

}  // namespace minibuild::trust
