#include "minibuild/build/secret_guard.h"

#include "builder/build/inputs.h"
#include "builder/build/secret_gate.h"
#include "minibuild/base/text.h"
#include "minibuild/build/lock.h"

namespace minibuild::build {

namespace {

// What a spec says, for messages without the value.
struct Text {
  std::string text;
  spec::Position position;
};

class Texts {
 public:
  std::vector<Text> found;

  void add_spec(const spec::Spec& spec) {
    add(spec.base);
    for (const spec::Source& one : spec.sources) {
      add(one.url, one.position);
      add(base::join(one.suites, " "), one.position);
      add(base::join(one.components, " "), one.position);
    }
    add(spec.packages);
    add(spec.copy);
    add(spec.files);
    add_list(spec.remove, {});
    for (const spec::AccountUser& one : spec.users)
      add(one.name + ":" + one.home.value_or("") + ":" + one.shell.value_or("") + ":" + one.gecos,
          one.position);
    add(spec.user.value_or(""), spec::position_of(spec, "user"));
    add(spec.workdir.value_or(""), spec::position_of(spec, "workdir"));
    add_list(spec.entrypoint.value_or(std::vector<std::string>()), spec::position_of(spec, "entrypoint"));
    add_list(spec.cmd.value_or(std::vector<std::string>()), spec::position_of(spec, "cmd"));
    add(spec.env, spec::position_of(spec, "env"));
    add_list(spec.volumes, {});
    for (const auto& [name, value] : spec.labels)
      add(name + "=" + value, spec::position_of(spec, "label:" + name));
    for (const auto& [name, value] : spec.annotations)
      add(name + "=" + value, spec::position_of(spec, "annotation:" + name));
    for (const spec::Stage& stage : spec.stages) {
      add(stage.base);
      add(stage.packages);
      add(stage.copy);
      add(stage.files);
      add(stage.env, stage.position);
      add(stage.workdir, stage.position);
      add_list(stage.caches, stage.position);
      for (const spec::Step& step : stage.run) {
        add(step.text, stage.position);
        add_list(step.argv, stage.position);
      }
    }
  }

 private:
  void add(const std::string& text, spec::Position position) { found.push_back({text, position}); }

  void add_list(const std::vector<std::string>& list, spec::Position position) {
    for (const std::string& one : list) add(one, position);
  }

  void add(const spec::Environment& variables, spec::Position position) {
    for (const auto& [name, value] : variables) add(name + "=" + value, position);
  }

  void add(const spec::Base& base) {
    if (const auto* image = std::get_if<spec::BaseImage>(&base.what)) {
      add(oci::to_string(image->location), base.position);
      add_list(image->verify_keys, base.position);
    }
    if (const auto* other = std::get_if<spec::BaseSpec>(&base.what)) add(other->path, base.position);
  }

  void add(const std::vector<spec::PackageEntry>& packages) {
    for (const spec::PackageEntry& one : packages) {
      add(one.text, one.position);
      add(one.name, one.position);
    }
  }

  void add(const std::vector<spec::Copy>& copies) {
    for (const spec::Copy& one : copies) {
      add(one.from, one.position);
      add(one.to, one.position);
      if (one.image) add(oci::to_string(*one.image), one.position);
      if (one.download) add(one.download->url, one.position);
      add_list(one.include, one.position);
      add_list(one.exclude, one.position);
    }
  }

  void add(const std::vector<spec::FileEntry>& files) {
    for (const spec::FileEntry& one : files) {
      add(one.path, one.position);
      add(one.target, one.position);
      add(one.content, one.position);
    }
  }
};

void guard(const std::string& path, std::map<std::string, std::string> set, const oci::Platform& platform,
           const trust::SecretForms& forms, int depth) {
  if (depth > 16) return;  // the build says that specs stand on each other
  if (depth > 0) set = declared_of(path, std::move(set), platform);
  const SpecFile file = load_spec(path, set, platform);
  refuse_secrets(forms, file, set);
  Texts texts;
  texts.add_spec(file.spec);
  for (const Text& one : texts.found)
    refuse_secrets(forms, one.text,
                   one.position.line > 0 ? fmt::format("{}:{}, once its arguments are put in", file.spec.file,
                                                       one.position.line)
                                         : fmt::format("{}, once its arguments are put in", file.spec.file));
  const auto below = [&](const spec::Base& base) {
    if (const auto* other = std::get_if<spec::BaseSpec>(&base.what))
      guard(beside(file, other->path), set, platform, forms, depth + 1);
  };
  below(file.spec.base);
  for (const spec::Stage& stage : file.spec.stages) below(stage.base);
}

}  // namespace

void guard_secrets(const std::string& spec_path, const Options& options) {
  const auto forms = secret_forms_of(options);
  if (forms->empty()) return;
  try {
    for (const auto& [name, value] : options.set)
      refuse_secrets(*forms, name + "=" + value, "a value of --set");
    for (const oci::Platform& platform : platforms_of(spec_path, options))
      guard(spec_path, options.set, platform, *forms, 0);
    guard(spec_path, options.set, oci::host_platform(), *forms, 0);
    if (const std::optional<Lock> lock = read_lock(spec_path))
      refuse_secrets(*forms, to_json(*lock), lock_path(spec_path));
  } catch (const base::Error& error) {
    throw without_secrets(*forms, error);
  }
}

}  // namespace minibuild::build
