#include "builder/build/credentials.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "builder/build/parallel.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/published_files.h"

namespace minibuild::build {

namespace {

constexpr size_t scanned_at_once = size_t{1} << 20;
// A change of the rules looks at every file once more.
constexpr std::string_view rules_version = "credentials 5";

// A path as a glob that means it alone, as YAML has it.
std::string glob_text(const std::string& path) {
  std::string glob;
  bool plain = true;
  for (const char c : path) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) glob += '\\';
    plain = plain && (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      std::string_view("/._-+@").find(c) != std::string_view::npos);
    glob += c;
  }
  return plain ? glob : oci::Json(base::printable(glob)).dump();
}

trust::Violation violation_of(const trust::SecretFinding& finding, const std::string& path,
                              const std::string& where) {
  trust::Violation violation;
  violation.rule = "secret";
  std::string what = "something that looks like a credential";
  std::string advice = "take it out of the image";
  for (const trust::SecretRuleText& rule : trust::secret_rules())
    if (rule.id == finding.rule) {
      what = rule.description;
      advice = rule.advice.substr(0, rule.advice.find(" If it is none"));
      while (advice.ends_with('.')) advice.pop_back();
    }
  const bool whole = finding.rule.starts_with("file-");  // the file itself, by its name
  violation.message =
      fmt::format("{} {} {} ({}{})", where, whole ? "is" : "has", what, finding.rule,
                  whole || finding.excerpt.empty() ? "" : ", " + base::printable(finding.excerpt));
  violation.fix =
      path.empty()
          ? fmt::format("{}; if it is none: policy: {{ allow: [{{ rule: secret, id: {}, reason: ... }}] }}",
                        advice, finding.fingerprint)
          : fmt::format(
                "{}; if it is none: write 'minibuild:allow' into its line, or policy: {{ allow: [{{ rule: "
                "secret, path: {}, reason: ... }}] }}",
                advice, glob_text(path));
  violation.path = path;
  violation.id = finding.fingerprint;
  return violation;
}

std::vector<trust::SecretFinding> scan_file(const std::string& path, const tree::Content& content) {
  trust::SecretScanner scanner(path);
  std::vector<char> buffer(std::min<uint64_t>(content.size, scanned_at_once));
  for (uint64_t at = 0; at < content.size; at += buffer.size()) {
    const std::span<char> bytes(buffer.data(), std::min<uint64_t>(buffer.size(), content.size - at));
    tree::read_content(content, at, bytes);
    scanner.write({bytes.data(), bytes.size()});
  }
  return scanner.finish();
}

// A credential in a file of a layer.
struct LayerFinding {
  std::string path;   // with leading `/`
  uint64_t size = 0;  // of the file
  trust::SecretFinding finding;
};

// `published` is asked for what lies there; none if that is not the file that was searched.
trust::Violation violation_of(const std::string& path, const trust::SecretFinding& finding,
                              trust::PublishedFiles* published) {
  const std::string shown = base::printable(path);
  trust::Violation violation =
      violation_of(finding, path, finding.line > 0 ? fmt::format("{}:{}", shown, finding.line) : shown);
  if (published == nullptr) return violation;
  const auto publisher = published->publisher_of(path.substr(1));
  if (!publisher || !trust::is_mild(finding.rule, path, *publisher)) return violation;
  violation.level = trust::Level::warning;
  violation.message += fmt::format(", as everybody has it with {}", base::printable(publisher->package));
  if (!publisher->exact) violation.message += ", unless it was put there";
  return violation;
}

std::vector<const archive::LayerEntry*> files_of(const archive::LayerPlan& plan) {
  std::vector<const archive::LayerEntry*> files;
  for (const archive::LayerEntry& entry : plan)
    if (entry.node->type == tree::NodeType::file && entry.hard_link.empty() && entry.node->content.size > 0)
      files.push_back(&entry);
  return files;
}

// All of a layer by itself, entry by entry: also one that a later entry of the same layer replaces.
std::vector<LayerFinding> search_layer(const store::ImageLayer& layer, const std::string& name,
                                       store::Cache& cache) {
  const std::shared_ptr<const tree::Archive> archive = store::plain_layer(layer, cache, name);
  const base::Fd file = base::open_file(archive->path);
  base::FdSource source(file.get(), name);
  archive::TarReader reader(source, name, archive::foreign_limits);
  archive::TarEntry entry;
  std::vector<char> buffer(scanned_at_once);
  std::vector<LayerFinding> findings;
  while (reader.next(entry)) {
    if (entry.kind != archive::TarEntry::Kind::file) continue;
    const std::string path = "/" + entry.path;
    trust::SecretScanner scanner(path);
    while (const size_t n = reader.read(buffer)) scanner.write({buffer.data(), n});
    for (trust::SecretFinding& one : scanner.finish())
      findings.push_back({path, entry.node.content.size, std::move(one)});
  }
  return findings;
}

// The same as it is kept for the next build; nothing if that cannot be read. Paths may be no UTF-8.
std::string to_text(const std::vector<LayerFinding>& findings) {
  oci::Json list = oci::Json::array();
  for (const LayerFinding& one : findings)
    list.push_back({base::base64(one.path), one.size, one.finding.rule, one.finding.line,
                    base::base64(one.finding.excerpt), one.finding.fingerprint});
  return list.dump();
}

std::optional<std::vector<LayerFinding>> from_text(const std::string& text) {
  try {
    const oci::Json list = oci::parse_json(text, "what is known of a layer");
    if (!list.is_array()) return std::nullopt;
    std::vector<LayerFinding> findings;
    for (const oci::Json& one : list) {
      LayerFinding finding{
          base::unbase64(one.at(0).get<std::string>()).value(), one.at(1).get<uint64_t>(), {}};
      finding.finding.rule = one.at(2).get<std::string>();
      finding.finding.line = one.at(3).get<int>();
      finding.finding.excerpt = base::unbase64(one.at(4).get<std::string>()).value();
      finding.finding.fingerprint = one.at(5).get<std::string>();
      findings.push_back(std::move(finding));
    }
    return findings;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// Where it is once links of lower layers are followed: `/usr/lib/x` of `/lib/x`.
std::string place_in(const tree::FileTree& tree, const std::string& path) {
  try {
    const std::string place = tree.resolve(path.substr(1), false);
    return tree.find(place) != nullptr ? "/" + place : path;
  } catch (const base::Error&) {
    return path;  // a later layer has other things there
  }
}

std::vector<LayerFinding> findings_of(const store::ImageLayer& layer, const std::string& name,
                                      store::Cache& cache) {
  constexpr size_t most_kept = size_t{16} << 20;
  const base::Hash key = base::Sha256()
                             .update(rules_version)
                             .update("layer")
                             .update(base::as_bytes(layer.diff_id.hash))
                             .finish();
  if (const auto known = cache.find_result(key))
    if (auto findings = from_text(known->value)) return std::move(*findings);
  std::vector<LayerFinding> findings = search_layer(layer, name, cache);
  if (std::string text = to_text(findings); text.size() <= most_kept)
    cache.put_result(key, {"credentials", std::move(text), {}});
  return findings;
}

}  // namespace

std::vector<trust::Violation> find_credentials(const archive::LayerPlan& plan, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs) {
  const std::vector<const archive::LayerEntry*> files = files_of(plan);
  std::mutex mutex;
  std::map<std::string, std::vector<trust::SecretFinding>> found;
  for_each_in_parallel(files.size(), jobs, [&](size_t i) {
    const archive::LayerEntry& entry = *files[i];
    const std::string path = "/" + entry.path;
    const uint64_t size = entry.node->content.size;
    // A new file is read once, for its hash and for this.
    trust::SecretScanner scanner(path);
    uint64_t seen = 0;
    const base::Hash id = store::content_id(entry.node->content, cache, [&](std::string_view bytes) {
      seen += bytes.size();
      scanner.write(bytes);
    });
    const base::Hash key =
        base::Sha256().update(rules_version).update(base::as_bytes(id)).update(path).finish();
    if (cache.is_known_fine(key)) return;
    std::vector<trust::SecretFinding> findings =
        seen == size ? scanner.finish() : scan_file(path, entry.node->content);
    if (findings.empty()) return cache.note_fine(key);
    const std::lock_guard lock(mutex);
    found[path] = std::move(findings);
  });
  std::vector<trust::Violation> violations;
  trust::PublishedFiles published(tree);
  for (const auto& [path, findings] : found)
    for (const trust::SecretFinding& finding : findings)
      if (!baseline.contains(finding)) violations.push_back(violation_of(path, finding, &published));
  return violations;
}

std::vector<trust::Violation> find_credentials(const store::Image& image, const tree::FileTree& tree,
                                               const trust::Baseline& baseline, store::Cache& cache,
                                               int jobs) {
  std::vector<std::vector<LayerFinding>> found(image.layers.size());
  for_each_in_parallel(found.size(), jobs, [&](size_t i) {
    found[i] = findings_of(image.layers[i], fmt::format("layer {}", i + 1), cache);
  });
  std::vector<trust::Violation> violations;
  trust::PublishedFiles published(tree);
  std::set<std::pair<std::string, std::string>> seen;  // path and fingerprint
  for (size_t i = 0; i < found.size(); ++i)
    for (const LayerFinding& one : found[i]) {
      if (baseline.contains(one.finding) || !seen.emplace(one.path, one.finding.fingerprint).second) continue;
      const std::string path = place_in(tree, one.path);
      const tree::Node* shown = tree.find(path.substr(1));
      const bool is_gone = shown == nullptr || shown->content.size != one.size;
      violations.push_back(violation_of(path, one.finding, is_gone ? nullptr : &published));
      if (is_gone)
        violations.back().message +=
            fmt::format(", in layer {}, from which everybody can still take it", i + 1);
    }
  return violations;
}

namespace {

void add_texts(const oci::Json& json, const std::string& place, std::vector<trust::ConfigText>& texts) {
  if (json.is_string()) texts.push_back({place, json.get<std::string>()});
  if (json.is_array()) {
    std::vector<std::string> words;  // of a command: they belong together
    for (const oci::Json& item : json)
      if (item.is_string())
        words.push_back(item.get<std::string>());
      else
        add_texts(item, place, texts);
    texts.push_back({place, base::join(words, " ")});
  }
  if (json.is_object())
    for (const auto& [name, value] : json.items()) add_texts(value, place + ":" + name, texts);
}

// What a config's `config` has besides what is read of it: `Healthcheck`, `OnBuild`, `Shell`, and others'
// own.
std::vector<trust::ConfigText> other_texts(const std::string& config_json) {
  static const std::set<std::string_view> known = {"User",    "ExposedPorts", "Env",    "Entrypoint", "Cmd",
                                                   "Volumes", "WorkingDir",   "Labels", "StopSignal"};
  std::vector<trust::ConfigText> texts;
  if (config_json.empty()) return texts;
  const oci::Json json = oci::parse_json(config_json, "the image's config");
  if (const auto config = json.find("config"); config != json.end() && config->is_object())
    for (const auto& [name, value] : config->items())
      if (!known.contains(name)) add_texts(value, name, texts);
  return texts;
}

}  // namespace

std::vector<trust::Violation> find_credentials(const oci::ImageConfig& config,
                                               const std::map<std::string, std::string>& annotations,
                                               const trust::Baseline& baseline,
                                               const std::string& config_json) {
  std::vector<trust::Violation> violations;
  std::vector<trust::ConfigText> texts = trust::texts_of(config);
  for (const auto& [name, value] : annotations) texts.push_back({"annotation:" + name, value});
  for (trust::ConfigText& text : other_texts(config_json)) texts.push_back(std::move(text));
  for (const trust::ConfigFinding& one : trust::scan_texts(texts))
    if (!baseline.contains(one.finding)) {
      violations.push_back(
          violation_of(one.finding, "", fmt::format("the image's config ({})", base::printable(one.place))));
      violations.back().place = one.place;
    }
  return violations;
}

}  // namespace minibuild::build
