// Images wherever they are: on disk or in a registry, read and written by their location.
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

/// How to reach registries. The client is made when the first one is needed.
struct Registries {
  std::function<registry::Client&()> client;
  bool offline = false;       // use only what the cache holds
  bool verify_again = false;  // signatures of bases, also of those that the cache remembers as good
  /// What references and URLs without a digest stand for; the others are asked for.
  std::map<std::string, oci::Digest> pinned;
  /// Directories in the place of what is below a URL: prefix without scheme, path.
  std::vector<std::pair<std::string, std::string>> directories{};
  /// Hears how much is about to be fetched or pushed, and where.
  std::function<void(const std::string& subject, const std::string& text)> note;
};

/// Whether the layers of an image in a registry are fetched, or only named: `write_output` fetches those that
/// it has to send.
enum class Layers { all, documents };

/// As store::read_image, for registries too. Only blobs that the cache does not hold are fetched, several at
/// once, each by one process at a time. Throws Error `cannot read IMAGE: cause`.
store::ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                           store::Cache& cache, const Registries& registries, Layers fetched = Layers::all);

/// What reading an image of a registry would fetch.
struct ToFetch {
  size_t layers = 0;
  size_t missing = 0;  // of the layers
  uint64_t size = 0;   // of the missing ones, in bytes
};
/// Reads manifests and configs only, and keeps nothing. Throws as `read_image`.
ToFetch look_at_image(const std::string& name, const std::optional<oci::Platform>& wanted,
                      store::Cache& cache, const Registries& registries);

/// Everything that the manifest or index of an image names, and with `referrers` what belongs to it, for
/// copying it byte for byte; with `wanted` the image for that platform alone. For registries, layouts and
/// archives of them. Throws Error `cannot read IMAGE: cause`.
store::Graph read_graph(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                        store::Cache& cache, const Registries& registries, bool referrers, Layers fetched);

/// An image that is opened to read single documents of it. What it came from must outlive it.
struct OpenedImage {
  std::unique_ptr<store::BlobSource> source;
  oci::Descriptor top;  // what its name stands for, asked for once
};
/// For registries, layouts and archives of them. Throws Error `cannot read IMAGE: cause`.
OpenedImage open_image(const oci::ImageLocation& location, store::Cache& cache, const Registries& registries);
/// What is said to belong to a manifest of the image, unread and unchecked. Throws Error as `open_image`.
std::vector<store::FoundAttachment> list_attachments(const OpenedImage& image,
                                                     const oci::ImageLocation& location,
                                                     const oci::Digest& subject,
                                                     const Registries& registries);
/// What store::Cache::lock_lists calls a repository or layout.
std::string lists_name(const oci::ImageLocation& location);
/// Puts what belongs to images beside them: into the repository of a registry, or into a layout. Throws Error
/// `cannot write IMAGE: cause`. Whoever read what is there holds lock_lists. Gives the subjects for which the
/// registry has neither the referrers API nor a list: what names them, and has no tag of its own, is put and
/// never found.
std::set<oci::Digest> attach(const oci::ImageLocation& location, std::vector<store::Attachment> attachments,
                             store::Cache& cache, const Registries& registries);
/// What to say of such a subject.
std::string unlisted_text(const oci::Digest& subject);

/// As store::write_output, for registries too: blobs first, then manifests, then the index, the tags last.
/// What the repository has is not sent; what another repository of the same registry has is mounted. The tag
/// is the destination's, else those of the product's names. Throws Error `cannot write DEST: cause`.
void write_output(const oci::ImageLocation& destination, const store::Product& product, store::Cache& cache,
                  const Registries& registries);

}  // namespace minibuild::build
