#include "minibuild/build/attestations.h"

#include <algorithm>

#include "builder/build/secret_gate.h"
#include "minibuild/base/text.h"
#include "minibuild/trust/secret_rules.h"

namespace minibuild::build {

namespace {

constexpr size_t max_git_file = size_t{16} << 20;

std::vector<trust::SbomFormat> formats_of(const spec::Attest& wanted) {
  std::vector<trust::SbomFormat> formats;
  if (wanted.spdx) formats.push_back(trust::SbomFormat::spdx);
  if (wanted.cyclonedx) formats.push_back(trust::SbomFormat::cyclonedx);
  return formats;
}

std::string_view predicate_of(trust::SbomFormat format) {
  return format == trust::SbomFormat::spdx ? "https://spdx.dev/Document" : "https://cyclonedx.org/bom";
}

std::string read_or_nothing(const std::string& path) {
  try {
    return base::exists(path) && !base::is_directory(path) ? base::read_file(path, max_git_file) : "";
  } catch (const base::Error&) {
    return "";
  }
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The URL of the remote `origin` in a git config, as written there.
std::string origin_of(const std::string& config) {
  bool inside = false;
  for (const std::string& line : base::split(config, '\n')) {
    const std::string_view text = base::trim(line);
    if (text.starts_with('[')) inside = text == "[remote \"origin\"]";
    if (!inside || !text.starts_with("url")) continue;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    return std::string(base::trim(text.substr(equals + 1)));
  }
  return "";
}

}  // namespace

std::vector<std::string> credential_args(const std::map<std::string, std::string>& set) {
  std::vector<std::string> names;
  for (const auto& [name, value] : set)
    if (!trust::scan_texts({{"env:" + name, value}}).empty()) names.push_back(name);
  return names;
}

std::vector<Statement> add_attestations(Built& built, const spec::Attest& wanted,
                                        const project::Project& project, const Options& options,
                                        const project::Lock& lock, const Invocation& invocation,
                                        store::Cache& cache) {
  std::vector<Statement> statements;
  const auto forms = secret_forms_of(options);
  const std::vector<trust::SbomFormat> formats = formats_of(wanted);
  for (size_t i = 0; i < built.set.images.size() && !formats.empty(); ++i) {
    const store::Image& image = built.set.images[i];
    trust::Components components = trust::components_of(built.trees[i]);
    trust::add_package_files(components, package_files(lock));
    const trust::ImageIdentity identity = trust::identify(image, built.names);
    for (const trust::SbomFormat format : formats) {
      const std::string document = trust::to_sbom(format, identity, components, invocation.version);
      refuse_secrets(*forms, document, "the image's SBOM");
      built.set.attachments.push_back(
          trust::keep_artifact(trust::document_artifact(trust::media_type_of(format), document,
                                                        image.descriptor, identity.created),
                               image.descriptor.digest, cache));
      statements.push_back({image.descriptor, std::string(predicate_of(format)), document});
    }
  }
  if (!wanted.provenance) return statements;
  trust::Provenance provenance = describe_build(project, options, lock, built, invocation);
  std::map<std::string, std::string> hidden = options.secrets;
  for (const std::string& name : credential_args(project.set()))
    hidden.emplace("--set " + name, project.set().at(name));
  trust::hide_secrets(provenance, hidden);
  const std::string statement = trust::provenance_statement(subjects_of(built), provenance);
  refuse_secrets(*forms, statement, "the image's provenance");
  const oci::Descriptor& top = store::top_of(built.set);
  built.set.attachments.push_back(trust::keep_artifact(
      trust::provenance_artifact(statement, top, invocation.finished), top.digest, cache));
  statements.push_back({top, std::string(trust::slsa_predicate), trust::provenance_predicate(provenance)});
  return statements;
}

std::optional<GitCommit> commit_of(const std::string& path) {
  std::string directory = base::parent_path(base::real_path(path));
  while (!base::exists(directory + "/.git")) {
    if (directory == "/" || directory.empty() || directory == ".") return std::nullopt;
    directory = base::parent_path(directory);
    if (directory.empty()) directory = "/";
  }
  std::string git = directory + "/.git";
  // Of a worktree it is a file that names the directory.
  if (const std::string link = read_or_nothing(git); link.starts_with("gitdir: ")) {
    git = std::string(base::trim(std::string_view(link).substr(8)));
    if (!git.starts_with('/')) git = directory + "/" + git;
  }
  std::string common = git;
  if (const std::string below = std::string(base::trim(read_or_nothing(git + "/commondir"))); !below.empty())
    common = below.starts_with('/') ? below : git + "/" + below;
  std::string head(base::trim(read_or_nothing(git + "/HEAD")));
  if (head.starts_with("ref: ")) {
    const std::string name = head.substr(5);
    if (name.find("..") != std::string::npos) return std::nullopt;
    head = std::string(base::trim(read_or_nothing(git + "/" + name)));
    if (head.empty()) head = std::string(base::trim(read_or_nothing(common + "/" + name)));
    if (head.empty())
      for (const std::string& line : base::split(read_or_nothing(common + "/packed-refs"), '\n'))
        if (line.ends_with(" " + name)) head = line.substr(0, line.find(' '));
  }
  if (!is_commit(head)) return std::nullopt;
  return GitCommit{origin_of(read_or_nothing(common + "/config")), head};
}

}  // namespace minibuild::build
