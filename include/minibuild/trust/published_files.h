// Which files of a tree are as a package of a public registry brings them: what looks like a credential there
// is an example or a key for tests that everybody has, not something of the one who builds.
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
  /// The package's list of its files has the hash of this one. Else only the place says so: somebody may have
  /// changed it, or put it there.
  bool exact = false;
  /// What the installer noted says that the package came from a registry, whole and verified: its own code is
  /// nobody's secret, what was laid beside it may be.
  bool fetched = false;
  bool operator==(const Publisher&) const = default;
};

/// Looks at what installers leave beside what they install: RECORD of Python's packages (not of a directory
/// or a repository, see direct_url.json), package.json below node_modules (not of a private one) and the
/// lists of npm, pnpm and Yarn beside it, the checksums of vendored crates, the directories of cargo, Go,
/// RubyGems and Composer. Nothing is read before it is asked.
class PublishedFiles {
 public:
  explicit PublishedFiles(const tree::FileTree& tree) : tree_(tree) {}
  /// `path` without leading `/`.
  std::optional<Publisher> publisher_of(const std::string& path);

 private:
  struct Record {
    std::string root;  // what its paths are relative to, with a trailing `/` unless it is empty
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

/// Whether a finding of this rule in such a file is told instead of refused. Without the hash that holds for
/// what only looks like a value that is named a secret; keys and tokens that are surely some must lie among
/// tests, examples or documents, or in the code of a package that was fetched. `path` is that of the file.
bool is_mild(const std::string& rule, const std::string& path, const Publisher& publisher);

}  // namespace minibuild::trust
