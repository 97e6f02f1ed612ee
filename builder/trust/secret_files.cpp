#include "builder/trust/secret_files.h"

#include <algorithm>
#include <cctype>
#include <functional>

#include "builder/trust/secret_value.h"
#include "minibuild/base/text.h"

namespace minibuild::trust {
namespace {

using namespace std::string_view_literals;

// `file` is the last component of `path`.
bool matches(std::string_view name, std::string_view path, std::string_view file) {
  if (name.front() == '*') return file.size() >= name.size() && file.ends_with(name.substr(1));
  if (name.back() == '*')
    return file.size() >= name.size() && file.starts_with(name.substr(0, name.size() - 1));
  if (file.size() >= name.size()) return file == name;
  return path.ends_with(name) && (path.size() == name.size() || path[path.size() - name.size() - 1] == '/');
}

// Names of patterns and of code, which hold no secret of their own.
bool is_harmless(std::string_view path) {
  static constexpr auto ends = {".example"sv, ".sample"sv, ".template"sv, ".tmpl"sv,   ".dist"sv,
                                ".tpl"sv,     ".pub"sv,    ".defaults"sv, ".schema"sv, ".md"sv};
  return std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return path.ends_with(end); });
}

bool any_line(std::string_view text, const std::function<bool(std::string_view)>& test) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = base::trim(text.substr(at, end - at));
    if (!line.empty() && line[0] != '#' && line[0] != ';' && !line.starts_with("// ") && test(line))
      return true;
    at = end + 1;
  }
  return false;
}

std::string_view unquoted(std::string_view value) {
  value = base::trim(value);
  if (!value.empty() && value.back() == ',') value.remove_suffix(1);
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  return value;
}

// `NAME=value` or `NAME: value`, with quotes around either.
bool is_assignment(std::string_view line) {
  const size_t at = line.find_first_of(line.starts_with("//") ? "=" : "=:");  // `//host/:_auth=` of npm
  if (at == std::string_view::npos) return false;
  std::string_view name = base::trim(line.substr(0, at));
  if (name.starts_with("export ")) name.remove_prefix(7);
  const std::string_view value = unquoted(line.substr(at + 1));
  return (names_a_secret(unquoted(name)) || name.ends_with("_auth")) && value.size() >= 4 &&
         value[0] != '/' && !is_placeholder(value) && value != "null" && value != "true" && value != "false";
}

bool is_value(std::string_view line) {
  if (line[0] == '[' && line.back() == ']') return false;
  const size_t at = line.find_first_of("=: ");
  const std::string_view value = unquoted(at == std::string_view::npos ? line : line.substr(at + 1));
  return value.size() >= 4 && !is_placeholder(value);
}

// The file is a value and nothing else, perhaps in several lines of Base64.
bool is_bare_value(std::string_view text) {
  text = base::trim(text);
  size_t longest = 0;
  for (const std::string& line : base::split(text, '\n')) {
    if (line.find_first_of(" \t:") != std::string::npos) return false;
    longest = std::max(longest, line.size());
  }
  const std::string_view first = text.substr(0, text.find('\n'));
  return longest >= 16 && entropy(first) >= 3.5 && first.find_first_of("0123456789") != std::string::npos;
}

bool has_fields(std::string_view line) {
  line = line.substr(0, line.find('@'));  // `https://user:password@host`
  const size_t at = line.rfind(':');
  const std::string_view value = at == std::string_view::npos ? "" : line.substr(at + 1);
  return value.size() >= 3 && !value.starts_with("//") && !is_placeholder(value);
}

// `name:$6$salt$hash:…` of crypt(5).
bool has_hash(std::string_view line) {
  const size_t colon = line.find(':');
  return colon != std::string_view::npos && line.substr(colon + 1, 1) == "$";
}

bool has_key_store(std::string_view head) {
  if (head.starts_with("\xFE\xED\xFE\xED"sv))
    return head.size() > 16 && head[15] == 1;  // the first entry is a private key
  // keyBag and pkcs8ShroudedKeyBag (RFC 7292, appendix D)
  static constexpr auto bag = "\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x0A\x01"sv;
  for (size_t at = head.find(bag); at != std::string_view::npos; at = head.find(bag, at + 1))
    if (at + bag.size() < head.size() && (head[at + bag.size()] == 1 || head[at + bag.size()] == 2))
      return true;
  return false;
}

// A name in quotes or without, a colon, and a value that is no placeholder.
bool has_field(std::string_view text, std::initializer_list<std::string_view> names) {
  return any_line(text, [&](std::string_view line) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      for (size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
        if (at > 0 && (std::isalnum(static_cast<unsigned char>(line[at - 1])) != 0 || line[at - 1] == '-'))
          continue;
        const std::string_view rest = line.substr(at + name.size());
        const size_t colon = rest.find_first_not_of("\" \t");
        if (colon == std::string_view::npos || rest[colon] != ':') continue;
        const std::string_view value =
            rest.substr(std::min(rest.find_first_not_of(": \t\"'", colon), rest.size()));
        const std::string_view word = value.substr(0, value.find_first_of("\"', \t}"));
        if (word.size() >= 4 && !is_placeholder(word)) return true;
      }
      return false;
    });
  });
}

}  // namespace

const std::vector<SecretFileRule>& secret_file_rules() {
  using enum SecretLook;
  static const std::vector<SecretFileRule> rules = {
      {"file-env", {".env", ".env.*", ".envrc"}, "a file of variables with secrets", assignments},
      {"file-ssh-key",
       {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"},
       "a private key of SSH",
       ssh,
       true},
      {"file-aws-credentials", {".aws/credentials"}, "credentials of AWS", values},
      {"file-credentials",
       {"credentials", "credentials.json", "application_default_credentials.json", "credentials.yml",
        "credentials.yaml", "credentials.ini", "credentials.xml", "credentials.toml"},
       "a file of credentials",
       assignments},
      {"file-openvpn", {"*.ovpn"}, "a profile of OpenVPN, which may hold its key", any, true},
      {"file-npmrc", {".npmrc"}, "credentials of npm", assignments},
      {"file-pypirc", {".pypirc"}, "credentials of PyPI", assignments},
      {"file-netrc", {".netrc", "_netrc"}, "passwords by host", values},
      {"file-git-credentials", {".git-credentials", ".config/git/credentials"}, "passwords of git", fields},
      {"file-pgpass", {".pgpass"}, "passwords of PostgreSQL", fields},
      {"file-shadow", {"etc/shadow", "etc/shadow-", "etc/gshadow"}, "hashes of passwords", hashes},
      {"file-rails-key",
       {"config/master.key", "config/credentials/production.key"},
       "the master key of Rails",
       values},
      {"file-htpasswd", {".htpasswd"}, "hashes of passwords", fields},
      {"file-docker-config",
       {".docker/config.json", ".dockercfg", ".dockerconfigjson", "containers/auth.json"},
       "credentials of registries",
       docker},
      {"file-kubeconfig", {"kubeconfig", ".kube/config"}, "credentials of a Kubernetes cluster", cluster},
      {"file-key-store",
       {"*.p12", "*.pfx", "*.jks", "*.keystore"},
       "a store with a private key",
       key_store,
       true},
      {"file-vault-token", {".vault-token"}, "a token of Vault", values},
      {"file-boto", {".boto"}, "credentials of a cloud", assignments},
      {"file-s3cfg", {".s3cfg"}, "credentials of S3", assignments},
      {"file-rclone", {"rclone.conf"}, "credentials of rclone", assignments},
      {"file-terraform-state",
       {"terraform.tfstate", "terraform.tfstate.backup", "*.tfstate"},
       "the state of Terraform with secrets",
       state},
      {"file-gem-credentials", {".gem/credentials"}, "credentials of RubyGems", values},
      {"file-keepass", {"*.kdbx"}, "a database of passwords", any},
  };
  return rules;
}

const SecretFileRule* secret_file_rule(std::string_view path) {
  if (path.find('/') == std::string_view::npos && path.find(':') != std::string_view::npos)
    return nullptr;  // `env:NAME`
  const std::string_view file = path.substr(path.rfind('/') + 1);
  // More components say more: `.aws/credentials` before `credentials`.
  const SecretFileRule* best = nullptr;
  size_t longest = 0;
  for (const SecretFileRule& rule : secret_file_rules())
    for (const std::string_view name : rule.names)
      if (name.size() > longest && matches(name, path, file)) {
        best = &rule;
        longest = name.size();
      }
  return best == nullptr || is_harmless(path) ? nullptr : best;
}

bool holds_secret(SecretLook look, std::string_view head) {
  if (base::trim(head).empty() || head.find("minibuild:allow") != std::string_view::npos) return false;
  switch (look) {
    case SecretLook::any:
      return true;
    case SecretLook::assignments:
      return any_line(head, is_assignment) ||
             has_field(head, {"private_key", "client_secret", "refresh_token"}) || is_bare_value(head);
    case SecretLook::values:
      return any_line(head, is_value);
    case SecretLook::hashes:
      return any_line(head, has_hash);
    case SecretLook::fields:
      return any_line(head, has_fields);
    case SecretLook::ssh:
      return head.find("PRIVATE KEY") != std::string_view::npos || !base::is_utf8(head) ||
             (is_bare_value(head) && !head.starts_with("ssh-") && !head.starts_with("ecdsa-"));
    case SecretLook::cluster:
      return has_field(head, {"token", "password", "client-key-data", "id-token", "refresh-token"});
    case SecretLook::docker:
      return has_field(head, {"auth", "identitytoken", "registrytoken"});
    case SecretLook::key_store:
      return has_key_store(head);
    case SecretLook::state:
      return any_line(head, is_assignment);
  }
  return false;
}

}  // namespace minibuild::trust
