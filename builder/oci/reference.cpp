#include "minibuild/oci/reference.h"

#include <algorithm>

#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::oci {

namespace {

[[noreturn]] void bad(std::string_view text, const std::string& why) {
  throw base::Error(base::Code::usage, fmt::format("'{}' is not an image reference: {}",
                                                   base::printable(text.substr(0, 300)), why));
}

bool is_host(std::string_view part) {
  return part.find('.') != std::string_view::npos || part.find(':') != std::string_view::npos ||
         part == "localhost" || part.starts_with('[');
}

void check_host(std::string_view text, std::string_view host) {
  std::string_view name = host;
  if (const size_t colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']')) {
    const auto port = base::parse_number(host.substr(colon + 1), 65535);
    if (!port || *port == 0) bad(text, fmt::format("'{}' has no valid port", base::printable(host)));
    name = host.substr(0, colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) return;
  for (const std::string& label : base::split(name, '.')) {
    const bool fine =
        !label.empty() && !label.starts_with('-') && !label.ends_with('-') &&
        std::all_of(label.begin(), label.end(), [](char c) { return base::is_alphanumeric(c) || c == '-'; });
    if (!fine) bad(text, fmt::format("'{}' is not a host name", base::printable(host)));
  }
}

// Components of lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
void check_repository(std::string_view text, std::string_view repository) {
  if (repository.empty()) bad(text, "it has no repository name");
  if (repository.size() > 255) bad(text, "its repository name is longer than 255 characters");
  if (std::any_of(repository.begin(), repository.end(), base::is_upper)) {
    bad(text, fmt::format("repository names are lower case; write '{}'", base::lower_case(repository)));
  }
  for (const std::string& part : base::split(repository, '/')) {
    if (part.empty()) bad(text, "a component of its repository name is empty");
    size_t i = 0;
    bool after_separator = true;
    while (i < part.size()) {
      if (base::is_lower(part[i]) || base::is_digit(part[i])) {
        after_separator = false;
        ++i;
        continue;
      }
      const size_t end = std::min(part.find_first_not_of(part[i], i), part.size());
      const size_t length = end - i;
      const bool separator =
          (part[i] == '.' && length == 1) || (part[i] == '_' && length <= 2) || part[i] == '-';
      if (!separator || after_separator || end == part.size())
        bad(text, fmt::format("'{}' is not a repository component: lower-case letters and digits, with '.', "
                              "'_' or '-' between",
                              part));
      after_separator = true;
      i = end;
    }
  }
}

}  // namespace

bool is_tag(std::string_view text) {
  const auto word = [](char c) { return base::is_alphanumeric(c) || c == '_'; };
  return !text.empty() && text.size() <= 128 && word(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

Reference parse_reference(std::string_view text) {
  if (text.empty()) bad(text, "it is empty");
  if (text.starts_with("docker://") || text.find("://") != std::string_view::npos)
    bad(text, fmt::format("leave out '{}'", text.substr(0, text.find("://") + 3)));
  for (const char c : text)
    if (static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7F)
      bad(text, "it holds a space or another character that is not allowed");
  Reference reference;
  std::string_view rest = text;
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    try {
      reference.digest = parse_digest(rest.substr(at + 1), "it");
    } catch (const base::Error& error) {
      bad(text, error.what());
    }
    rest = rest.substr(0, at);
  }
  const size_t slash = rest.rfind('/');
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = std::string(rest.substr(colon + 1));
    if (!is_tag(reference.tag))
      bad(text,
          fmt::format(
              "'{}' is not a tag: up to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'",
              reference.tag));
    rest = rest.substr(0, colon);
  }
  const size_t first = rest.find('/');
  if (first != std::string_view::npos && is_host(rest.substr(0, first))) {
    reference.host = std::string(rest.substr(0, first));
    check_host(text, reference.host);
    rest = rest.substr(first + 1);
  }
  check_repository(text, rest);
  reference.repository = std::string(rest);
  return reference;
}

std::string to_string(const Reference& reference) {
  std::string text =
      reference.host.empty() ? reference.repository : reference.host + "/" + reference.repository;
  if (!reference.tag.empty()) text += ":" + reference.tag;
  if (reference.digest) text += "@" + to_string(*reference.digest);
  return text;
}

std::string to_string(const ImageLocation& location) {
  static constexpr std::string_view names[] = {"oci", "oci-archive", "docker-archive",
                                               "tar", "dir",         "docker"};
  std::string text = fmt::format("{}:{}{}", names[static_cast<size_t>(location.transport)],
                                 location.transport == Transport::registry ? "//" : "", location.path);
  if (!location.tag.empty()) text += ":" + location.tag;
  return text;
}

}  // namespace minibuild::oci
