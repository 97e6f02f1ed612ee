#include "builder/spec/yaml.h"

#include <libfyaml.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "minibuild/base/text.h"

namespace minibuild::spec {

namespace {

constexpr size_t max_nodes = 200'000;
constexpr int max_depth = 64;
constexpr size_t max_aliased = size_t{16} << 20;  // bytes of text that aliases repeat

// Thrown inside this file when reading cannot go on; the diagnostic is already there.
struct Stop {};

class YamlReader {
 public:
  YamlReader(std::string_view source, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
    fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = nullptr;
    diag_config.output_fn = [](fy_diag*, void*, const char*, size_t) {};
    diag_ = fy_diag_create(&diag_config);
    fy_diag_set_collect_errors(diag_, true);
    fy_parse_cfg config{};
    config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                                   FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE);
    config.diag = diag_;
    parser_ = fy_parser_create(&config);
    fy_parser_set_string(parser_, source.data(), source.size());
  }
  ~YamlReader() {
    fy_parser_destroy(parser_);
    fy_diag_destroy(diag_);
  }
  YamlReader(const YamlReader&) = delete;
  YamlReader& operator=(const YamlReader&) = delete;
  YamlReader(YamlReader&&) = delete;
  YamlReader& operator=(YamlReader&&) = delete;

  bool read(YamlNode& root) {
    try {
      return read_stream(root);
    } catch (const Stop&) {
      return false;
    }
  }

 private:
  // An event that gives itself back.
  using Event = std::unique_ptr<fy_event, std::function<void(fy_event*)>>;

  Event next() {
    fy_event* event = fy_parser_parse(parser_);
    if (event == nullptr && fy_parser_get_stream_error(parser_)) syntax_error();
    return {event, [this](fy_event* one) {
              if (one != nullptr) fy_parser_event_free(parser_, one);
            }};
  }

  [[noreturn]] void syntax_error() {
    void* previous = nullptr;
    bool any = false;
    while (const fy_diag_error* error = fy_diag_errors_iterate(diag_, &previous)) {
      if (any) break;  // what follows the first is only its consequence
      const Position position{std::max(1, error->line), std::max(1, error->column)};
      report(position, "syntax", fmt_message(error->msg));
      any = true;
    }
    if (!any) report({last_.line, last_.column}, "syntax", "this is not well-formed YAML");
    throw Stop{};
  }

  static std::string fmt_message(const char* message) {
    return "this is not well-formed YAML: " + base::printable(message == nullptr ? "syntax error" : message);
  }

  void report(Position position, std::string rule, std::string message) {
    diagnostics_.push_back({Severity::error, std::move(rule), position, std::move(message)});
  }

  [[noreturn]] void stop(Position position, std::string rule, std::string message) {
    report(position, std::move(rule), std::move(message));
    throw Stop{};
  }

  Position position_of(fy_token* token) {
    const fy_mark* mark = token == nullptr ? nullptr : fy_token_start_mark(token);
    if (mark != nullptr) last_ = {mark->line + 1, mark->column + 1};
    return last_;
  }

  bool read_stream(YamlNode& root) {
    bool seen = false;
    while (const Event event = next()) {
      switch (event->type) {
        case FYET_STREAM_START:
        case FYET_DOCUMENT_END:
          break;
        case FYET_DOCUMENT_START:
          if (seen)
            stop(position_of(event->document_start.document_start), "syntax",
                 "a second document begins here; a spec is one document");
          break;
        case FYET_STREAM_END:
          return finish(seen);
        default:
          root = read_node(*event, 0);
          seen = true;
      }
    }
    if (fy_parser_get_stream_error(parser_)) syntax_error();
    return finish(seen);
  }

  bool finish(bool seen) {
    if (!seen) report({1, 1}, "syntax", "the spec is empty; it begins with 'minibuild: 1'");
    return seen;
  }

  void count(const YamlNode& node) {
    if (++nodes_ > max_nodes) stop(node.position, "limit", "the spec has more than 200000 values");
  }

  void check_tag(fy_token* tag) {
    if (tag == nullptr) return;
    size_t length = 0;
    const char* text = fy_token_get_text(tag, &length);
    const std::string_view name(text == nullptr ? "" : text, text == nullptr ? 0 : length);
    if (!name.starts_with("tag:yaml.org,2002:") && name != "!")
      stop(position_of(tag), "syntax", "tags such as '" + base::printable(name) + "' are not part of a spec");
  }

  void keep_anchor(fy_token* anchor, const YamlNode& node) {
    if (anchor == nullptr) return;
    size_t length = 0;
    const char* text = fy_token_get_text(anchor, &length);
    if (text != nullptr) anchors_[std::string(text, length)] = node;
  }

  YamlNode read_node(const fy_event& event, int depth) {
    YamlNode node;
    if (depth > max_depth) stop(last_, "limit", "the spec is nested more than 64 deep");
    switch (event.type) {
      case FYET_SCALAR:
        node = read_scalar(event);
        break;
      case FYET_ALIAS:
        node = read_alias(event);
        break;
      case FYET_SEQUENCE_START:
        node = read_sequence(event, depth);
        break;
      case FYET_MAPPING_START:
        node = read_mapping(event, depth);
        break;
      default:
        stop(last_, "syntax", "this is not well-formed YAML");
    }
    return node;
  }

  YamlNode read_scalar(const fy_event& event) {
    YamlNode node;
    check_tag(event.scalar.tag);
    node.position = position_of(event.scalar.value);
    size_t length = 0;
    const char* text =
        event.scalar.value == nullptr ? nullptr : fy_token_get_text(event.scalar.value, &length);
    if (text != nullptr) node.text.assign(text, length);
    const fy_scalar_style style =
        event.scalar.value == nullptr ? FYSS_PLAIN : fy_token_scalar_style(event.scalar.value);
    node.plain = style == FYSS_PLAIN || style == FYSS_ANY;
    // The mark stands behind the quote.
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node.position.column > 1)
      --node.position.column;
    node.inline_style =
        style != FYSS_LITERAL && style != FYSS_FOLDED && node.text.find('\n') == std::string::npos;
    count(node);
    keep_anchor(event.scalar.anchor, node);
    return node;
  }

  YamlNode read_alias(const fy_event& event) {
    Position position = position_of(event.alias.anchor);
    if (position.column > 1) --position.column;  // the mark stands behind the `*`
    size_t length = 0;
    const char* text = fy_token_get_text(event.alias.anchor, &length);
    const auto it = anchors_.find(std::string(text == nullptr ? "" : text, text == nullptr ? 0 : length));
    if (it == anchors_.end())
      stop(position, "syntax",
           "the alias '*" + base::printable({text, length}) + "' has no anchor before it");
    count_all(it->second, position);
    return it->second;
  }

  void count_all(const YamlNode& node, Position alias) {
    if (++nodes_ > max_nodes)
      stop(alias, "limit", "with what aliases repeat the spec has more than 200000 values");
    aliased_ += node.text.size();
    for (const YamlNode& item : node.items) count_all(item, alias);
    for (const YamlEntry& entry : node.entries) {
      aliased_ += entry.key.size();
      count_all(entry.value, alias);
    }
    if (aliased_ > max_aliased) stop(alias, "limit", "what aliases repeat is larger than 16 MiB");
  }

  YamlNode read_sequence(const fy_event& event, int depth) {
    YamlNode node;
    node.kind = YamlNode::Kind::sequence;
    check_tag(event.sequence_start.tag);
    node.position = position_of(event.sequence_start.sequence_start);
    count(node);
    while (true) {
      const Event item = next();
      if (!item) stop(last_, "syntax", "this is not well-formed YAML: a list does not end");
      if (item->type == FYET_SEQUENCE_END) break;
      node.items.push_back(read_node(*item, depth + 1));
    }
    keep_anchor(event.sequence_start.anchor, node);
    return node;
  }

  YamlNode read_mapping(const fy_event& event, int depth) {
    YamlNode node;
    node.kind = YamlNode::Kind::mapping;
    check_tag(event.mapping_start.tag);
    node.position = position_of(event.mapping_start.mapping_start);
    count(node);
    std::map<std::string, int> lines;
    while (true) {
      const Event key_event = next();
      if (!key_event) stop(last_, "syntax", "this is not well-formed YAML: a map does not end");
      if (key_event->type == FYET_MAPPING_END) break;
      const YamlNode key = read_node(*key_event, depth + 1);
      if (key.kind != YamlNode::Kind::scalar)
        stop(key.position, "syntax", "a key must be a word, not a list or a map");
      const auto [first, is_new] = lines.try_emplace(key.text, key.position.line);
      if (!is_new)
        report(key.position, "duplicate-key",
               "the key '" + base::printable(key.text) + "' is already on line " +
                   std::to_string(first->second));
      const Event value = next();
      if (!value) stop(last_, "syntax", "this is not well-formed YAML: a value is missing");
      YamlNode child = read_node(*value, depth + 1);
      if (child.kind == YamlNode::Kind::scalar && child.is_null()) child.position = key.position;
      if (is_new) node.entries.push_back({key.text, key.position, std::move(child)});
    }
    keep_anchor(event.mapping_start.anchor, node);
    return node;
  }

  Diagnostics& diagnostics_;
  fy_diag* diag_ = nullptr;
  fy_parser* parser_ = nullptr;
  Position last_{1, 1};
  size_t nodes_ = 0;
  size_t aliased_ = 0;
  std::map<std::string, YamlNode> anchors_;
};

}  // namespace

bool YamlNode::is_null() const {
  return kind == Kind::scalar && plain &&
         (text.empty() || text == "null" || text == "~" || text == "Null" || text == "NULL");
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

bool parse_yaml(std::string_view source, YamlNode& root, Diagnostics& diagnostics) {
  if (source.size() > (size_t{4} << 20)) {
    diagnostics.push_back({Severity::error, "limit", {1, 1}, "the spec is larger than 4 MiB"});
    return false;
  }
  if (!base::is_utf8(source) || source.find('\0') != std::string_view::npos) {
    diagnostics.push_back({Severity::error, "syntax", {1, 1}, "the spec is not UTF-8 text"});
    return false;
  }
  return YamlReader(source, diagnostics).read(root);
}

}  // namespace minibuild::spec
