// The texts of a config: variables, labels, commands, history.
#include "builder/trust/secret_value.h"
#include "minibuild/base/sha256.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::trust {
namespace {

// `DB_PASSWORD` with a value that is more than a path, a number, a switch or a placeholder.
bool is_secret_variable(std::string_view name, std::string_view value) {
  if (!names_a_secret(name) || value.size() < 4 || is_placeholder(value)) return false;
  if (value.front() == '/' || value.find("://") != std::string_view::npos) return false;
  if (value.find_first_not_of("0123456789.") == std::string_view::npos) return value.size() >= 8;
  static constexpr std::string_view switches[] = {"true",     "false",   "none",     "null",
                                                  "always",   "never",   "auto",     "enabled",
                                                  "disabled", "default", "required", "optional"};
  for (const std::string_view word : switches)
    if (value == word) return false;
  return true;
}

}  // namespace

std::vector<ConfigFinding> scan_texts(const std::vector<ConfigText>& texts) {
  std::vector<ConfigFinding> findings;
  for (const ConfigText& text : texts) {
    const bool variable = text.place.starts_with("env:") || text.place.starts_with("label:");
    const std::string_view name =
        std::string_view(text.place).substr(variable ? text.place.find(':') + 1 : 0);
    std::vector<SecretFinding> found = scan_secrets(text.place, text.text);
    if (found.empty() && variable && text.text.find("minibuild:allow") == std::string::npos &&
        is_secret_variable(name, text.text)) {
      base::Sha256 hash;
      hash.update("variable").update(std::string_view("\0", 1)).update(text.place);
      hash.update(std::string_view("\0", 1)).update(text.text);
      found.push_back({.rule = "variable",
                       .offset = 0,
                       .line = 1,
                       .column = 1,
                       .excerpt = "…",
                       .fingerprint = base::to_hex(hash.finish())});
    }
    for (SecretFinding& finding : found) findings.push_back({text.place, std::move(finding)});
  }
  return findings;
}

std::vector<ConfigText> texts_of(const oci::ImageConfig& config) {
  std::vector<ConfigText> texts;
  for (const auto& [name, value] : config.env) texts.push_back({"env:" + name, value});
  for (const auto& [name, value] : config.labels) texts.push_back({"label:" + name, value});
  if (!config.cmd.empty()) texts.push_back({"cmd", base::join(config.cmd, " ")});
  if (!config.entrypoint.empty()) texts.push_back({"entrypoint", base::join(config.entrypoint, " ")});
  for (size_t i = 0; i < config.history.size(); ++i) {
    const oci::History& one = config.history[i];
    const std::string text = one.comment.empty() ? one.created_by : one.created_by + "\n" + one.comment;
    if (!text.empty()) texts.push_back({"history:" + std::to_string(i), text});
  }
  return texts;
}

}  // namespace minibuild::trust
