// What differs between two images, and where a file of an image comes from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "minibuild/oci/json.h"
#include "minibuild/store/image.h"

namespace minibuild::build {

/// A package as the image's own database has it.
struct Package {
  std::string name;
  std::string version;
  std::string source;
  bool operator==(const Package&) const = default;
};
/// The packages of dpkg's status file, of status.d (distroless) and of apk's database; in the order of the
/// files.
std::vector<Package> packages_of(const tree::FileTree& tree);

/// An image with its merged files.
struct Opened {
  store::Image image;
  tree::FileTree tree;
};

/// One fact that differs; empty where it is absent.
struct Change {
  std::string name;
  std::string before;
  std::string after;
};

struct FileChange {
  std::string path;  // with leading `/`
  std::vector<Change>
      changes;  // type, mode, owner, mtime, size, content, target, xattrs; `before` of all empty: added
  bool added = false;
  bool removed = false;
  std::string text;  // lines with `-` and `+`, for small text files
};

struct Difference {
  bool same_manifest = false;
  bool same_content = false;        // config and diff ids agree; only compressed bytes or the manifest differ
  std::vector<Change> config;       // by the config's field
  std::vector<Change> annotations;  // of the manifest
  std::vector<Change> layers;       // by number
  std::vector<Change> packages;     // by name
  std::vector<FileChange> files;    // in order of paths
  bool empty() const {
    return config.empty() && annotations.empty() && layers.empty() && packages.empty() && files.empty();
  }
};
Difference compare(const Opened& before, const Opened& after);
/// For people, and as a document with the same facts.
std::string to_text(const Difference& difference);
oci::Json to_json(const Difference& difference);

/// Where a path of an image comes from.
struct Origin {
  std::string path;  // with the links of its parents followed
  size_t layer = 0;  // from 1; the last that wrote it
  std::string layer_digest;
  std::string created_by;       // of that layer, from the history; or empty
  std::string package;          // NAME VERSION whose file list has it; or empty
  std::string fact;             // type, mode, owner, size and content
  std::vector<size_t> earlier;  // layers that wrote it before
};
/// Throws Error if the image has no such path, with the nearest that it has.
Origin find_origin(const store::Image& image, const std::string& path, store::Cache& cache,
                   const std::string& what);

}  // namespace minibuild::build
