// Names in certificates, and what a trust policy says of them (RFC 4514).
#pragma once

#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minibuild::trust {

/// Type and value of each attribute, in order. Types are in upper case (`C`, `ST`, `O`, `EMAILADDRESS`), or
/// numbers with dots.
using DistinguishedName = std::vector<std::pair<std::string, std::string>>;

/// Before the name in a trusted identity.
constexpr std::string_view subject_prefix = "x509.subject:";

DistinguishedName name_of(const X509_NAME* name);
/// RFC 4514, with `S` for `ST`; attributes that belong together (`+`) and repeated types are refused. Throws
/// Error naming `what`.
DistinguishedName parse_name(std::string_view text, const std::string& what);
/// As RFC 4514 writes it, but in the order of the name, and fit for a terminal.
std::string to_string(const DistinguishedName& name);
/// True if `name` has a type twice: it is not clear then which value counts.
bool is_ambiguous(const DistinguishedName& name);
/// True if an RDN of a certificate's subject is a set of several attributes (RFC 5280, 4.1.2.4): as RFC 4514
/// writes it, with `+`.
bool has_sets(const X509* certificate);
/// True if `name` has every attribute of `part`.
bool contains(const DistinguishedName& name, const DistinguishedName& part);

}  // namespace minibuild::trust
