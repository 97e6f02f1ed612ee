// What differs between two images, and where a file in an image comes from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/json.h"
#include "minibuild/store/image.h"

namespace minibuild::build {

/// A package as listed in the image's own database.
struct Package {
  std::string name;
  std::string version;
  std::string source;
  bool operator==(const Package&) const = default;
};
/// The packages in dpkg's status file, in status.d (distroless) and in apk's database, in file order.
std::vector<Package> packages_of(const tree::FileTree& tree);

/// An image with its merged file tree.
struct Opened {
  store::Image image;
  tree::FileTree tree;
};

/// One property that differs; a side on which it is absent is empty.
struct Change {
  std::string name;
  std::string before;
  std::string after;
};

struct FileChange {
  std::string path;  // with leading `/`
  std::vector<Change>
      changes;  // type, mode, owner, mtime, size, content, target, xattrs; all `before` empty: added
  bool added = false;
  bool removed = false;
  std::string text;  // lines with `-` and `+`, for small text files
};

struct Difference {
  bool same_manifest = false;
  bool same_content = false;        // config and diff IDs match; only compressed bytes or the manifest differ
  std::vector<Change> config;       // by config field
  std::vector<Change> annotations;  // of the manifest
  std::vector<Change> layers;       // by number
  std::vector<Change> packages;     // by name
  std::vector<FileChange> files;    // by path
  bool empty() const {
    return config.empty() && annotations.empty() && layers.empty() && packages.empty() && files.empty();
  }
};
Difference compare(const Opened& before, const Opened& after);
/// For display, and as a document with the same content.
std::string to_text(const Difference& difference);
oci::Json to_json(const Difference& difference);

/// Where a path in an image comes from.
struct Origin {
  std::string path;  // with symlinks in parent directories resolved
  size_t layer = 0;  // from 1; the last one that wrote it
  std::string layer_digest;
  std::string created_by;       // of that layer, from the history; or empty
  std::string package;          // NAME VERSION of the package whose file list contains it; or empty
  std::string fact;             // type, mode, owner, size and content
  std::vector<size_t> earlier;  // layers that wrote it before
};
/// If the image has no such path, throws Error naming the closest one that it has.
Origin find_origin(const store::Image& image, const std::string& path, store::Cache& cache,
                   const std::string& what);

}  // namespace minibuild::build
