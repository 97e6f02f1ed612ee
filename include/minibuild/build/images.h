// Images on disk or in a registry, read and written by location.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "minibuild/oci/reference.h"
#include "minibuild/registry/client.h"
#include "minibuild/store/attachments.h"
#include "minibuild/store/blob_source.h"
#include "minibuild/store/image.h"
#include "minibuild/store/output.h"

namespace minibuild::build {

/// How to reach registries. The client is created when the first one is needed.
struct Registries {
  std::function<registry::Client&()> client;
  bool offline = false;       // use only what is in the cache
  bool verify_again = false;  // verify base signatures even if the cache remembers them as good
  /// What references and URLs without a digest resolve to; any others are looked up.
  std::map<std::string, oci::Digest> pinned;
  /// Directories that replace what is below a URL: prefix without scheme, path.
  std::vector<std::pair<std::string, std::string>> directories{};
  /// Called with how much is about to be fetched or pushed, and where.
  std::function<void(const std::string& subject, const std::string& text)> note;
};

/// Whether an image's layers are fetched, or only referenced; `write_output` then fetches those that it has
/// to send.
enum class Layers { all, documents };

/// Like store::read_image, but also for registries. Fetches only blobs that are not in the cache, several in
/// parallel, and each by only one process at a time. Throws Error `cannot read IMAGE: cause`.
store::ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                           store::Cache& cache, const Registries& registries, Layers fetched = Layers::all);

/// What reading an image from a registry would fetch.
struct ToFetch {
  size_t layers = 0;
  size_t missing = 0;  // of the layers
  uint64_t size = 0;   // of the missing ones, in bytes
};
/// Reads only manifests and configs, and keeps nothing. Throws like `read_image`.
ToFetch look_at_image(const std::string& name, const std::optional<oci::Platform>& wanted,
                      store::Cache& cache, const Registries& registries);

/// Everything that an image's manifest or index refers to, and with `referrers` what belongs to it, for
/// copying it byte for byte; with `wanted` only the image for that platform. For registries, layouts and
/// archives of layouts. Throws Error `cannot read IMAGE: cause`.
store::Graph read_graph(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                        store::Cache& cache, const Registries& registries, bool referrers, Layers fetched);

/// An image opened to read individual documents. What it was opened from must outlive it.
struct OpenedImage {
  std::unique_ptr<store::BlobSource> source;
  oci::Descriptor top;  // what its name refers to, resolved once
};
/// For registries, layouts and archives of layouts. Throws Error `cannot read IMAGE: cause`.
OpenedImage open_image(const oci::ImageLocation& location, store::Cache& cache, const Registries& registries);
/// What claims to belong to a manifest of the image, neither read nor verified. Throws Error like
/// `open_image`.
std::vector<store::FoundAttachment> list_attachments(const OpenedImage& image,
                                                     const oci::ImageLocation& location,
                                                     const oci::Digest& subject,
                                                     const Registries& registries);
/// The name of a repository or layout for store::Cache::lock_lists.
std::string lists_name(const oci::ImageLocation& location);
/// Stores attachments next to their images: in a registry's repository, or in a layout. Throws Error `cannot
/// write IMAGE: cause`. A caller that has read the existing attachments must hold lock_lists. Returns the
/// subjects for which the registry has neither the referrers API nor a list: attachments that name them and
/// have no tag of their own are stored but can never be found.
std::set<oci::Digest> attach(const oci::ImageLocation& location, std::vector<store::Attachment> attachments,
                             store::Cache& cache, const Registries& registries);
/// The message about such a subject.
std::string unlisted_text(const oci::Digest& subject);

/// Like store::write_output, but also for registries: blobs first, then manifests, then the index, the tags
/// last. Blobs that the repository has are not sent; blobs that another repository of the same registry has
/// are mounted. The tag is the destination's, else those in the product's names. Throws Error `cannot write
/// DEST: cause`.
void write_output(const oci::ImageLocation& destination, const store::Product& product, store::Cache& cache,
                  const Registries& registries);

}  // namespace minibuild::build
