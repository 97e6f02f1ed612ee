// A whole spec: the keys of the final image, and what holds between its parts.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "builder/spec/reader.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/tree/accounts.h"

namespace minibuild::spec {

const Keys& image_keys() {
  static const Keys keys = {{"minibuild",   "image",       "args",
                             "stages",      "base",        "sources",
                             "packages",    "trim",        "copy",
                             "files",       "remove",      "accounts",
                             "user",        "workdir",     "entrypoint",
                             "cmd",         "env",         "ports",
                             "volumes",     "stop-signal", "labels",
                             "annotations", "layers",      "compression",
                             "epoch",       "platforms",   "package-database",
                             "policy",      "attest"},
                            {}};
  return keys;
}

namespace {

constexpr size_t max_platforms = 64;

class Parser {
 public:
  Parser(const YamlNode& root, const ParseOptions& options, Diagnostics& diagnostics)
      : root_(root), options_(options), reader_(diagnostics) {
    spec_.file = options.file;
    spec_.directory = options.directory.empty() ? "." : options.directory;
  }

  Spec parse() {
    if (!reader_.check_map(root_, "a spec", image_keys(), "minibuild: 1")) return spec_;
    version();
    args();
    reader_.set_variables(variables());
    if (const YamlNode* node = root_.find("image")) images(*node);
    if (const YamlNode* node = root_.find("stages")) spec_.stages = read_stages(reader_, *node);
    if (const YamlNode* node = root_.find("base")) spec_.base = read_base(reader_, *node, false);
    if (const YamlNode* node = root_.find("sources")) spec_.sources = read_sources(reader_, *node);
    if (const YamlNode* node = root_.find("packages")) spec_.packages = read_packages(reader_, *node);
    if (const YamlNode* node = root_.find("trim")) spec_.trim = read_trim(reader_, *node);
    if (const YamlNode* node = root_.find("package-database")) package_database(*node);
    if (const YamlNode* node = root_.find("copy")) spec_.copy = read_copies(reader_, *node);
    if (const YamlNode* node = root_.find("files")) spec_.files = read_files(reader_, *node);
    if (const YamlNode* node = root_.find("remove")) spec_.remove = reader_.globs(*node, "'remove'");
    if (const YamlNode* node = root_.find("accounts")) accounts(*node);
    process();
    metadata();
    writing();
    if (const YamlNode* node = root_.find("policy")) spec_.policy = read_policy(reader_, *node);
    if (const YamlNode* node = root_.find("attest")) spec_.attest = read_attest(reader_, *node);
    places();
    check_stages();
    check_packages();
    return std::move(spec_);
  }

 private:
  void version() {
    const YamlNode* node = root_.find("minibuild");
    if (node == nullptr)
      return reader_.error({1, 1}, "the key 'minibuild' is missing; a spec begins with 'minibuild: 1'",
                           "missing-key");
    if (node->kind != YamlNode::Kind::scalar || node->text != "1")
      reader_.error(
          node->position,
          fmt::format("'minibuild' is '{}', want 1, the version of the spec language that this program reads",
                      base::printable(node->text.substr(0, 40))),
          "version");
  }

  void args() {
    const YamlNode* node = root_.find("args");
    if (node != nullptr && node->kind != YamlNode::Kind::mapping)
      reader_.error(node->position, "'args' must be a map; write args: { VERSION: \"1.0\" }", "type");
    std::vector<std::string> names;
    for (const YamlEntry& entry : node == nullptr ? std::vector<YamlEntry>() : node->entries) {
      const bool good =
          !entry.key.empty() &&
          entry.key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
              std::string::npos &&
          (entry.key[0] < '0' || entry.key[0] > '9');
      if (!good)
        reader_.error(entry.position,
                      fmt::format("'{}' is not the name of an argument: letters, digits and '_'",
                                  base::printable(entry.key)));
      if (entry.key.starts_with("TARGET"))
        reader_.error(entry.position, fmt::format("'{}' is set by minibuild; choose another name",
                                                  base::printable(entry.key)));
      std::string value;
      // Only `$$` means something here: an argument does not refer to another.
      if (entry.value.is_null())
        reader_.error(entry.position,
                      fmt::format("the argument '{}' has no value; write \"\" for an empty one",
                                  base::printable(entry.key)),
                      "type");
      else
        value = reader_.text(entry.value, fmt::format("the argument '{}'", base::printable(entry.key)))
                    .value_or("");
      if (const auto it = options_.set.find(entry.key); it != options_.set.end()) value = it->second;
      names.push_back(entry.key);
      spec_.args.emplace_back(entry.key, value);
    }
    for (const auto& [name, value] : options_.set) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      const std::string close = base::nearest(name, names);
      reader_.error(
          node == nullptr ? Position{1, 1} : node->position,
          fmt::format("--set {}: the spec has no argument of that name{}", base::printable(name),
                      close.empty() ? "; add it to 'args'" : fmt::format("; did you mean '{}'?", close)),
          "undefined");
    }
  }

  Variables variables() const {
    Variables variables(spec_.args.begin(), spec_.args.end());
    variables["TARGETPLATFORM"] = oci::to_string(options_.platform);
    variables["TARGETOS"] = options_.platform.os;
    variables["TARGETARCH"] = options_.platform.architecture;
    variables["TARGETVARIANT"] = options_.platform.variant;
    return variables;
  }

  void images(const YamlNode& node) {
    std::vector<const YamlNode*> items;
    if (node.kind == YamlNode::Kind::sequence)
      for (const YamlNode& item : node.items) items.push_back(&item);
    else
      items.push_back(&node);
    for (const YamlNode* item : items) {
      const auto text =
          reader_.text(*item, "'image'", "a reference such as registry.example.com/team/hello:1.0");
      if (!text) continue;
      try {
        oci::Reference reference = oci::parse_reference(*text);
        if (reference.digest)
          reader_.error(item->position, "'image' names what is built; its digest is not known before");
        spec_.images.push_back(std::move(reference));
      } catch (const base::Error& error) {
        reader_.error(item->position, error.what(), "reference");
      }
    }
  }

  static bool is_account_name(const std::string& name) {
    return !name.empty() && name.size() <= 32 && name[0] != '-' && (name[0] < '0' || name[0] > '9') &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  }

  std::string account_name(const YamlNode& node, std::string_view what) {
    const YamlNode* name = node.find("name");
    if (name == nullptr) {
      reader_.error(node.position, fmt::format("{} needs 'name'", what), "missing-key");
      return {};
    }
    std::string text = reader_.text(*name, "'name'").value_or("");
    if (!name->is_null() && name->kind == YamlNode::Kind::scalar && !is_account_name(text))
      reader_.error(name->position, fmt::format("'{}' is not an account name: up to 32 lower-case letters, "
                                                "digits, '_' and '-', not beginning with a digit or '-'",
                                                base::printable(text)));
    return text;
  }

  // A field of /etc/passwd.
  std::optional<std::string> field(const YamlNode& node, const char* key) {
    const YamlNode* value = node.find(key);
    if (value == nullptr) return std::nullopt;
    auto text = reader_.text(*value, fmt::format("'{}'", key));
    if (text && text->find_first_of(std::string_view(":\n\r\0", 4)) != std::string::npos)
      reader_.error(value->position,
                    fmt::format("'{}' holds a ':' or a line end, which /etc/passwd cannot", key));
    return text;
  }

  void accounts(const YamlNode& node) {
    if (!reader_.check_map(node, "'accounts'", {{"users", "groups"}, {}},
                           "{ users: [{ name: app, uid: 10001 }] }"))
      return;
    spec_.has_accounts = true;
    std::set<std::string> names;
    std::set<uint32_t> ids;
    const auto list = [&](const char* key) -> std::vector<YamlNode> {
      const YamlNode* items = node.find(key);
      if (items == nullptr) return {};
      if (items->kind == YamlNode::Kind::sequence) return items->items;
      reader_.error(items->position,
                    fmt::format("'{}' must be a list; write - {{ name: app, {}: 10001 }}", key,
                                *key == 'u' ? "uid" : "gid"),
                    "type");
      return {};
    };
    for (const YamlNode& item : list("users")) {
      if (!reader_.check_map(item, "a user", {{"name", "uid", "gid", "home", "shell", "gecos"}, {}},
                             "{ name: app, uid: 10001 }"))
        continue;
      AccountUser user;
      user.position = item.position;
      user.name = account_name(item, "a user");
      if (const YamlNode* uid = item.find("uid"))
        user.uid = static_cast<uint32_t>(reader_.number(*uid, "'uid'", 0, tree::max_id).value_or(0));
      else
        reader_.error(item.position, "a user needs 'uid'; write { name: app, uid: 10001 }", "missing-key");
      if (const YamlNode* gid = item.find("gid"))
        user.gid = static_cast<uint32_t>(reader_.number(*gid, "'gid'", 0, tree::max_id).value_or(0));
      user.home = field(item, "home");
      if (user.home && !user.home->starts_with('/'))
        reader_.error(item.find("home")->position, "'home' must be an absolute path");
      user.shell = field(item, "shell");
      user.gecos = field(item, "gecos").value_or("");
      if (!user.name.empty() && !names.insert(user.name).second)
        reader_.error(item.position, fmt::format("the user '{}' is listed twice", user.name));
      if (item.find("uid") != nullptr && !ids.insert(user.uid).second)
        reader_.error(item.position, fmt::format("the uid {} is listed twice", user.uid));
      spec_.users.push_back(std::move(user));
    }
    names.clear();
    for (const YamlNode& item : list("groups")) {
      if (!reader_.check_map(item, "a group", {{"name", "gid", "members"}, {}}, "{ name: app, gid: 10001 }"))
        continue;
      AccountGroup group;
      group.position = item.position;
      group.name = account_name(item, "a group");
      if (const YamlNode* gid = item.find("gid"))
        group.gid = static_cast<uint32_t>(reader_.number(*gid, "'gid'", 0, tree::max_id).value_or(0));
      else
        reader_.error(item.position, "a group needs 'gid'; write { name: app, gid: 10001 }", "missing-key");
      if (const YamlNode* members = item.find("members"))
        for (const std::string& member : reader_.texts(*members, "'members'", "[app]")) {
          if (!is_account_name(member))
            reader_.error(members->position,
                          fmt::format("'{}' is not an account name", base::printable(member)));
          group.members.push_back(member);
        }
      if (!group.name.empty() && !names.insert(group.name).second)
        reader_.error(item.position, fmt::format("the group '{}' is listed twice", group.name));
      spec_.groups.push_back(std::move(group));
    }
  }

  void process() {
    if (const YamlNode* node = root_.find("user")) {
      spec_.user = reader_.user(*node, "'user'");
    }
    if (const YamlNode* node = root_.find("workdir"))
      spec_.workdir = reader_.absolute_path(*node, "'workdir'");
    if (const YamlNode* node = root_.find("entrypoint"))
      spec_.entrypoint = reader_.texts(*node, "'entrypoint'", "entrypoint: [/usr/bin/hello]");
    if (const YamlNode* node = root_.find("cmd")) spec_.cmd = reader_.texts(*node, "'cmd'", "cmd: [--help]");
    if (const YamlNode* node = root_.find("env")) spec_.env = reader_.environment(*node);
    if (const YamlNode* node = root_.find("ports")) ports(*node);
    if (const YamlNode* node = root_.find("volumes"))
      spec_.volumes = reader_.absolute_paths(*node, "'volumes'");
    if (const YamlNode* node = root_.find("stop-signal")) stop_signal(*node);
  }

  // `names` of the items of a list, as they were read: variables have their values. They fit the list if
  // there are no errors.
  void note_places(std::string_view key, const std::string& name,
                   const std::vector<std::string>& names = {}) {
    const YamlNode* node = root_.find(key);
    if (node == nullptr) return;
    spec_.places[name] = node->position;
    for (const YamlEntry& entry : node->entries) spec_.places[name + ":" + entry.key] = entry.position;
    for (size_t i = 0; i < std::min(names.size(), node->items.size()); ++i)
      spec_.places.emplace(name + ":" + names[i], node->items[i].position);
    if (node->kind == YamlNode::Kind::scalar && names.size() == 1)
      spec_.places.emplace(name + ":" + names.front(), node->position);
  }

  void places() {
    for (const char* key : {"user", "workdir", "entrypoint", "cmd", "env"}) note_places(key, key);
    note_places("labels", "label");
    note_places("annotations", "annotation");
    note_places("volumes", "volume", spec_.volumes);
    std::vector<std::string> names;
    for (const oci::Reference& image : spec_.images) names.push_back(oci::to_string(image));
    note_places("image", "image", names);
    names.clear();
    for (const Port& port : spec_.ports) names.push_back(fmt::format("{}/{}", port.number, port.protocol));
    note_places("ports", "port", names);
  }

  void ports(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::sequence)
      return reader_.error(node.position, "'ports' must be a list; write ports: [8080, 53/udp]", "type");
    for (const YamlNode& item : node.items) {
      const auto text = reader_.text(item, "a port", "8080 or 53/udp");
      if (!text) continue;
      Port port;
      const size_t slash = text->find('/');
      const auto number = base::parse_number(std::string_view(*text).substr(0, slash), 65535);
      if (slash != std::string::npos) port.protocol = text->substr(slash + 1);
      const bool protocol = port.protocol == "tcp" || port.protocol == "udp" || port.protocol == "sctp";
      if (!number || *number == 0 || !protocol) {
        reader_.error(item.position,
                      fmt::format("'{}' is not a port; write one such as 8080, 8080/tcp or 53/udp",
                                  base::printable(*text)));
        continue;
      }
      port.number = static_cast<uint32_t>(*number);
      spec_.ports.push_back(port);
    }
  }

  void stop_signal(const YamlNode& node) {
    spec_.stop_signal = reader_.text(node, "'stop-signal'", "SIGTERM");
    if (!spec_.stop_signal) return;
    static const std::vector<std::string> names = {"SIGHUP",  "SIGINT",  "SIGQUIT",  "SIGKILL", "SIGUSR1",
                                                   "SIGUSR2", "SIGTERM", "SIGWINCH", "SIGABRT", "SIGALRM",
                                                   "SIGCONT", "SIGSTOP", "SIGTSTP",  "SIGPWR",  "SIGRTMIN+3"};
    const auto number = base::parse_number(*spec_.stop_signal, 64);
    if ((number && *number > 0) || std::find(names.begin(), names.end(), *spec_.stop_signal) != names.end())
      return;
    const std::string close = base::nearest(*spec_.stop_signal, names);
    reader_.error(node.position, fmt::format("'{}' is not a signal; {}", base::printable(*spec_.stop_signal),
                                             close.empty() ? "write one such as SIGTERM"
                                                           : fmt::format("did you mean '{}'?", close)));
  }

  void metadata() {
    if (const YamlNode* node = root_.find("labels")) spec_.labels = reader_.text_map(*node, "'labels'");
    if (const YamlNode* node = root_.find("annotations"))
      spec_.annotations = reader_.text_map(*node, "'annotations'");
    if (const YamlNode* node = root_.find("epoch")) {
      if (const auto text =
              reader_.text(*node, "'epoch'", "seconds since 1970 or a time such as 2026-01-31T00:00:00Z")) {
        spec_.epoch = base::parse_time(*text);
        if (!spec_.epoch)
          reader_.error(
              node->position,
              fmt::format("'epoch' is '{}', want seconds since 1970 or a time such as 2026-01-31T00:00:00Z",
                          base::printable(*text)));
      }
    }
    if (const YamlNode* node = root_.find("platforms")) platforms(*node);
  }

  void platforms(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::sequence && node.items.empty())
      reader_.error(node.position, "'platforms' is empty; leave it out for this machine's platform");
    if (node.items.size() > max_platforms)
      return reader_.error(node.position, fmt::format("'platforms' has {} entries, want at most {}",
                                                      node.items.size(), max_platforms));
    for (const std::string& text :
         reader_.texts(node, "'platforms'", "platforms: [linux/amd64, linux/arm64]")) {
      const auto platform = oci::parse_platform(text);
      if (!platform)
        reader_.error(
            node.position,
            fmt::format("'{}' is not a platform; write one such as linux/amd64, linux/arm64 or linux/arm/v7",
                        base::printable(text)));
      else if (std::find(spec_.platforms.begin(), spec_.platforms.end(), *platform) != spec_.platforms.end())
        reader_.error(node.position,
                      fmt::format("the platform '{}' is listed twice", oci::to_string(*platform)));
      else
        spec_.platforms.push_back(*platform);
    }
  }

  void package_database(const YamlNode& node) {
    const auto text = reader_.text(node, "'package-database'", "status.d or dpkg");
    if (text && *text != "status.d" && *text != "dpkg")
      reader_.error(node.position,
                    fmt::format("'package-database' is '{}', want 'status.d', one file for each package as "
                                "distroless has it, or 'dpkg', the whole database",
                                base::printable(*text)));
    spec_.full_package_database = text && *text == "dpkg";
  }

  // What holds between packages, sources and trim.
  void check_packages() {
    const auto needs_source = [&](const std::vector<PackageEntry>& packages) {
      for (const PackageEntry& entry : packages)
        if (entry.name != "*" && spec_.sources.empty()) {
          reader_.error(entry.position,
                        "packages need 'sources'; write sources: { debian: { deb: "
                        "\"https://snapshot.debian.org/archive/debian/20260901T000000Z\", suites: [trixie], "
                        "components: "
                        "[main], keys: [/usr/share/keyrings/debian-archive-keyring.gpg] } }",
                        "missing-key");
          return;
        }
    };
    const auto known_sources = [&](const std::vector<PackageEntry>& packages) {
      std::vector<std::string> names;
      for (const Source& source : spec_.sources) names.push_back(source.name);
      for (const PackageEntry& entry : packages)
        if (!entry.from.empty() && std::find(names.begin(), names.end(), entry.from) == names.end())
          reader_.error(entry.position, fmt::format("there is no source '{}'; 'sources' has: {}",
                                                    base::printable(entry.from), base::join(names, ", ")));
    };
    const auto check = [&](const std::vector<PackageEntry>& packages) {
      needs_source(packages);
      if (!spec_.sources.empty()) known_sources(packages);
    };
    check(spec_.packages);
    for (const Stage& stage : spec_.stages) check(stage.packages);
    for (const Source& source : spec_.sources)
      if (source.kind != spec_.sources.front().kind)
        reader_.error(source.position,
                      fmt::format("the source '{}' is of another kind than '{}'; an image has packages of "
                                  "one kind: write two specs, one the base of the other's copies",
                                  source.name, spec_.sources.front().name));
    if (spec_.trim.on && spec_.packages.empty())
      reader_.error(spec_.trim.position, "'trim' takes away what packages bring; there are no 'packages'");
    if (spec_.trim.on && !spec_.entrypoint && spec_.trim.keep.empty())
      reader_.error(spec_.trim.position, "'trim' keeps what 'entrypoint' needs; add it, or 'keep'");
  }

  void writing() {
    if (const YamlNode* node = root_.find("layers")) {
      const auto text = reader_.text(*node, "'layers'", "auto or single");
      if (text && *text != "auto" && *text != "single")
        reader_.error(node->position,
                      fmt::format("'layers' is '{}', want 'auto' or 'single'", base::printable(*text)));
      spec_.single_layer = text && *text == "single";
    }
    if (const YamlNode* node = root_.find("compression")) compression(*node);
  }

  void compression(const YamlNode& node) {
    const YamlNode* name = &node;
    const YamlNode* level = nullptr;
    if (node.kind == YamlNode::Kind::mapping) {
      if (!reader_.check_map(node, "'compression'", {{"algorithm", "level"}, {}},
                             "{ algorithm: zstd, level: 6 }"))
        return;
      name = node.find("algorithm");
      level = node.find("level");
      if (name == nullptr)
        return reader_.error(node.position,
                             "'compression' needs 'algorithm'; write { algorithm: zstd, level: 6 }",
                             "missing-key");
    }
    const auto text = reader_.text(*name, "'compression'", "zstd, gzip or none");
    if (!text) return;
    if (*text == "zstd") {
      spec_.compression = {Algorithm::zstd, 3};
    } else if (*text == "gzip") {
      spec_.compression = {Algorithm::gzip, 6};
    } else if (*text == "none") {
      spec_.compression = {Algorithm::none, 0};
      if (level != nullptr) reader_.error(level->position, "'none' has no level");
      return;
    } else {
      return reader_.error(name->position, fmt::format("'{}' is not a compression; write zstd, gzip or none",
                                                       base::printable(*text)));
    }
    if (level == nullptr) return;
    const bool zstd = spec_.compression.algorithm == Algorithm::zstd;
    if (const auto value = reader_.number(*level, "'level'", 1, zstd ? 19 : 12))
      spec_.compression.level = static_cast<int>(*value);
  }

  std::vector<std::string> stage_names() const {
    std::vector<std::string> names;
    for (const Stage& stage : spec_.stages) names.push_back(stage.name);
    return names;
  }

  void check_reference(const std::string& name, Position position) {
    const std::vector<std::string> names = stage_names();
    if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
    const std::string close = base::nearest(name, names);
    reader_.error(position,
                  fmt::format("there is no stage '{}'{}", base::printable(name),
                              !close.empty()  ? fmt::format("; did you mean '{}'?", close)
                              : names.empty() ? std::string("; the spec has no stages")
                                              : fmt::format("; the stages are {}", one_of(names))),
                  "unknown-stage");
  }

  void check_stages() {
    // All that goes along stages has an end that way; what a person or a generator writes is far from it.
    if (constexpr size_t most = 500; spec_.stages.size() > most) {
      reader_.error(spec_.stages[most].position, fmt::format("the spec has more than {} stages", most));
      return;
    }
    const auto check_base = [this](const Base& base) {
      if (const auto* stage = std::get_if<BaseStage>(&base.what)) check_reference(stage->name, base.position);
    };
    const auto check_copies = [this](const std::vector<Copy>& copies) {
      for (const Copy& copy : copies)
        if (copy.stage) check_reference(*copy.stage, copy.position);
    };
    check_base(spec_.base);
    check_copies(spec_.copy);
    for (const Stage& stage : spec_.stages) {
      check_base(stage.base);
      check_copies(stage.copy);
    }
    std::vector<std::string> path;
    std::set<std::string> done;
    for (const Stage& stage : spec_.stages) find_cycle(stage, path, done);
  }

  // Depth first along what stages need; a stage met again on the way closes a circle.
  void find_cycle(const Stage& stage, std::vector<std::string>& path, std::set<std::string>& done) {
    if (const auto met = std::find(path.begin(), path.end(), stage.name); met != path.end()) {
      std::vector<std::string> circle(met, path.end());
      circle.push_back(stage.name);
      reader_.error(stage.position,
                    fmt::format("the stages need each other in a circle: {}", base::join(circle, " -> ")),
                    "stage-cycle");
      return;
    }
    if (!done.insert(stage.name).second || path.size() > 1000) return;
    path.push_back(stage.name);
    const auto visit = [&](const std::string& name) {
      const auto next = std::find_if(spec_.stages.begin(), spec_.stages.end(),
                                     [&](const Stage& one) { return one.name == name; });
      if (next != spec_.stages.end()) {
        if (std::find(path.begin(), path.end(), name) != path.end()) done.erase(name);
        find_cycle(*next, path, done);
      }
    };
    if (const auto* base = std::get_if<BaseStage>(&stage.base.what)) visit(base->name);
    for (const Copy& copy : stage.copy)
      if (copy.stage) visit(*copy.stage);
    path.pop_back();
  }

  const YamlNode& root_;
  const ParseOptions& options_;
  Reader reader_;
  Spec spec_;
};

}  // namespace

ParseResult parse(std::string_view source, const ParseOptions& options) {
  ParseResult result;
  if (source.starts_with("\xEF\xBB\xBF")) source.remove_prefix(3);  // a byte order mark says nothing here
  YamlNode root;
  if (parse_yaml(source, root, result.diagnostics))
    result.spec = Parser(root, options, result.diagnostics).parse();
  sort(result.diagnostics);
  shorten(result.diagnostics);
  return result;
}

oci::ImageLocation parse_image_location(std::string_view text, std::string_view fault) {
  const auto fail = [&](std::string_view why) -> oci::ImageLocation {
    throw base::Error(base::Code::usage, fmt::format("'{}' {}", base::printable(text.substr(0, 300)), why));
  };
  const size_t colon = text.find(':');
  const std::string_view transport = text.substr(0, colon);
  std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const std::string_view first = text.substr(0, text.find('/'));
  const bool on_disk = transport == "oci" || transport == "oci-archive" || transport == "docker-archive";
  const bool bare = !on_disk && first.size() < text.size() && !text.starts_with('.') &&
                    !rest.starts_with("//") &&
                    (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  if (bare || (transport == "docker" && rest.starts_with("//"))) {
    const std::string_view name = bare ? text : rest.substr(2);
    const oci::Reference reference = oci::parse_reference(name);
    if (reference.host.empty())
      return fail(fmt::format("has no host; short names are not used: write 'docker://docker.io/{}{}'",
                              reference.repository.find('/') == std::string::npos ? "library/" : "",
                              oci::to_string(reference)));
    return {oci::Transport::registry, std::string(name), ""};
  }
  if (rest.empty() || rest.find_first_of(std::string_view("\0\n", 2)) != std::string_view::npos || !on_disk)
    return fail(fault);
  oci::ImageLocation location;
  location.transport = transport == "oci"           ? oci::Transport::oci_layout
                       : transport == "oci-archive" ? oci::Transport::oci_archive
                                                    : oci::Transport::docker_archive;
  if (location.transport == oci::Transport::docker_archive) {
    // FILE:NAME:TAG, as Docker names images.
    const size_t end = rest.find(':');
    if (end != std::string_view::npos) {
      location.tag = std::string(rest.substr(end + 1));
      static_cast<void>(oci::parse_reference(location.tag));
      rest = rest.substr(0, end);
    }
  } else if (const size_t last = rest.rfind(':'); last != std::string_view::npos) {
    location.tag = std::string(rest.substr(last + 1));
    if (!oci::is_tag(location.tag)) return fail("does not end with a valid tag");
    rest = rest.substr(0, last);
    constexpr std::string_view by_digest = "@sha256";
    if (rest.ends_with(by_digest) && base::hash_from_hex(location.tag)) {
      location.tag = "sha256:" + location.tag;
      rest.remove_suffix(by_digest.size());
    }
  }
  if (rest.empty()) return fail("has no path");
  location.path = std::string(rest);
  return location;
}

Position position_of(const Spec& spec, std::string_view place) {
  const auto it = spec.places.find(place);
  return it == spec.places.end() ? Position{} : it->second;
}

}  // namespace minibuild::spec
