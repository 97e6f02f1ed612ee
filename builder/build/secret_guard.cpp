#include "minibuild/build/secret_guard.h"

#include <set>

#include "builder/build/secret_gate.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

namespace {

// What a spec says, and where, for messages without the value.
struct Text {
  std::string text;
  std::string where;
};

class Texts {
 public:
  std::vector<Text> found;

  void add_spec(const spec::Spec& spec) {
    add(spec.base, "the base");
    for (const spec::Source& one : spec.sources) {
      const std::string where = at(one.position) + "a source of packages";
      add(one.url, where);
      add_list(one.suites, where);
      add_list(one.components, where);
    }
    add(spec.packages);
    add(spec.copy);
    add(spec.files);
    add_list(spec.remove, "what the image's 'remove' names");
    for (const spec::AccountUser& one : spec.users)
      add(one.name + ":" + one.home.value_or("") + ":" + one.shell.value_or("") + ":" + one.gecos,
          at(one.position) + "an account");
    add(spec.user.value_or(""), "the image's user");
    add(spec.workdir.value_or(""), "the image's workdir");
    add_list(spec.entrypoint.value_or(std::vector<std::string>()), "the image's entrypoint");
    add_list(spec.cmd.value_or(std::vector<std::string>()), "the image's cmd");
    for (const auto& [name, value] : spec.env) {
      add(name, "the name of a variable of the image");
      add(name + "=" + value, fmt::format("the image's environment (env: {})", base::printable(name)));
    }
    add_list(spec.volumes, "a volume of the image");
    for (const auto& [name, value] : spec.labels) add(name + "=" + value, "a label of the image");
    for (const auto& [name, value] : spec.annotations) add(name + "=" + value, "an annotation of the image");
    for (const spec::Stage& stage : spec.stages) add(stage);
  }

 private:
  void add(const std::string& text, const std::string& where) { found.push_back({text, where}); }

  static std::string at(spec::Position position) {
    return position.line > 0 ? fmt::format("line {}: ", position.line) : "";
  }

  void add_list(const std::vector<std::string>& list, const std::string& where) {
    for (const std::string& one : list) add(one, where);
  }

  void add(const spec::Stage& stage) {
    const std::string where = fmt::format("the stage '{}'", stage.name);
    add(stage.name, "the name of a stage");
    add(stage.base, "the base of " + where);
    add(stage.packages);
    add(stage.copy);
    add(stage.files);
    for (const auto& [name, value] : stage.env) add(name + "=" + value, "the environment of " + where);
    add(stage.workdir, "the workdir of " + where);
    add_list(stage.caches, "the caches of " + where);
    for (const spec::Step& step : stage.run) {
      add(step.text, "a command of " + where);
      add_list(step.argv, "a command of " + where);
    }
  }

  void add(const spec::Base& base, const std::string& where) {
    if (const auto* image = std::get_if<spec::BaseImage>(&base.what)) {
      add(oci::to_string(image->location), where);
      add_list(image->verify_keys, where);
    }
    if (const auto* other = std::get_if<spec::BaseSpec>(&base.what)) add(other->path, where);
  }

  void add(const std::vector<spec::PackageEntry>& packages) {
    for (const spec::PackageEntry& one : packages) {
      add(one.text, at(one.position) + "a package");
      add(one.name, at(one.position) + "a package");
    }
  }

  void add(const std::vector<spec::Copy>& copies) {
    for (const spec::Copy& one : copies) {
      const std::string where = at(one.position) + "what is copied";
      add(one.from, where);
      add(one.to, where);
      if (one.image) add(oci::to_string(*one.image), where);
      if (one.download) add(one.download->url, where);
      add_list(one.include, where);
      add_list(one.exclude, where);
    }
  }

  void add(const std::vector<spec::FileEntry>& files) {
    for (const spec::FileEntry& one : files) {
      add(one.path, at(one.position) + "the name of a file");
      add(one.target, at(one.position) + "the target of a link");
      add(one.content, fmt::format("{}the content of {}", at(one.position), base::printable(one.path)));
    }
  }
};

}  // namespace

void guard_secrets(const project::Project& project, const std::vector<oci::Platform>& images,
                   const Options& options) {
  const auto forms = secret_forms_of(options);
  if (forms->empty()) return;
  try {
    for (const auto& [name, value] : project.set())
      refuse_secrets(*forms, name + "=" + value, "a value of --set");
    std::set<const project::SpecFile*> seen;
    project.walk(images, {oci::host_platform()}, [&](const project::SpecFile& file, project::Part) {
      if (!seen.insert(&file).second) return;
      refuse_secrets(*forms, file);
      Texts texts;
      texts.add_spec(file.spec);
      for (const Text& one : texts.found)
        refuse_secrets(*forms, one.text,
                       fmt::format("{}, once its arguments are put in: {}", file.spec.file, one.where));
    });
    if (project.lock()) refuse_secrets(*forms, to_json(*project.lock()), project::lock_path(project.path()));
  } catch (const base::Error& error) {
    throw without_secrets(*forms, error);
  }
}

void guard_secrets(const project::Project& project, const Options& options) {
  if (!secret_forms_of(options)->empty()) guard_secrets(project, project.platforms(), options);
}

}  // namespace minibuild::build
