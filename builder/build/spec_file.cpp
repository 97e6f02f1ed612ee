#include "minibuild/build/spec_file.h"

#include <algorithm>

#include "minibuild/base/file.h"
#include "minibuild/base/file_system.h"

namespace minibuild::build {

namespace {

// Reads the policy that the spec shares with others, and puts both together.
void join_policy(SpecFile& file) {
  spec::Policy& own = file.spec.policy;
  const auto wrong = [&](spec::Position position, const std::string& message) {
    file.diagnostics.push_back({spec::Severity::error, "policy", position, message});
  };
  if (!own.file.empty()) try {
      const std::string source =
          base::read_file(path_beside(file.spec.directory, own.file), spec::max_policy);
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

}  // namespace

std::string path_beside(const std::string& directory, const std::string& name) {
  return name.empty() || name.starts_with('/') || directory == "." ? name : directory + "/" + name;
}

SpecFile read_spec(const std::string& path, const std::map<std::string, std::string>& set,
                   const oci::Platform& platform) {
  SpecFile file;
  if (path.starts_with(shipped_prefix)) {
    const auto text = spec::shipped_file(path.substr(shipped_prefix.size()));
    if (!text) throw base::Error(base::Code::usage, fmt::format("no spec '{}' comes with minibuild", path));
    file.source = *text;
  } else
    try {
      struct stat st {};
      if (::stat(path.c_str(), &st) == 0) {
        if (S_ISDIR(st.st_mode)) base::fail("cannot open {}: it is a directory; name the spec in it", path);
        // It is read more than once, what it names lies beside it, and so does its lock file.
        if (!S_ISREG(st.st_mode))
          base::fail(
              "cannot open {}: it is {}, and a spec is a file: what it copies and its lock file lie beside "
              "it; "
              "write it to a file first",
              path, base::kind_of_file(st.st_mode));
      }
      file.source = base::read_file(path, size_t{4} << 20);
    } catch (const base::Error& error) {
      throw base::Error(base::Code::usage, error.what());
    }
  spec::ParseResult result = spec::parse(
      file.source, {.file = path, .directory = base::parent_path(path), .set = set, .platform = platform});
  file.spec = std::move(result.spec);
  file.diagnostics = std::move(result.diagnostics);
  join_policy(file);
  return file;
}

namespace {

// A rendered diagnostic without the line end that whoever prints it adds.
std::string rendered(const spec::Diagnostics& diagnostics, const std::string& file,
                     const std::string& source) {
  std::string text = spec::render_text(diagnostics, file, source);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

SpecFile load_spec(const std::string& path, const std::map<std::string, std::string>& set,
                   const oci::Platform& platform) {
  SpecFile file = read_spec(path, set, platform);
  if (spec::has_errors(file.diagnostics))
    throw base::Error(base::Code::usage, rendered(file.diagnostics, path, file.source));
  return file;
}

std::map<std::string, std::string> declared_of(const std::string& path,
                                               std::map<std::string, std::string> set,
                                               const oci::Platform& platform) {
  const SpecFile plain = read_spec(path, {}, platform);
  std::erase_if(set, [&](const auto& entry) {
    return std::none_of(plain.spec.args.begin(), plain.spec.args.end(),
                        [&](const auto& declared) { return declared.first == entry.first; });
  });
  return set;
}

void fail_at(const SpecFile& file, spec::Position position, base::Code code, const std::string& message) {
  const spec::Diagnostic diagnostic{spec::Severity::error, "build", position, message};
  throw base::Error(code, rendered({diagnostic}, file.spec.file, file.source));
}

void drop_missing_baselines(SpecFile& file) {
  std::erase_if(file.spec.policy.baselines, [&](const std::string& name) {
    return !base::exists(path_beside(file.spec.directory, name));
  });
}

}  // namespace minibuild::build
