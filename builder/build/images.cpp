#include "minibuild/build/images.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "builder/build/error_context.h"
#include "builder/build/parallel.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::build {

using base::fail;

namespace {

std::string counted(size_t n, const std::string& word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

// A repository as a source of blobs, with the cache before it.
class RepositorySource : public store::BlobSource {
 public:
  // With `look`, nothing is kept and no layer is fetched: those that are missing are counted. With
  // `documents` no layer is fetched either; its path is where it will be.
  RepositorySource(oci::Reference reference, store::Cache& cache, const Registries& registries,
                   Layers fetched = Layers::all, ToFetch* look = nullptr)
      : reference_(std::move(reference)),
        cache_(cache),
        registries_(registries),
        fetched_(fetched),
        look_(look) {}

  // What the reference names now, or the digest that it says.
  oci::Descriptor top() const {
    if (reference_.digest) {
      if (const auto path = cache_.find_blob(*reference_.digest)) {
        const std::string bytes = base::read_file(*path, oci::max_json_size);
        const oci::Json json = oci::parse_json(bytes, "the cached manifest");
        if (json.is_object() && json.contains("mediaType") && json["mediaType"].is_string())
          return {json["mediaType"].get<std::string>(), *reference_.digest, bytes.size(), {}, {}};
      }
    }
    const registry::Client::Document document = client().manifest(reference_);
    keep(document.bytes, document.descriptor.digest);
    return document.descriptor;
  }

  std::optional<std::string> file(const std::string& /*name*/, size_t /*limit*/) const override {
    return std::nullopt;
  }
  bool holds(const oci::Descriptor& want) const override {
    return cache_.find_blob(want.digest) || client().has_blob(reference_, want.digest);
  }
  std::optional<oci::Reference> origin() const override { return reference_; }
  std::string blob(const std::string& /*name*/, const std::optional<oci::Descriptor>& want,
                   store::Cache& /*cache*/, oci::Digest* digest) const override {
    *digest = want->digest;
    return layers({*want}, cache_).front();
  }

  std::optional<std::string> document(const oci::Descriptor& want) const override {
    if (const auto path = cache_.find_blob(want.digest)) return base::read_file(*path, oci::max_json_size);
    std::string bytes = fetch_document(want);
    keep(bytes, want.digest);
    return bytes;
  }

  std::vector<std::string> layers(const std::vector<oci::Descriptor>& wanted,
                                  store::Cache& cache) const override {
    std::vector<oci::Descriptor> missing;
    uint64_t size = 0;
    for (const oci::Descriptor& layer : wanted) {
      const bool twice = std::any_of(missing.begin(), missing.end(), [&](const oci::Descriptor& other) {
        return other.digest == layer.digest;
      });
      if (twice || cache.find_blob(layer.digest)) continue;
      missing.push_back(layer);
      size += layer.size;
    }
    if (look_ != nullptr) {
      look_->layers += wanted.size();
      look_->missing += missing.size();
      look_->size += size;
    } else if (!missing.empty() && fetched_ == Layers::all) {
      registry::Client& from = client();
      if (registries_.note)
        registries_.note(
            name(), fmt::format("fetching {}, {}", counted(missing.size(), "layer"), base::human_size(size)));
      std::mutex mutex;
      std::vector<std::string> asked;
      const auto trying = [&](const std::string& place, bool mirror) {
        const std::lock_guard lock(mutex);
        const bool said = std::find(asked.begin(), asked.end(), place) != asked.end();
        if (said || (asked.empty() && !mirror)) return;
        asked.push_back(place);
        if (registries_.note) registries_.note(name(), (mirror ? "from the mirror " : "from ") + place);
      };
      for_each_in_parallel(missing.size(), from.parallel(),
                           [&](size_t i) { fetch(from, missing[i], trying); });
    }
    std::vector<std::string> paths;
    for (const oci::Descriptor& layer : wanted) paths.push_back(cache.blob_path(layer.digest));
    return paths;
  }

 private:
  std::string name() const { return reference_.host + "/" + reference_.repository; }

  registry::Client& client() const {
    if (registries_.offline) fail("the cache does not hold all of it, and --offline forbids fetching it");
    if (!registries_.client) fail("no registry can be reached from here");
    return registries_.client();
  }

  // A registry has manifests and blobs apart; where nobody says which of them it is, both are asked for.
  std::string fetch_document(const oci::Descriptor& want) const {
    const bool unsaid = want.media_type.empty();
    if (!unsaid && !oci::is_document(want.media_type)) return client().small_blob(reference_, want);
    oci::Reference exact = reference_;
    exact.tag.clear();
    exact.digest = want.digest;
    try {
      return client().manifest(exact, std::min<uint64_t>(want.size, oci::max_json_size)).bytes;
    } catch (const registry::Refused&) {
      if (!unsaid) throw;
    }
    return client().small_blob(reference_, want);
  }

  void keep(const std::string& bytes, const oci::Digest& digest) const {
    if (look_ != nullptr) return;
    base::MemorySource source(bytes);
    cache_.put_blob(source, digest, name());
  }

  void fetch(registry::Client& from, const oci::Descriptor& layer,
             const registry::Client::Trying& trying) const {
    // Of several builds that want the same blob one fetches it.
    const base::FileLock lock = cache_.lock_blob(layer.digest);
    if (cache_.find_blob(layer.digest)) return;
    base::AtomicFile file(cache_.temporary_directory() + "/blob", 0444);
    from.fetch_blob(reference_, layer, file.fd(), trying);
    cache_.keep_blob(file, layer.digest);
    cache_.note_file_digest(cache_.blob_path(layer.digest), layer.digest);
  }

  oci::Reference reference_;
  store::Cache& cache_;
  const Registries& registries_;
  Layers fetched_;
  ToFetch* look_;
};

// Keeps what a registry gave until it was not used for long: the cache's collector drops what no result
// names.
void remember(const store::Graph& graph, const oci::Reference& reference, store::Cache& cache) {
  store::Result result{"image", reference.host + "/" + reference.repository, {}};
  base::Sha256 key;
  key.update("registry image");
  for (const store::Document& document : graph.documents) {
    key.update(base::as_bytes(document.descriptor.digest.hash));
    result.blobs.push_back(document.descriptor.digest);
    for (const store::Blob& blob : document.blobs) result.blobs.push_back(blob.descriptor.digest);
  }
  const base::Hash id = key.finish();
  if (!cache.find_result(id)) cache.put_result(id, result);
}

// The reference with the digest that it is pinned to, if it is.
oci::Reference pinned(const std::string& name, const Registries& registries) {
  oci::Reference reference = oci::parse_reference(name);
  if (const auto pin = registries.pinned.find(name); pin != registries.pinned.end())
    reference.digest = pin->second;
  return reference;
}

// What a repository holds that belongs to a manifest: by subject, and by cosign's tags.
std::vector<store::FoundAttachment> listed(registry::Client& client, const oci::Reference& repository,
                                           const oci::Digest& subject) {
  std::vector<store::FoundAttachment> found;
  for (const oci::Descriptor& referrer : client.referrers(repository, subject))
    found.push_back({referrer, ""});
  for (const std::string& tag : store::attachment_tags(subject)) {
    oci::Reference tagged = repository;
    tagged.digest.reset();
    tagged.tag = tag;
    if (const auto there = client.find_digest_tag(tagged, subject)) found.push_back({*there, tag});
  }
  return found;
}

class Push {
 public:
  Push(oci::Reference target, const store::Graph& graph, std::vector<oci::Reference> names,
       store::Cache& cache, const Registries& registries)
      : target_(std::move(target)),
        graph_(graph),
        names_(std::move(names)),
        cache_(cache),
        registries_(registries) {}

  // Only what belongs to the images. Gives the subjects for which the registry lists nothing.
  std::set<oci::Digest> attach() {
    if (!registries_.client || registries_.offline) fail("--offline forbids pushing");
    registry::Client& to = registries_.client();
    send_blobs(to, false);
    for (const store::Attachment& attachment : graph_.attachments) put_attachment(to, attachment);
    return unlisted_;
  }

  void run() {
    if (!registries_.client || registries_.offline) fail("--offline forbids pushing");
    registry::Client& to = registries_.client();
    send_blobs(to, false);
    std::optional<base::FileLock> lock;
    if (!graph_.attachments.empty())
      lock.emplace(cache_.lock_lists(lists_name({oci::Transport::registry, oci::to_string(target_), ""})));
    try {
      put_all(to);
    } catch (const registry::Refused& error) {
      // A registry that forgot a blob, or said that it has one that it lacks: once more, all of them.
      if (error.reason() != "BLOB_UNKNOWN" && error.reason() != "MANIFEST_BLOB_UNKNOWN") throw;
      send_blobs(to, true);
      put_all(to);
    }
    tell_unlisted();
  }

 private:
  // Each document after those that it names, the tags last.
  void put_all(registry::Client& to) {
    const store::Document& top = graph_.documents.back();
    for (const store::Document& document : graph_.documents)
      if (&document != &top)
        put(to, document.descriptor, document.json, oci::to_string(document.descriptor.digest));
    for (const store::Attachment& attachment : graph_.attachments) {
      // An index may name what it belongs to.
      if (oci::is_index(attachment.descriptor.media_type))
        put(to, top.descriptor, top.json, oci::to_string(top.descriptor.digest));
      put_attachment(to, attachment);
    }
    for (const std::string& name : names()) put(to, top.descriptor, top.json, name);
  }

  std::vector<std::string> names() const {
    if (!target_.tag.empty()) return {target_.tag};
    if (target_.digest) return {oci::to_string(*target_.digest)};
    std::vector<std::string> tags;
    for (const oci::Reference& name : names_)
      if (!name.tag.empty() && std::find(tags.begin(), tags.end(), name.tag) == tags.end())
        tags.push_back(name.tag);
    if (tags.empty()) tags.emplace_back("latest");
    return tags;
  }

  // Each blob once: to be there before a manifest names it.
  std::vector<const store::Blob*> blobs(const std::vector<store::Blob>& attached) const {
    std::vector<const store::Blob*> all;
    std::set<oci::Digest> seen;
    const auto add = [&](const store::Blob& blob) {
      if (seen.insert(blob.descriptor.digest).second) all.push_back(&blob);
    };
    for (const store::Document& document : graph_.documents)
      for (const store::Blob& blob : document.blobs) add(blob);
    for (const store::Blob& blob : attached) add(blob);
    return all;
  }

  void send_blobs(registry::Client& to, bool all_again) {
    std::vector<store::Blob> attached;
    for (const store::Attachment& attachment : graph_.attachments)
      for (const store::ImageLayer& blob : attachment.blobs)
        attached.push_back({blob.descriptor, blob.path, {}, {}});
    const std::vector<const store::Blob*> all = blobs(attached);
    std::mutex mutex;
    size_t sent = 0;
    size_t mounted = 0;
    uint64_t bytes = 0;
    for_each_in_parallel(all.size(), to.parallel(), [&](size_t i) {
      const store::Blob& piece = *all[i];
      if (!all_again && to.has_blob(target_, piece.descriptor.digest)) return;
      // What it said to have mounted it may lack, too.
      const bool neighbour = !all_again && piece.origin && piece.origin->host == target_.host &&
                             piece.origin->repository != target_.repository;
      if (neighbour && to.mount_blob(target_, piece.descriptor.digest, piece.origin->repository)) {
        const std::lock_guard lock(mutex);
        ++mounted;
        return;
      }
      if (piece.path.empty()) {
        to.upload_bytes(target_, piece.descriptor, piece.bytes);
      } else {
        // A layer that was left where it was is fetched now that it has to be sent.
        if (piece.origin && !base::exists(piece.path))
          RepositorySource(*piece.origin, cache_, registries_).layers({piece.descriptor}, cache_);
        to.upload_blob(target_, piece.descriptor, piece.path);
      }
      const std::lock_guard lock(mutex);
      ++sent;
      bytes += piece.descriptor.size;
    });
    if (!registries_.note) return;
    registries_.note(target_.host + "/" + target_.repository,
                     fmt::format("pushed {} ({}), mounted {}, {} there", counted(sent, "blob"),
                                 base::human_size(bytes), mounted, all.size() - sent - mounted));
  }

  void put(registry::Client& to, const oci::Descriptor& descriptor, const std::string& bytes,
           const std::string& name) {
    oci::Reference there = target_;
    const bool by_digest = name == oci::to_string(descriptor.digest);
    there.tag = by_digest ? "" : name;
    there.digest = by_digest ? std::optional(descriptor.digest) : std::nullopt;
    const bool noted = !to.has_manifest(there, descriptor.digest) &&
                       to.put_manifest(target_, name, descriptor.media_type, bytes);
    // Who stores what has a subject sees to it that it is found by it (distribution-spec, "Pushing Manifests
    // with Subject"). The copy itself is found by its name.
    const std::optional<oci::Digest> subject = subject_of(descriptor, bytes);
    if (subject && !to.list_referrer(target_, *subject, entry_of(descriptor, bytes), noted) &&
        registries_.note)
      registries_.note(target_.host + "/" + target_.repository, unlisted_text(*subject));
  }

  // Nothing where it cannot be read: what is only copied is not judged.
  static std::optional<oci::Digest> subject_of(const oci::Descriptor& descriptor, const std::string& bytes) {
    if (!oci::is_manifest(descriptor.media_type) && !oci::is_index(descriptor.media_type))
      return std::nullopt;
    try {
      return store::subject_of(bytes, oci::to_string(descriptor.digest));
    } catch (const base::Error&) {
      return std::nullopt;
    }
  }

  void put_attachment(registry::Client& to, const store::Attachment& attachment) {
    const std::string name =
        attachment.tag.empty() ? oci::to_string(attachment.descriptor.digest) : attachment.tag;
    if (is_there(to, attachment)) return;
    const bool noted =
        to.put_manifest(target_, name, attachment.descriptor.media_type, attachment.manifest_json);
    if (attachment.tag.empty() &&
        !to.list_referrer(target_, attachment.subject,
                          entry_of(attachment.descriptor, attachment.manifest_json), noted))
      unlisted_.insert(attachment.subject);
  }

  // What nobody finds is not there. What cosign's tags have is found by them.
  void tell_unlisted() const {
    for (const oci::Digest& subject : unlisted_) {
      const std::string why = unlisted_text(subject);
      const std::vector<store::Attachment>& all = graph_.attachments;
      const bool is_tagged = std::any_of(all.begin(), all.end(), [&](const store::Attachment& one) {
        return one.subject == subject && !one.tag.empty();
      });
      if (!is_tagged) fail("{}", why);
      if (registries_.note) registries_.note(target_.host + "/" + target_.repository, why);
    }
  }

  bool is_there(registry::Client& to, const store::Attachment& attachment) const {
    const oci::Digest& digest = attachment.descriptor.digest;
    if (attachment.tag.empty()) {
      const std::vector<oci::Descriptor> listed = to.referrers(target_, attachment.subject);
      return std::any_of(listed.begin(), listed.end(),
                         [&](const oci::Descriptor& entry) { return entry.digest == digest; });
    }
    oci::Reference tagged = target_;
    tagged.digest.reset();
    tagged.tag = attachment.tag;
    return to.has_manifest(tagged, digest);
  }

  // What the API or the list under the subject's tag says of it (distribution-spec, "Listing Referrers").
  static oci::Json entry_of(const oci::Descriptor& descriptor, const std::string& bytes) {
    const std::string digest = oci::to_string(descriptor.digest);
    const oci::Json document = oci::parse_json(bytes, digest);
    oci::Json entry = {{"mediaType", descriptor.media_type}, {"digest", digest}, {"size", descriptor.size}};
    const std::string type = store::artifact_type_of(descriptor.media_type, bytes);
    if (!type.empty()) entry["artifactType"] = type;
    if (document.contains("annotations")) entry["annotations"] = document["annotations"];
    return entry;
  }

  oci::Reference target_;
  const store::Graph& graph_;
  std::vector<oci::Reference> names_;
  store::Cache& cache_;
  const Registries& registries_;
  std::set<oci::Digest> unlisted_;
};

OpenedImage open_unnamed(const oci::ImageLocation& location, store::Cache& cache,
                         const Registries& registries, const std::optional<oci::Platform>& wanted,
                         Layers fetched) {
  if (location.transport == oci::Transport::registry) {
    auto source =
        std::make_unique<RepositorySource>(pinned(location.path, registries), cache, registries, fetched);
    const oci::Descriptor top = source->top();
    return {std::move(source), top};
  }
  std::unique_ptr<store::BlobSource> source;
  if (location.transport == oci::Transport::oci_layout) source = store::open_directory(location.path);
  if (location.transport == oci::Transport::oci_archive) source = store::open_tar(location.path, cache);
  if (!source) fail("only images in registries, OCI layouts and archives of them have a digest to sign");
  const oci::Descriptor top = store::find_in_layout(*source, location.tag, wanted);
  return {std::move(source), top};
}

}  // namespace

std::string unlisted_text(const oci::Digest& subject) {
  return fmt::format(
      "the registry lists nothing that belongs to {}: it has no referrers API, and keeps no list under the "
      "tag "
      "{}; what has the digest as its subject is not found there",
      oci::to_string(subject), oci::referrers_tag(subject));
}

store::ImageSet read_image(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                           store::Cache& cache, const Registries& registries, Layers fetched) {
  if (location.transport != oci::Transport::registry) return store::read_image(location, wanted, cache);
  return with_context("read", location, [&] {
    const oci::Reference reference = pinned(location.path, registries);
    const RepositorySource source(reference, cache, registries, fetched);
    store::ImageSet set = store::read_set(source, source.top(), wanted, cache);
    if (fetched == Layers::all) remember(store::graph_of(set), reference, cache);
    return set;
  });
}

store::Graph read_graph(const oci::ImageLocation& location, const std::optional<oci::Platform>& wanted,
                        store::Cache& cache, const Registries& registries, bool referrers, Layers fetched) {
  return with_context("read", location, [&] {
    const OpenedImage image = open_unnamed(location, cache, registries, wanted, fetched);
    const oci::Descriptor top =
        wanted ? store::find_for_platform(*image.source, image.top, *wanted) : image.top;
    store::Graph graph = store::read_graph(*image.source, top, cache);
    if (referrers)
      store::read_attachments(
          graph, *image.source,
          [&](const oci::Digest& subject) { return list_attachments(image, location, subject, registries); },
          cache);
    if (fetched == Layers::all && location.transport == oci::Transport::registry)
      remember(graph, pinned(location.path, registries), cache);
    return graph;
  });
}

OpenedImage open_image(const oci::ImageLocation& location, store::Cache& cache,
                       const Registries& registries) {
  return with_context("read", location, [&] {
    OpenedImage image = open_unnamed(location, cache, registries, std::nullopt, Layers::all);
    oci::Descriptor& top = image.top;
    if (const auto bytes = image.source->document(top); bytes && oci::has_digest(*bytes, top.digest))
      top.media_type =
          store::media_type_of(oci::parse_json(*bytes, oci::to_string(top.digest)), top.media_type);
    return image;
  });
}

std::vector<store::FoundAttachment> list_attachments(const OpenedImage& image,
                                                     const oci::ImageLocation& location,
                                                     const oci::Digest& subject,
                                                     const Registries& registries) {
  return with_context("read", location, [&] {
    if (location.transport != oci::Transport::registry)
      return store::list_attachments(*image.source, subject);
    if (registries.offline || !registries.client) fail("--offline forbids asking what belongs to it");
    return listed(registries.client(), pinned(location.path, registries), subject);
  });
}

std::string lists_name(const oci::ImageLocation& location) {
  if (location.transport != oci::Transport::registry) return base::real_path(location.path);
  const oci::Reference reference = oci::parse_reference(location.path);
  return reference.host + "/" + reference.repository;
}

std::set<oci::Digest> attach(const oci::ImageLocation& location, std::vector<store::Attachment> attachments,
                             store::Cache& cache, const Registries& registries) {
  return with_context("write", location, [&]() -> std::set<oci::Digest> {
    if (location.transport == oci::Transport::oci_layout) {
      store::add_attachments(location.path, attachments, cache);
      return {};
    }
    if (location.transport != oci::Transport::registry)
      fail("only registries and OCI layouts can be added to; copy it to one of these first");
    store::Graph graph;
    graph.attachments = std::move(attachments);
    return Push(oci::parse_reference(location.path), graph, {}, cache, registries).attach();
  });
}

ToFetch look_at_image(const std::string& name, const std::optional<oci::Platform>& wanted,
                      store::Cache& cache, const Registries& registries) {
  return with_context("read", {oci::Transport::registry, name, ""}, [&] {
    ToFetch fetch;
    const RepositorySource source(pinned(name, registries), cache, registries, Layers::all, &fetch);
    store::read_set(source, source.top(), wanted, cache);
    return fetch;
  });
}

void write_output(const oci::ImageLocation& destination, const store::Product& product, store::Cache& cache,
                  const Registries& registries) {
  if (destination.transport != oci::Transport::registry)
    return store::write_output(destination, product, cache);
  with_context("write", destination, [&] {
    oci::Reference target = oci::parse_reference(destination.path);
    store::Graph made;
    const store::Graph& graph = store::graph_of(product, made);
    const oci::Descriptor& top = store::top_of(graph);
    if (target.digest && *target.digest != top.digest)
      fail("the image has the digest {}", oci::to_string(top.digest));
    Push(std::move(target), graph, product.names, cache, registries).run();
  });
}

}  // namespace minibuild::build
