// Which files of a tree are as published in a package of a public registry: what looks like a credential
// there is an example or a test key that everybody has, not a secret of the person who builds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/json.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::trust {

/// The package that a file belongs to.
struct Publisher {
  std::string package;  // `h11 0.14.0`
  /// The package's own file list contains the hash of this file. Otherwise only its location suggests the
  /// package: somebody may have changed the file or put it there.
  bool exact = false;
  /// The installer's records say that the package came from a registry, complete and verified: its own code
  /// is nobody's secret, but files placed next to it may be.
  bool fetched = false;
  bool operator==(const Publisher&) const = default;
};

/// Reads what installers leave next to what they install: RECORD of Python packages (not those installed from
/// a directory or a repository, see direct_url.json), package.json below node_modules (not of private
/// packages) and the lists of npm, pnpm and Yarn next to it, the checksums of vendored crates, and the
/// directories of cargo, Go, RubyGems and Composer. Nothing is read before it is needed.
class PublishedFiles {
 public:
  explicit PublishedFiles(const tree::FileTree& tree) : tree_(tree) {}
  /// `path` without leading `/`.
  std::optional<Publisher> publisher_of(const std::string& path);

 private:
  struct Record {
    std::string root;  // what its paths are relative to, with a trailing `/` unless empty
    std::string package;
    std::string text;
  };
  const std::string& text_of(const std::string& path);
  bool is_there(const std::string& path) const { return tree_.find(path) != nullptr; }
  const std::vector<Record>& records();
  const oci::Json& json_of(const std::string& path);
  bool is_fetched(const std::string& path, const std::string& name);
  std::optional<Publisher> of_python(const std::string& path);
  std::optional<Publisher> of_npm(const std::string& path);
  std::optional<Publisher> of_cargo(const std::string& path);
  std::optional<Publisher> of_go(const std::string& path);
  std::optional<Publisher> of_ruby(const std::string& path);
  std::optional<Publisher> of_composer(const std::string& path);
  std::string sha256_of(const std::string& path) const;

  const tree::FileTree& tree_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, oci::Json> lists_;
  std::optional<std::vector<Record>> records_;
};

/// Whether a finding of this rule in such a file is reported rather than refused. If the file's hash is not
/// confirmed, this is the case only for rules that match what merely looks like a secret value; definite keys
/// and tokens must be among tests, examples or documentation, or in the code of a package that was fetched.
/// `path` is the file's path.
bool is_mild(const std::string& rule, const std::string& path, const Publisher& publisher);

}  // namespace minibuild::trust
