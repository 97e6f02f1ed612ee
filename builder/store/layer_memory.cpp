// What the cache remembers of layers: their records as results, and which layer holds a group.
#include "builder/store/table.h"
#include "minibuild/base/error.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

namespace {

base::Hash layer_result_key(const base::Hash& key) {
  return base::Sha256().update("layer").update(base::as_bytes(key)).finish();
}

}  // namespace

std::shared_ptr<const archive::StoredLayer> Cache::load_layer(const base::Hash& key) {
  const std::lock_guard lock(mutex_);
  const auto it = layers_.find(key);
  if (it != layers_.end()) return it->second;
  std::shared_ptr<const archive::StoredLayer> stored;
  if (const auto result = find_result(layer_result_key(key))) {
    std::optional<archive::Layer> layer = archive::parse_layer(result->value);
    if (layer && result->blobs.size() == 1 && result->blobs.front() == layer->digest)
      stored = std::make_shared<const archive::StoredLayer>(
          archive::StoredLayer{std::move(*layer), blob_path(result->blobs.front())});
  }
  layers_.emplace(key, stored);
  return stored;
}

std::optional<archive::StoredLayer> Cache::find_layer(const base::Hash& key) {
  const auto stored = load_layer(key);
  if (!stored) return std::nullopt;
  return *stored;
}

std::optional<std::pair<std::shared_ptr<const archive::StoredLayer>, size_t>> Cache::find_group(
    const base::Hash& key) {
  if (fresh_) return std::nullopt;
  const auto found = groups_->find(key);
  if (!found) return std::nullopt;
  auto stored = load_layer(found->hash);
  const size_t index = found->number;
  if (!stored || index >= stored->layer.groups.size() || stored->layer.groups[index].key != key)
    return std::nullopt;
  return std::pair{std::move(stored), index};
}

class Cache::CacheBlob : public archive::LayerMemory::NewBlob {
 public:
  explicit CacheBlob(Cache& cache) : cache_(cache), file_(cache.temporary_directory() + "/layer", 0444) {}
  void write(std::string_view bytes) override { file_.write(bytes); }
  int fd() const override { return file_.fd(); }
  void keep(const base::Hash& key, const archive::Layer& layer) override {
    cache_.keep_layer(file_, key, layer);
  }

 private:
  Cache& cache_;
  base::AtomicFile file_;
};

std::unique_ptr<archive::LayerMemory::NewBlob> Cache::new_blob() {
  return std::make_unique<CacheBlob>(*this);
}

void Cache::keep_layer(base::AtomicFile& file, const base::Hash& key, const archive::Layer& layer) {
  keep_blob(file, layer.digest);
  put_result(layer_result_key(key), {"layer", archive::serialise(layer), {layer.digest}});
  for (size_t i = 0; i < layer.groups.size(); ++i)
    groups_->insert(layer.groups[i].key, {key, static_cast<uint32_t>(i)});
  const std::lock_guard lock(mutex_);
  layers_.insert_or_assign(key, std::make_shared<const archive::StoredLayer>(
                                    archive::StoredLayer{layer, blob_path(layer.digest)}));
}

}  // namespace minibuild::store
