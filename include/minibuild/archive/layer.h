// Layers: what goes into one, and writing it in one pass.
//
// A layer's tar is cut into groups of consecutive records, 1 to 4 MiB each, at places determined by the
// paths. Each group is compressed on its own. An unchanged group is therefore taken from an earlier layer,
// and what comes before the first changed group is not even read, because its SHA-256 states were kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "minibuild/archive/compress.h"
#include "minibuild/base/sha256.h"
#include "minibuild/oci/digest.h"
#include "minibuild/tree/file_tree.h"

namespace minibuild::archive {

/// One entry of a layer; its node belongs to the tree that the plan was made from. A whiteout is an empty
/// file with a whiteout name.
struct LayerEntry {
  std::string path;
  const tree::Node* node = nullptr;
  std::string hard_link;  // an earlier path of the same layer, or empty
};
/// The entries in the order in which they are written: parents first, whiteouts before their siblings.
using LayerPlan = std::vector<LayerEntry>;

/// What must be written over `below` to get `above`: added and changed nodes with all their parents, and
/// whiteouts for what has been removed (but not below a path whose type changes). Hard links become links to
/// the first path of their group. Both trees must outlive the plan.
LayerPlan difference(const tree::FileTree& below, const tree::FileTree& above);

/// Cuts a plan of more than 128 MiB into several of about 64 MiB or more, at most about 16, at places
/// determined by the paths. A change then affects only one of them, and transfers run in parallel. Each plan
/// has all its parents; hard links stay with their target. Together the layers give the same tree. `above` is
/// the tree that the plan was made from.
std::vector<LayerPlan> split(LayerPlan plan, const tree::FileTree& above);

/// The end of a group in a written layer, and the hash states there.
struct GroupEnd {
  base::Hash key{};         // of the group's content and its compression
  uint64_t plain = 0;       // offset in the tar
  uint64_t stored = 0;      // offset in the blob
  std::string plain_state;  // Sha256::save()
  std::string stored_state;
};

/// A complete layer.
struct Layer {
  oci::Digest digest;
  oci::DiffId diff_id;
  uint64_t size = 0;        // of the blob, in bytes
  uint64_t plain_size = 0;  // of the tar
  std::vector<GroupEnd> groups;
};
std::string serialise(const Layer& layer);
/// Returns std::nullopt if the bytes are not the output of `serialise`.
std::optional<Layer> parse_layer(std::string_view bytes);

/// A layer that was written earlier and whose blob has been verified.
struct StoredLayer {
  Layer layer;
  std::string path;  // of the blob
};

/// What is remembered between builds. Several threads may call its functions at the same time.
class LayerMemory {
 public:
  virtual ~LayerMemory() = default;
  /// The SHA-256 of the `length` bytes of `content` at `offset`, if it is known.
  virtual std::optional<base::Hash> known_hash(const tree::Content& content, uint64_t offset,
                                               uint64_t length) = 0;
  virtual void remember_hash(const tree::Content& content, uint64_t offset, uint64_t length,
                             const base::Hash& hash) = 0;
  /// The layer with exactly these groups.
  virtual std::optional<StoredLayer> find_layer(const base::Hash& key) = 0;
  /// A layer that has the group, and the group's number in it.
  virtual std::optional<std::pair<std::shared_ptr<const StoredLayer>, size_t>> find_group(
      const base::Hash& key) = 0;
  /// A sink for a new blob. It writes to the file open as `fd()` until `keep` moves it to its final place.
  class NewBlob : public base::Sink {
   public:
    virtual int fd() const = 0;
    /// Completes the blob and stores it with its layer.
    virtual void keep(const base::Hash& key, const Layer& layer) = 0;
  };
  virtual std::unique_ptr<NewBlob> new_blob() = 0;
};

/// Called from the calling thread with the number of tar bytes done, out of the total.
using LayerProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Writes `plan` as one layer and stores it. Each file is read at most once. Reading, hashing and compressing
/// run in parallel on `jobs` threads; the bytes depend neither on `jobs` nor on what is remembered. Memory
/// stays below 64 MiB whatever the size of the layer. Throws Error if a file changed after the tree was made;
/// nothing is stored then. Format: image-spec layer.md, tar entries in the pax interchange format.
Layer write_layer(const LayerPlan& plan, const Compression& compression, LayerMemory& memory, int jobs,
                  const LayerProgress& progress = {});

/// Writes the uncompressed tar of a plan, in one thread.
void write_plain_tar(const LayerPlan& plan, base::Sink& sink);

}  // namespace minibuild::archive
