#include "minibuild/project/spec_file.h"

#include "minibuild/tree/file_tree.h"

namespace minibuild::project {

std::string path_beside(const std::string& directory, const std::string& name) {
  return name.empty() || name.starts_with('/') || directory == "." ? name : directory + "/" + name;
}

std::string beside(const SpecFile& file, const std::string& path) {
  if (path.starts_with(shipped_prefix) || path.starts_with('/')) return path;
  if (file.spec.directory.starts_with(shipped_prefix))
    return std::string(shipped_prefix) +
           tree::normalise(file.spec.directory.substr(shipped_prefix.size()) + "/" + path);
  return path_beside(file.spec.directory, path);
}

oci::ImageLocation beside(const SpecFile& file, oci::ImageLocation location) {
  if (location.transport != oci::Transport::registry) location.path = beside(file, location.path);
  return location;
}

std::string rendered(const spec::Diagnostics& diagnostics, const std::string& file,
                     const std::string& source) {
  std::string text = spec::render_text(diagnostics, file, source);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void fail_at(const SpecFile& file, spec::Position position, base::Code code, const std::string& message) {
  const spec::Diagnostic diagnostic{spec::Severity::error, "build", position, message};
  throw base::Error(code, rendered({diagnostic}, file.spec.file, file.source),
                    base::Place{file.spec.file, position.line, position.column});
}

}  // namespace minibuild::project
