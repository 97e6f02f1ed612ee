#include "builder/build/stages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <set>
#include <thread>

#include "builder/build/caller_network.h"
#include "builder/build/copy.h"
#include "builder/build/download.h"
#include "builder/build/kept.h"
#include "builder/build/missing_program.h"
#include "builder/build/notes.h"
#include "builder/build/packages.h"
#include "builder/build/secret_gate.h"
#include "minibuild/archive/tar.h"
#include "minibuild/base/log_line.h"
#include "minibuild/base/text.h"
#include "minibuild/build/signatures.h"
#include "minibuild/sandbox/sandbox.h"

namespace minibuild::build {

using base::Code;
using base::fail;

namespace {

// What a stage depends on, piece by piece: the name that people know it by, and the hash of its state.
struct Input {
  std::string name;
  base::Hash hash;
};

constexpr std::string_view stage_version = "stage 4";

const char* const host_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void collect(const spec::Spec& spec, const std::string& name, std::vector<const spec::Stage*>& order) {
  const auto found = std::find_if(spec.stages.begin(), spec.stages.end(),
                                  [&](const spec::Stage& s) { return s.name == name; });
  if (found == spec.stages.end()) return;
  if (std::find(order.begin(), order.end(), &*found) != order.end()) return;
  if (const auto* base = std::get_if<spec::BaseStage>(&found->base.what)) collect(spec, base->name, order);
  for (const spec::Copy& copy : found->copy)
    if (copy.stage) collect(spec, *copy.stage, order);
  order.push_back(&*found);
}

spec::Environment environment(const spec::Stage& stage, const Base& base, int64_t epoch) {
  spec::Environment from_base;
  if (base.image) from_base = base.image->config.env;
  spec::Environment env = {{"HOME", "/root"},
                           {"PATH", host_path},
                           {"SOURCE_DATE_EPOCH", std::to_string(epoch)},
                           {"TZ", "UTC"},
                           {"LC_ALL", "C.UTF-8"}};
  const auto set = [&env](const std::string& name, const std::string& value) {
    const auto there =
        std::find_if(env.begin(), env.end(), [&](const auto& entry) { return entry.first == name; });
    if (there != env.end())
      there->second = value;
    else
      env.emplace_back(name, value);
  };
  for (const auto& [name, value] : from_base) set(name, value);
  const spec::Environment before = env;
  for (const auto& [name, value] : stage.env) set(name, spec::expand_base_env(value, before));
  return env;
}

std::string describe_changes(const std::vector<Input>& before, const std::vector<Input>& now) {
  std::map<std::string, base::Hash> old;
  for (const Input& input : before) old.emplace(input.name, input.hash);
  std::vector<std::string> changes;
  for (const Input& input : now) {
    const auto it = old.find(input.name);
    if (it == old.end())
      changes.push_back(input.name + " added");
    else if (it->second != input.hash)
      changes.push_back(input.name + " changed");
    if (it != old.end()) old.erase(it);
  }
  for (const auto& [name, hash] : old) changes.push_back(name + " removed");
  if (changes.empty()) return "the kept result is gone";
  std::string text = changes.front();
  if (changes.size() == 2) text += " and " + changes[1];
  if (changes.size() > 2) text += fmt::format(" and {} more", changes.size() - 1);
  return text;
}

std::string write_inputs(const std::vector<Input>& inputs) {
  std::string out;
  for (const Input& input : inputs)
    out += base::to_hex(input.hash) + " " + base::printable(input.name) + "\n";
  return out;
}

std::vector<Input> read_inputs(const std::string& text) {
  std::vector<Input> inputs;
  for (const std::string& line : base::split(text, '\n'))
    if (line.size() > 65)
      if (const auto hash = base::hash_from_hex(line.substr(0, 64)))
        inputs.push_back({line.substr(65), *hash});
  return inputs;
}

// What the commands write, passed on line by line. Lines come with the secrets' plain forms hidden; those
// that may be the beginning of another form wait for what follows, and where one is complete nothing more is
// shown.
class StageLog {
 public:
  StageLog(const trust::SecretForms& forms, std::function<void(std::string_view)> output)
      : search_(forms), output_(std::move(output)) {}

  void add(std::string_view line) {
    if (hit_) return;
    hit_ = search_.add(std::string(line) + "\n");
    if (hit_) return waiting_.clear();
    waiting_.emplace_back(line);
    waiting_bytes_ += line.size();
    if (!search_.may_begin() || waiting_bytes_ > most_waiting) finish();
  }

  // Shows what waits.
  void finish() {
    for (std::string& line : waiting_) {
      output_(line);
      last_lines_.push_back(std::move(line));
      if (last_lines_.size() > 20) last_lines_.erase(last_lines_.begin());
    }
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  const std::optional<trust::SecretHit>& hit() const { return hit_; }
  const std::vector<std::string>& last_lines() const { return last_lines_; }

 private:
  static constexpr size_t most_waiting = size_t{1} << 20;

  trust::SecretSearch search_;
  std::function<void(std::string_view)> output_;
  std::optional<trust::SecretHit> hit_;
  std::vector<std::string> waiting_;
  size_t waiting_bytes_ = 0;
  std::vector<std::string> last_lines_;
};

// One stage from its inputs to its result.
class StageRun {
 public:
  StageRun(const spec::Stage& stage, const StageContext& context, const StageResults& done)
      : stage_(stage), context_(context), done_(done) {}

  std::shared_ptr<const StageResult> run() {
    const StageForecast known = look();
    refuse_secret_inputs();
    context_.progress.note(stage_.name, known.text);
    if (stage_.network) context_.options.ledger->add_open_stage(stage_.name);
    if (known.result) {
      search_kept(*known.blob);
      return known.result;
    }
    const oci::Digest blob = execute();
    context_.memory.note(key(), blob);
    if (context_.options.stage_runs == StageRuns::apart) return result(blob);
    context_.cache.put_result(key(), {"stage", stage_.name, {blob}});
    context_.cache.put_result(last_key(), {"inputs", write_inputs(inputs_), {}});
    if (const base::Hash id = host_key(base::sha256(base_id_));
        std::holds_alternative<spec::BaseHost>(stage_.base.what) && !context_.cache.find_result(id))
      context_.cache.put_result(id, {"host", sandbox::to_text(context_.memory.host()), {}});
    return result(blob);
  }

  // What can be said before it runs.
  StageForecast look() {
    read_base();
    fill();
    collect_inputs();
    const bool anew = context_.options.stage_runs != StageRuns::needed;
    if (anew) {
      if (const auto done = context_.memory.find(key())) return {"already run", result(*done), done};
      return {"run, as all are", nullptr};
    }
    if (const auto known = context_.cache.find_result(key()); known && known->blobs.size() == 1)
      return {"cached", result(known->blobs.front()), known->blobs.front()};
    const auto last = context_.cache.find_result(last_key());
    if (!last) return {"run, not built before", nullptr};
    const std::vector<Input> before = read_inputs(last->value);
    return {"rerun, " + describe_changes(before, inputs_) + changed_tools(before), nullptr};
  }

 private:
  // Names of inputs are kept and shown; commands and variables are shown, too.
  void refuse_secret_inputs() const {
    if (forms().empty()) return;
    const std::string what = fmt::format("of the stage '{}'", stage_.name);
    for (const spec::Step& step : stage_.run) {
      refuse_secrets(forms(), step.text, "a command " + what);
      for (const std::string& argument : step.argv) refuse_secrets(forms(), argument, "a command " + what);
    }
    for (const auto& [name, value] : environment(stage_, base_, context_.epoch))
      refuse_secrets(forms(), name + "=" + value, "the environment " + what);
    for (const Input& input : inputs_) refuse_secrets(forms(), input.name, "the name of an input " + what);
  }

  // A result that was kept by a build which did not know these secrets.
  void search_kept(const oci::Digest& blob) const {
    try {
      search_result(context_.cache.blob_path(blob));
    } catch (const base::Error& error) {
      if (error.code() == Code::refused) context_.cache.forget_blob(blob);
      throw;
    }
  }

  void search_result(const std::string& path) const {
    refuse_secrets_of_stage(forms(), stage_.name, path, [&] {
      const auto archive = std::make_shared<const tree::Archive>(tree::Archive{path, {}});
      return archive::read_tar(archive, fmt::format("the result of the stage '{}'", stage_.name),
                               archive::stage_limits);
    });
  }

  // Which of the host's tools changed, if that is what changed.
  std::string changed_tools(const std::vector<Input>& before) const {
    if (!host_) return {};
    const base::Hash now = base::sha256(base_id_);
    const auto old = std::find_if(before.begin(), before.end(),
                                  [&](const Input& input) { return input.name == base_name(); });
    if (old == before.end() || old->hash == now) return {};
    const auto known = context_.cache.find_result(host_key(old->hash));
    if (!known) return {};
    const std::string changed =
        sandbox::changed_in(sandbox::parse_host_state(known->value), context_.memory.host());
    return changed.empty() ? "" : fmt::format(" ({})", changed);
  }

  static base::Hash host_key(const base::Hash& id) {
    return base::Sha256().update("host state").update(base::as_bytes(id)).finish();
  }

  std::string base_name() const {
    if (const auto* other = std::get_if<spec::BaseStage>(&stage_.base.what))
      return "the stage " + other->name;
    return host_ ? "the host's tools" : "the base";
  }

  void read_base() {
    if (std::holds_alternative<spec::BaseHost>(stage_.base.what)) {
      host_ = true;
      base_.id = base::to_hex(sandbox::hash_of(context_.memory.host()));
    } else if (const auto* other = std::get_if<spec::BaseStage>(&stage_.base.what)) {
      const StageResult& result = *done_.at(other->name);
      host_ = result.host != nullptr;
      base_.tree = result.tree;
      base_.id = result.id;
    } else {
      base_ = context_.read_base(stage_.base);
      if (base_.image && context_.options.secret_forms)
        refuse_secrets(forms(), *base_.image, context_.cache,
                       fmt::format("the base of the stage '{}'", stage_.name));
    }
    base_id_ = base_.id;
    put_packages();
    tree_ = base_.tree;
  }

  // The stage's packages become part of its base, unpacked; their scripts run before the stage's commands.
  void put_packages() {
    std::optional<Packaged> packaged =
        add_packages(context_.project, context_.file, &stage_, oci::host_platform(), base_.tree,
                     context_.epoch, context_.options, context_.cache);
    if (!packaged) return;
    build::put_packages(packaged->installation, base_.tree);
    base_.id += " " + packaged->id;
    for (const packages::Package& package : packaged->packages)
      add_input("the package " + package.facts.name, package.facts.version + package.facts.architecture);
    std::string requests;
    for (const spec::PackageEntry& entry : stage_.packages)
      requests += join({entry.text, join(entry.only), join(entry.except), entry.omit ? "omit" : ""});
    add_input("the list of packages", requests);
    set_up_ = set_up(*packaged);
  }

  // What configures the packages inside the sandbox.
  std::vector<sandbox::Command> set_up(const Packaged& packaged) const {
    if (format_of(context_.file.spec) == packages::Format::deb) {
      std::vector<std::string> argv = {"/usr/bin/env", "DEBIAN_FRONTEND=noninteractive",
                                       "DEBCONF_NONINTERACTIVE_SEEN=true", "dpkg", "--configure"};
      // What is omitted cannot be depended on.
      for (const spec::PackageEntry& entry : stage_.packages)
        if (entry.omit) argv.insert(argv.end() - 1, "--force-depends");
      argv.emplace_back("--pending");
      return {{argv, "dpkg --configure --pending"}};
    }
    std::vector<sandbox::Command> commands;
    for (const char* name : {".pre-install", ".post-install"})
      for (const size_t number : packages::dependency_order(packaged.packages, packages::Format::apk)) {
        const packages::Package& package = packaged.packages[number];
        if (const auto script = package.file.control.find(name); script != package.file.control.end())
          commands.push_back({{"/bin/sh", "-c", script->second, name + 1, package.facts.version},
                              package.facts.name + name});
      }
    return commands;
  }

  // Puts the copies and files of the stage into its tree.
  void fill() {
    Target target{context_.file, tree_, context_.epoch, all_accounts(tree_, context_.file), &origins_};
    if (!stage_.copy.empty()) {
      const Sources sources(context_.file, done_, oci::host_platform(), context_.cache, context_.options);
      for (const spec::Copy& copy : stage_.copy) {
        apply_copy(copy, sources.root_of(copy), target);
      }
    }
    apply_files(stage_.files, target);
    apply_closures(target);
    if (!host_) return;
    for (const CopyOrigin& origin : origins_)
      if (sandbox::shows_host_path("/" + origin.path))
        project::fail_at(
            context_.file, stage_.position, Code::failed,
            fmt::format("cannot put {} into the stage '{}': on 'base: host' that place is this machine's "
                        "and read-only; "
                        "choose another directory, such as /src",
                        "/" + origin.path, stage_.name));
  }

  void add_input(std::string name, std::string_view state) {
    inputs_.push_back({std::move(name), base::sha256(state)});
  }

  void collect_inputs() {
    add_input(base_name(), base_id_);
    std::map<std::string, std::string> sources;
    for (const CopyOrigin& origin : origins_) sources[origin.path] = origin.source;
    for (const auto& [path, node] : tree_.nodes()) {
      const tree::Node* below = base_.tree.find(path);
      const auto it = sources.find(path);
      if (below != nullptr && it == sources.end()) continue;  // named by the base's id
      base::Sha256 hash;
      tree::Node header = node;
      header.content.size = 0;
      hash.update(archive::tar_header(path, header));
      if (node.type == tree::NodeType::file)
        hash.update(base::as_bytes(store::content_id(node.content, context_.cache)));
      inputs_.push_back({it == sources.end() ? "/" + path : it->second, hash.finish()});
      input_paths_.push_back(path);
    }
    for (const spec::Step& step : stage_.run)
      add_input("the command '" + short_text(step.text) + "'", join(step.argv));
    for (const auto& [name, value] : environment(stage_, base_, context_.epoch))
      add_input("the variable " + name, value);
    add_input("workdir", stage_.workdir);
    add_input("network", stage_.network ? "full" : "none");
    for (const spec::Secret& secret : stage_.secrets)
      add_input("the secret " + secret.id, join({secret.id, secret.env, secret.file}));
    for (const std::string& directory : stage_.caches) add_input("the cache " + directory, directory);
    std::sort(inputs_.begin(), inputs_.end(), [](const Input& a, const Input& b) { return a.name < b.name; });
  }

  // What programs that compare times can have made something of.
  base::Hash content_of(const tree::FileTree& tree, const std::string& path, const tree::Node& node) const {
    switch (node.type) {
      case tree::NodeType::file:
        return store::content_id(node.content, context_.cache);
      case tree::NodeType::symlink:
        return base::sha256("link " + node.target);
      case tree::NodeType::directory: {
        base::Sha256 names;
        names.update("directory");
        tree::for_each_below(tree, path, [&](const std::string& below, const tree::Node&) {
          if (tree::directory_of(below) == path) names.update(join({below}));
        });
        return names.finish();
      }
      default:
        return base::sha256("special");
    }
  }

  // Inputs, and the directories in which they are.
  std::map<std::string, InputState> input_states() const {
    std::map<std::string, InputState> states;
    const auto add = [&](const std::string& path) {
      const auto [it, is_new] = states.try_emplace(path);
      if (!is_new) return false;
      const tree::Node& node = *tree_.find(path);
      it->second.content = content_of(tree_, path, node);
      it->second.link = node.type == tree::NodeType::symlink;
      const tree::Node* below = base_.tree.find(path);
      const std::string parent(tree::directory_of(path));
      if (below != nullptr && content_of(base_.tree, path, *below) == it->second.content) {
        it->second.below = InputState::Below::same;
        it->second.below_mtime = below->mtime;
      } else if (below != nullptr || (!parent.empty() && base_.tree.find(parent) != nullptr)) {
        it->second.below = InputState::Below::other;
      }
      return true;
    };
    for (const std::string& path : input_paths_) {
      add(path);
      for (std::string above(tree::directory_of(path)); !above.empty() && add(above);)
        above = std::string(tree::directory_of(above));
    }
    return states;
  }

  InputTimes times(const KeptDirectories& kept, const std::map<std::string, InputState>& states) const {
    int64_t newest = 0;
    for (const auto& [path, node] : base_.tree.nodes())
      if (node.type == tree::NodeType::file) newest = std::max(newest, node.mtime);
    InputTimes times =
        input_times({states, base::sha256(base_.id), newest, kept.seen(), context_.epoch, kept.now()});
    // Names of one file have one time.
    std::map<uint64_t, int64_t> groups;
    for (const auto& [path, time] : times)
      if (const uint64_t group = tree_.find(path)->link_group; group != 0)
        groups[group] = std::max(groups[group], time);
    for (auto& [path, time] : times)
      if (const uint64_t group = tree_.find(path)->link_group; group != 0) time = groups[group];
    return times;
  }

  static std::string join(const std::vector<std::string>& parts) {
    std::string out;
    for (const std::string& part : parts) out += std::to_string(part.size()) + ":" + part;
    return out;
  }

  // The beginning of a command, on one line: the whole stands in the spec.
  static std::string short_text(const std::string& text) {
    const std::string_view whole = base::trim(text);
    const std::string line(whole.substr(0, whole.find('\n')));
    return line.size() <= 60 && line.size() == whole.size() ? line : line.substr(0, 57) + "...";
  }

  base::Hash key() const {
    base::Sha256 hash;
    hash.update(stage_version).update(base_.id);
    for (const Input& input : inputs_) hash.update(join({input.name})).update(base::as_bytes(input.hash));
    // The order of commands and variables matters, which the sorted list does not tell.
    for (const spec::Step& step : stage_.run) hash.update(join(step.argv)).update(";");
    for (const auto& [name, value] : stage_.env) hash.update(join({name, value}));
    return hash.finish();
  }

  base::Hash last_key() const {
    return base::Sha256()
        .update("stage inputs")
        .update(join({base::real_path(context_.file.spec.file), stage_.name}))
        .finish();
  }

  std::vector<sandbox::Secret> secrets() const {
    std::vector<sandbox::Secret> secrets;
    for (const spec::Secret& secret : stage_.secrets) {
      const auto it = context_.options.secrets.find(secret.id);
      if (it == context_.options.secrets.end())
        project::fail_at(
            context_.file, secret.position, Code::usage,
            fmt::format(
                "the secret '{}' is not given; add --secret id={},env=VARIABLE or --secret id={},src=FILE",
                secret.id, secret.id, secret.id));
      secrets.push_back({secret.id, secret.env, secret.file, it->second});
    }
    return secrets;
  }

  // What the machine's network needs; the stage's own words stay.
  void connect(sandbox::Request& request) const {
    spec::Environment taken = request.env;
    for (const sandbox::Secret& secret : request.secrets) taken.emplace_back(secret.env, "");
    std::string bundle;
    const tree::Node* node = tree_.find("etc/ssl/certs/ca-certificates.crt");
    constexpr uint64_t most = uint64_t{16} << 20;
    if (node != nullptr && node->type == tree::NodeType::file && node->content.size <= most)
      bundle = tree::read_content(node->content, most);
    CallerNetwork network = caller_network(context_.options.caller_network, taken, bundle);
    request.env.insert(request.env.end(), network.env.begin(), network.env.end());
    request.ports = std::move(network.ports);
    request.certificates = std::move(network.certificates);
    request.warn = [this](const std::string& text) {
      context_.progress.note(stage_.name, "warning: " + text);
    };
  }

  sandbox::Request request(const std::string& work, int result_fd) const {
    sandbox::Request request;
    request.work = work;
    request.root = &tree_;
    request.host_tools = host_;
    request.commands = set_up_;
    for (const spec::Step& step : stage_.run) request.commands.push_back({step.argv, step.text});
    request.env = environment(stage_, base_, context_.epoch);
    request.workdir = stage_.workdir;
    request.secrets = secrets();
    request.network = stage_.network;
    if (stage_.network) connect(request);
    const spec::Limits& limits = stage_.limits;
    request.limits = {limits.memory, limits.processes, limits.disk, limits.time};
    request.result_fd = result_fd;
    request.cancelled = context_.options.cancelled;
    return request;
  }

  // The times of the inputs, which others who use the kept directories will be compared with.
  InputTimes prepare(KeptDirectories& kept) const {
    const std::map<std::string, InputState> states = input_states();
    InputTimes times = this->times(kept, states);
    Seen seen{base::sha256(base_.id), {}};
    for (const auto& [path, state] : states) seen.inputs[path] = {state.content, times.at(path)};
    kept.note(seen);
    std::erase_if(
        times, [&](const auto& one) { return one.second == tree_.find(one.first)->mtime * 1'000'000'000; });
    return times;
  }

  // The tree with the times that a run would have shown, for stages that stand on this one.
  tree::FileTree as_shown() const {
    tree::FileTree out = tree_;
    for (const auto& [path, state] : input_states()) {
      tree::Node& node = *out.find(path);
      node.mtime = shown_time(node.mtime);
    }
    return out;
  }

  oci::Digest execute() {
    base::AtomicFile file(context_.cache.temporary_directory() + "/stage", 0644);
    if (stage_.run.empty() && set_up_.empty()) {
      archive::write_tar(as_shown(), file);
    } else {
      const base::TemporaryDirectory work(context_.cache.work_directory(), "stage");
      StageLog log(forms(), [&](std::string_view line) { context_.progress.output(stage_.name, line); });
      const auto output = [&log](std::string_view line) { log.add(line); };
      const timespec begin = now_of(file);
      // Opened once more: the lock on the file is ours alone and ends with us, whatever the sandbox still
      // does.
      const base::Fd result(::open(file.temporary().c_str(), O_WRONLY | O_CLOEXEC));
      if (!result) fail("cannot write the stage's result: {}", base::errno_text());
      KeptDirectories kept(stage_.caches, base::real_path(context_.file.spec.directory), context_.options,
                           context_.cache, [&](const std::string& directory) {
                             context_.progress.note(
                                 stage_.name, fmt::format("waits for another stage that uses {}", directory));
                           });
      sandbox::Request request = this->request(work.path(), result.get());
      request.caches = kept.mounts();
      request.times = prepare(kept);
      if (!forms().empty()) kept.expect_search();
      sandbox::Outcome outcome;
      try {
        const sandbox::NamespaceExecutor here(context_.options.helper);
        const sandbox::Executor* executor = context_.options.executor;
        outcome = (executor != nullptr ? *executor : here).run(request, output);
      } catch (...) {
        try {
          kept.search(stage_.name,
                      begin);           // interrupted: what there was no time to remove is not kept either
        } catch (const base::Error&) {  // it is gone; what happened first is what is told
        }
        throw;
      }
      kept.search(stage_.name, begin);
      log.finish();
      if (log.hit()) refuse_log(*log.hit());
      if (!outcome.ok) report(outcome, log.last_lines());
    }
    search_result(file.temporary());
    if (::fchmod(file.fd(), 0444) != 0) fail("cannot write the stage's result: {}", base::errno_text());
    return context_.cache.keep_blob(file);
  }

  const trust::SecretForms& forms() const { return *context_.options.secret_forms; }

  // The moment at which a file was made, by the clock of its file system.
  static timespec now_of(const base::AtomicFile& file) {
    struct stat st {};
    if (::fstat(file.fd(), &st) != 0) fail("cannot write the stage's result: {}", base::errno_text());
    return st.st_ctim;
  }

  [[noreturn]] void refuse_log(const trust::SecretHit& hit) const {
    throw base::Error(
        Code::refused,
        fmt::format(
            "[secret] a command of the stage '{}' printed the secret '{}' ({}); the line and all after it "
            "were "
            "withheld\n  why: logs are kept, and read by more people than may know the secret\n  fix: do not "
            "print it, or give it to the command by a file",
            stage_.name, hit.id, hit.encoding));
  }

  // Where the machine has a program that a command did not find.
  std::string advice(const std::string& command, const std::vector<std::string>& last_lines) const {
    std::string path;
    for (const auto& [name, value] : environment(stage_, base_, context_.epoch))
      if (name == "PATH") path = value;
    const std::string text = advice_for_missing(program_not_found(command, last_lines), path,
                                                {context_.options.caller_path, context_.options.caller_home});
    return text.empty() ? "" : "\n  fix: " + text;
  }

  [[noreturn]] void report(const sandbox::Outcome& outcome,
                           const std::vector<std::string>& last_lines) const {
    const std::string text = outcome.failed_command < set_up_.size()
                                 ? set_up_[outcome.failed_command].text
                                 : stage_.run.at(outcome.failed_command - set_up_.size()).text;
    std::string ending = fmt::format("failed with exit status {}", outcome.exit_status);
    if (outcome.exit_status > 128 && outcome.exit_status < 128 + 65)
      ending += fmt::format(" (signal {})", outcome.exit_status - 128);
    if (!outcome.limit.empty()) ending += "; " + outcome.limit;
    std::string message =
        fmt::format("the stage '{}' {}\n  command: {}", stage_.name, ending, short_text(text));
    if (!last_lines.empty()) message += "\n  its last lines:";
    for (const std::string& line : last_lines) message += "\n    " + base::log_line(line, false);
    if (host_ && outcome.exit_status == 127) message += advice(text, last_lines);
    fail("{}", message);
  }

  std::shared_ptr<const StageResult> result(const oci::Digest& blob) const {
    const auto archive =
        std::make_shared<const tree::Archive>(tree::Archive{context_.cache.blob_path(blob), blob.hash});
    auto result = std::make_shared<StageResult>();
    result->tree = archive::read_tar(archive, fmt::format("the result of the stage '{}'", stage_.name),
                                     archive::stage_limits);
    if (host_) result->host = context_.host;
    result->id = oci::to_string(blob) + (host_ ? base_.id : "");
    return result;
  }

  const spec::Stage& stage_;
  const StageContext& context_;
  const StageResults& done_;
  Base base_;
  std::string base_id_;  // without the packages
  std::vector<sandbox::Command> set_up_;
  bool host_ = false;
  tree::FileTree tree_;
  std::vector<CopyOrigin> origins_;
  std::vector<Input> inputs_;
  std::vector<std::string> input_paths_;  // in the tree
};

std::set<std::string> dependencies(const spec::Stage& stage) {
  std::set<std::string> names;
  if (const auto* base = std::get_if<spec::BaseStage>(&stage.base.what)) names.insert(base->name);
  for (const spec::Copy& copy : stage.copy)
    if (copy.stage) names.insert(*copy.stage);
  return names;
}

}  // namespace

std::vector<const spec::Stage*> needed_stages(const spec::Spec& spec,
                                              const std::vector<std::string>& targets) {
  std::vector<const spec::Stage*> order;
  for (const std::string& target : targets) collect(spec, target, order);
  return order;
}

std::vector<std::string> stages_of_image(const spec::Spec& spec) {
  std::vector<std::string> names;
  if (const auto* base = std::get_if<spec::BaseStage>(&spec.base.what)) names.push_back(base->name);
  for (const spec::Copy& copy : spec.copy)
    if (copy.stage) names.push_back(*copy.stage);
  return names;
}

const sandbox::HostState& StageMemory::host() {
  std::call_once(once_, [this] { host_ = sandbox::host_state(); });
  return host_;
}

std::optional<oci::Digest> StageMemory::find(const base::Hash& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = ran_.find(key);
  return it == ran_.end() ? std::nullopt : std::optional(it->second);
}

void StageMemory::note(const base::Hash& key, const oci::Digest& result) {
  const std::lock_guard lock(mutex_);
  ran_.insert_or_assign(key, result);
}

namespace {

// Stages that run side by side. The first error stops all of them, and is what is told: not that the others
// were stopped.
class Schedule {
 public:
  Schedule(const std::vector<const spec::Stage*>& stages, const StageContext& context)
      : stages_(stages),
        options_(context.options),
        context_{context.project,   context.file,  options_,       context.cache, context.progress,
                 context.read_base, context.epoch, context.memory, context.host},
        free_(std::max(1, context.options.jobs)),
        interrupted_(context.options.cancelled) {
    options_.cancelled = &stop_;
  }

  StageResults run() {
    std::vector<std::jthread> threads;
    for (const spec::Stage* stage : stages_) threads.emplace_back([this, stage] { run_one(*stage); });
    std::unique_lock lock(mutex_);
    while (ended_ < stages_.size()) {
      changed_.wait_for(lock, std::chrono::milliseconds(50));
      if (interrupted_ != nullptr && *interrupted_) stop_ = true;
    }
    lock.unlock();
    threads.clear();
    if (error_) std::rethrow_exception(error_);
    return std::move(results_);
  }

 private:
  bool is_ready(const spec::Stage& stage) const {
    const std::set<std::string> names = dependencies(stage);
    return std::all_of(names.begin(), names.end(),
                       [this](const std::string& name) { return results_.contains(name); });
  }

  void run_one(const spec::Stage& stage) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || (free_ > 0 && is_ready(stage)); });
    if (!error_) {
      --free_;
      const StageResults done = results_;
      lock.unlock();
      std::shared_ptr<const StageResult> result;
      std::exception_ptr error;
      try {
        result = StageRun(stage, context_, done).run();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      ++free_;
      if (result) results_[stage.name] = std::move(result);
      if (error && !error_) error_ = error;
      if (error_) stop_ = true;
    }
    ++ended_;
    changed_.notify_all();
  }

  const std::vector<const spec::Stage*>& stages_;
  Options options_;
  StageContext context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_;
  size_t ended_ = 0;
  StageResults results_;
  std::exception_ptr error_;
  const std::atomic<bool>* interrupted_;
  std::atomic<bool> stop_ = false;
};

}  // namespace

StageResults run_stages(const std::vector<const spec::Stage*>& stages, const StageContext& context) {
  remove_leftovers(context.options, context.cache);
  if (stages.size() > 1) return Schedule(stages, context).run();
  StageResults results;
  for (const spec::Stage* stage : stages) results[stage->name] = StageRun(*stage, context, results).run();
  return results;
}

std::map<std::string, StageForecast> forecast_stages(const std::vector<const spec::Stage*>& stages,
                                                     const StageContext& context) {
  std::map<std::string, StageForecast> forecasts;
  StageResults done;
  for (const spec::Stage* stage : stages) {
    std::string waits;
    for (const std::string& name : dependencies(*stage))
      if (!done.contains(name)) waits = name;
    StageForecast& forecast = forecasts[stage->name];
    if (!waits.empty()) {
      forecast.text = fmt::format("depends on what the stage {} gives", waits);
      continue;
    }
    try {
      forecast = StageRun(*stage, context, done).look();
    } catch (const base::Error& error) {
      if (error.code() != Code::failed) throw;
      forecast.text = "depends on what is fetched first";
      if (!context.options.registries.offline) throw;
    }
    if (forecast.result) done[stage->name] = forecast.result;
  }
  return forecasts;
}

std::optional<oci::Digest> pinned_digest(const oci::ImageLocation& location, const Registries& registries) {
  if (location.transport != oci::Transport::registry) return std::nullopt;
  if (const auto pin = registries.pinned.find(location.path); pin != registries.pinned.end())
    return pin->second;
  return oci::parse_reference(location.path).digest;
}

void require_signed_base(const project::SpecFile& file, const oci::ImageLocation& location,
                         const std::optional<oci::Digest>& digest, const std::vector<std::string>& keys,
                         const std::string& identity, spec::Position position, store::Cache& cache,
                         const Registries& registries) {
  if (keys.empty()) return;
  // What the signature has to call it, whatever mirror it comes from; a layout has no name.
  const bool registry = location.transport == oci::Transport::registry;
  const std::string& called = !identity.empty() ? identity : registry ? location.path : identity;
  oci::ImageLocation exact = project::beside(file, location);
  base::Sha256 seen;
  seen.update("signed base 2").update(called).update(std::string_view("\0", 1));
  if (digest) {
    oci::Reference reference = oci::parse_reference(location.path);
    reference.digest = digest;
    exact.path = oci::to_string(reference);
    seen.update(base::as_bytes(digest->hash));
  }
  try {
    std::vector<trust::PublicKey> trusted;
    for (const std::string& name : keys) {
      trusted.push_back(
          trust::parse_public_key(base::read_file(project::beside(file, name), size_t{64} << 10U), name));
      seen.update(base::as_bytes(base::sha256(trusted.back().der)));
    }
    const base::Hash key = seen.finish();
    if (digest && !registries.verify_again && cache.is_known_fine(key)) return;
    require_signature(exact, trusted, called, cache, registries);
    if (digest) cache.note_fine(key);
  } catch (const base::Error& error) {
    if (error.code() != Code::refused) project::fail_at(file, position, error.code(), error.what());
    const std::string name = oci::to_string(location);
    const spec::Diagnostic refusal{
        spec::Severity::error,
        "unsigned-base",
        position,
        fmt::format("{} [unsigned-base]", error.what()),
        "who can write to the place of the base can put anything into the image",
        fmt::format(
            "have it signed (minibuild sign {} --key KEY), name the key of who signed it under 'verify', "
            "or leave 'verify' out",
            name)};
    std::string text = spec::render_text({refusal}, file.spec.file, file.source);
    while (text.ends_with('\n')) text.pop_back();
    throw base::Error(Code::refused, text);
  }
}

Base read_plain_base(const project::SpecFile& file, const spec::Base& wanted, const oci::Platform& platform,
                     store::Cache& cache, const Registries& registries, Ledger* ledger) {
  Base base;
  const auto* image = std::get_if<spec::BaseImage>(&wanted.what);
  if (image == nullptr) {
    base.id = "scratch";
    return base;
  }
  require_signed_base(file, image->location, pinned_digest(image->location, registries), image->verify_keys,
                      image->verify_identity, wanted.position, cache, registries);
  try {
    if (ledger != nullptr) note_image(*ledger, file, image->location, platform, cache, registries);
    store::ImageSet set = read_image(project::beside(file, image->location), platform, cache, registries);
    base.image = std::move(set.images.front());
    base.tree = store::image_tree(*base.image, cache, oci::to_string(image->location));
    if (image->location.transport == oci::Transport::registry) {
      oci::Reference name = oci::parse_reference(image->location.path);
      name.digest.reset();  // it has an annotation of its own
      base.name = oci::to_string(name);
    }
  } catch (const base::Error& error) {
    project::fail_at(file, wanted.position, error.code(), error.what());
  }
  base.id = oci::to_string(base.image->descriptor.digest);
  return base;
}

Root Sources::root_of(const spec::Copy& copy) const {
  if (copy.stage) {
    const StageResult& result = *results_.at(*copy.stage);
    return Root(result.tree, result.host);
  }
  if (copy.download) {
    try {
      Root root = download_root(copy, cache_, options_.registries);
      const auto& pins = options_.registries.pinned;
      if (const auto pin = pins.find(copy.download->url); copy.download->digest || pin != pins.end())
        options_.ledger->add_download(copy.download->url,
                                      copy.download->digest ? *copy.download->digest : pin->second);
      return root;
    } catch (const base::Error& error) {
      project::fail_at(file_, copy.position, error.code(), error.what());
    }
  }
  if (!copy.image) {
    Root root = local_.select(copy);
    note_copy(*options_.ledger, file_, copy, root);
    return root;
  }
  note_image(*options_.ledger, file_, *copy.image, platform_, cache_, options_.registries);
  const store::ImageSet set =
      read_image(project::beside(file_, *copy.image), platform_, cache_, options_.registries);
  if (options_.secret_forms)
    refuse_secrets(*options_.secret_forms, set.images.front(), cache_,
                   fmt::format("the image {}", oci::to_string(*copy.image)));
  return Root(store::image_tree(set.images.front(), cache_, oci::to_string(*copy.image)));
}

}  // namespace minibuild::build
