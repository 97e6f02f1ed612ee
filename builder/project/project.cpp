#include "minibuild/project/project.h"

#include <algorithm>
#include <set>

#include "minibuild/base/file.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/json.h"

namespace minibuild::project {

using base::Code;

namespace {

constexpr size_t max_depth = 16;

using Arguments = std::map<std::string, std::string>;

}  // namespace

struct Project::State {
  std::recursive_mutex mutex;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::string> real_names;
  std::map<std::tuple<std::string, Arguments, std::string>, SpecFile> specs;
  std::map<std::string, std::optional<Lock>> locks;
};

Project::Project(std::string spec, Arguments set, std::vector<oci::Platform> platforms, const Files& files)
    : path_(std::move(spec)),
      set_(std::move(set)),
      platforms_(std::move(platforms)),
      files_(files),
      state_(std::make_shared<State>()) {}

Project::Project(const Project& same, std::vector<oci::Platform> platforms)
    : path_(same.path_),
      set_(same.set_),
      platforms_(std::move(platforms)),
      files_(same.files_),
      state_(same.state_) {}

Project::~Project() = default;

std::vector<oci::Platform> Project::platforms() const {
  if (!platforms_.empty()) return platforms_;
  const SpecFile& file = top(oci::host_platform());
  if (!file.spec.platforms.empty()) return file.spec.platforms;
  return {oci::host_platform()};
}

const std::string& Project::text(const std::string& path, size_t limit) const {
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->texts.find(path);
  return known != state_->texts.end() ? known->second
                                      : state_->texts.emplace(path, files_.read(path, limit)).first->second;
}

std::string Project::real_name(const std::string& path) const {
  if (path.starts_with(shipped_prefix)) return path;
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->real_names.find(path);
  return known != state_->real_names.end()
             ? known->second
             : state_->real_names.emplace(path, files_.real_name(path)).first->second;
}

// Reads the policy that the spec shares with others, and puts both together.
void Project::join_policy(SpecFile& file) const {
  spec::Policy& own = file.spec.policy;
  const auto wrong = [&](spec::Position position, const std::string& message) {
    file.diagnostics.push_back({spec::Severity::error, "policy", position, message});
  };
  if (!own.file.empty()) try {
      const std::string& source = text(path_beside(file.spec.directory, own.file), spec::max_policy);
      file.policy_digest = oci::digest_of(source);
      spec::PolicyFile shared = spec::parse_policy(source, own.file);
      for (const spec::Diagnostic& one : shared.diagnostics)
        wrong(own.file_position,
              fmt::format("{}:{}:{}: {}", own.file, one.position.line, one.position.column, one.message));
      const std::string directory = base::parent_path(own.file);
      for (std::string& name : shared.policy.baselines) name = path_beside(directory, name);
      for (std::string& name : shared.policy.databases) name = path_beside(directory, name);
      own = spec::combine(shared.policy, own);
    } catch (const base::Error& error) {
      wrong(own.file_position, error.what());
    }
  spec::sort(file.diagnostics);
}

const SpecFile& Project::parsed(const std::string& path, const Arguments& set,
                                const oci::Platform& platform) const {
  const std::lock_guard lock(state_->mutex);
  auto key = std::make_tuple(path, set, oci::to_string(platform));
  if (const auto known = state_->specs.find(key); known != state_->specs.end()) return known->second;
  auto source = state_->texts.find(path);
  if (source == state_->texts.end()) {
    if (path.starts_with(shipped_prefix)) {
      const auto shipped = spec::shipped_file(path.substr(shipped_prefix.size()));
      if (!shipped) throw base::Error(Code::usage, fmt::format("no spec '{}' comes with minibuild", path));
      source = state_->texts.emplace(path, *shipped).first;
    } else
      try {
        source = state_->texts.emplace(path, files_.read_spec(path)).first;
      } catch (const base::Error& error) {
        throw base::Error(Code::usage, error.what());
      }
  }
  SpecFile file;
  file.source = source->second;
  spec::ParseResult result = spec::parse(
      file.source, {.file = path, .directory = base::parent_path(path), .set = set, .platform = platform});
  file.spec = std::move(result.spec);
  file.spec.file = path;  // also of one that is no YAML
  file.diagnostics = std::move(result.diagnostics);
  file.set = set;
  file.platform = platform;
  join_policy(file);
  return state_->specs.emplace(std::move(key), std::move(file)).first->second;
}

namespace {

const SpecFile& without_errors(const SpecFile& file) {
  if (spec::has_errors(file.diagnostics))
    throw base::Error(Code::usage, rendered(file.diagnostics, file.spec.file, file.source));
  return file;
}

}  // namespace

const SpecFile& Project::look(const oci::Platform& platform) const { return parsed(path_, set_, platform); }

const SpecFile& Project::top(const oci::Platform& platform) const { return without_errors(look(platform)); }

const SpecFile& Project::below(const SpecFile& above, const spec::BaseSpec& base,
                               const oci::Platform& platform) const {
  const std::string path = beside(above, base.path);
  const auto& declared = parsed(path, {}, platform).spec.args;
  Arguments set = above.set;
  std::erase_if(set, [&](const auto& entry) {
    return std::none_of(declared.begin(), declared.end(),
                        [&](const auto& argument) { return argument.first == entry.first; });
  });
  return without_errors(parsed(path, set, platform));
}

std::string Project::name_of(const SpecFile& file) const {
  const std::string& path = file.spec.file;
  if (path == path_) return {};
  if (path.starts_with(shipped_prefix)) {
    const std::string name = path.substr(shipped_prefix.size());
    return name.substr(0, name.rfind('.'));
  }
  const std::string directory = base::parent_path(path_);
  const std::string prefix = directory == "." ? "" : directory + "/";
  std::string name = path.starts_with(prefix) ? path.substr(prefix.size()) : path;
  while (name.starts_with("./")) name.erase(0, 2);
  return name;
}

namespace {

class Walk {
 public:
  Walk(const Project& project, const std::function<void(const SpecFile&, Part)>& visit)
      : project_(project), visit_(visit) {}

  void go(const SpecFile& file, Part part, size_t depth) {
    // What stands on itself is visited, too: whoever builds says that it does.
    if (depth > max_depth || !seen_.insert({&file, part}).second) return;
    if (part == Part::image) base(file, file.spec.base, depth);
    if (part == Part::stages)
      for (const spec::Stage& stage : file.spec.stages) base(file, stage.base, depth);
    visit_(file, part);
  }

 private:
  void base(const SpecFile& file, const spec::Base& base, size_t depth) {
    if (const auto* other = std::get_if<spec::BaseSpec>(&base.what))
      for (const Part part : {Part::image, Part::stages})
        go(project_.below(file, *other, file.platform), part, depth + 1);
  }

  const Project& project_;
  const std::function<void(const SpecFile&, Part)>& visit_;
  std::set<std::pair<const SpecFile*, Part>> seen_;
};

}  // namespace

void Project::walk(const std::vector<oci::Platform>& images, const std::vector<oci::Platform>& machines,
                   const std::function<void(const SpecFile&, Part)>& visit) const {
  Walk walk(*this, visit);
  for (const oci::Platform& platform : images) walk.go(top(platform), Part::image, 0);
  for (const oci::Platform& machine : machines) walk.go(top(machine), Part::stages, 0);
}

void Project::refuse_cycles(const oci::Platform& platform, const Needed& needed) const {
  std::vector<std::string> above;
  std::set<std::string> fine;
  const std::function<void(const SpecFile&)> look_below = [&](const SpecFile& file) {
    above.push_back(real_name(file.spec.file));
    std::vector<const spec::Base*> bases = {&file.spec.base};
    for (const spec::Stage* stage : needed(file, above.size() == 1)) bases.push_back(&stage->base);
    for (const spec::Base* one : bases) {
      const auto* other = std::get_if<spec::BaseSpec>(&one->what);
      if (other == nullptr) continue;
      const std::string next = real_name(beside(file, other->path));
      if (std::find(above.begin(), above.end(), next) != above.end())
        fail_at(file, one->position, Code::usage, fmt::format("the spec '{}' stands on itself", other->path));
      if (above.size() > max_depth)
        fail_at(file, one->position, Code::usage, "more than 16 specs stand on each other");
      // What is above one that was seen to be fine may be longer here, but not in a circle.
      if (!fine.contains(next)) look_below(below(file, *other, platform));
    }
    fine.insert(above.back());
    above.pop_back();
  };
  look_below(top(platform));
}

const std::optional<Lock>& Project::lock_of(const std::string& spec_path) const {
  const std::lock_guard lock(state_->mutex);
  const std::string path = lock_path(spec_path);
  if (const auto known = state_->locks.find(path); known != state_->locks.end()) return known->second;
  std::optional<Lock> found;
  if (path.starts_with(shipped_prefix)) {
    if (const auto shipped = spec::shipped_file(path.substr(shipped_prefix.size())))
      state_->texts.emplace(path, *shipped);
  } else if (files_.exists(path)) {
    text(path, oci::max_json_size);
  }
  if (const auto there = state_->texts.find(path); there != state_->texts.end())
    found = parse_lock(there->second, path);
  return state_->locks.emplace(path, std::move(found)).first->second;
}

std::string Project::line_in_lock(const std::string& spec_path, const std::string& value) const {
  const std::lock_guard lock(state_->mutex);
  const auto there = state_->texts.find(lock_path(spec_path));
  return there == state_->texts.end() ? "" : line_of(there->second, value);
}

}  // namespace minibuild::project
