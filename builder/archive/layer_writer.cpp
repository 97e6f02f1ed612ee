// Writes a layer in one pass: workers read and compress groups, one thread hashes the tar, the caller's
// writes the blob.
#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "builder/archive/groups.h"
#include "minibuild/archive/layer.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::archive {

namespace {

// Buffers of one size are kept: fresh memory costs a page fault every 4 KiB.
constexpr uint64_t pooled_size = max_group;

// What is done of a group.
struct Slot {
  std::unique_ptr<char[]> plain;
  std::string stored;
  bool plain_ready = false;   // `plain` is filled
  bool stored_ready = false;  // `stored` is filled
  bool plain_hashed = false;
  bool stored_written = false;
};

// The part of an earlier layer that begins this one: taken over without a look at the files.
struct Prefix {
  std::shared_ptr<const StoredLayer> from;
  size_t groups = 0;
};

Prefix find_prefix(const Groups& groups, LayerMemory& memory) {
  if (groups.groups.empty() || !groups.groups.front().key) return {};
  const auto found = memory.find_group(*groups.groups.front().key);
  if (!found || found->second != 0) return {};
  const std::vector<GroupEnd>& earlier = found->first->layer.groups;
  size_t same = 0;
  while (same < groups.groups.size() && same < earlier.size() && groups.groups[same].key == earlier[same].key)
    ++same;
  return {found->first, same};
}

base::Hash layer_key(const std::vector<GroupEnd>& groups) {
  base::Sha256 hash;
  for (const GroupEnd& group : groups) hash.update(base::as_bytes(group.key));
  return hash.finish();
}

std::optional<base::Hash> layer_key(const Groups& groups) {
  base::Sha256 hash;
  for (const Group& group : groups.groups) {
    if (!group.key) return std::nullopt;
    hash.update(base::as_bytes(*group.key));
  }
  return hash.finish();
}

class Pipeline {
 public:
  Pipeline(const LayerPlan& plan, const Groups& groups, const Compression& compression, LayerMemory& memory,
           int jobs)
      : plan_(plan),
        groups_(groups),
        compression_(compression),
        fingerprint_(fingerprint(compression)),
        memory_(memory),
        jobs_(jobs),
        slots_(groups.groups.size()),
        ends_(groups.groups.size()) {}

  Layer run(const LayerProgress& progress) {
    const std::unique_ptr<LayerMemory::NewBlob> blob = memory_.new_blob();
    const Prefix prefix = find_prefix(groups_, memory_);
    if (prefix.groups > 0) take_prefix(prefix, *blob);
    start_ = next_ = prefix.groups;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < jobs_; ++i) threads.emplace_back([this] { guard([this] { work(); }); });
      threads.emplace_back([this] { guard([this] { hash_plain(); }); });
      guard([&] { write_stored(*blob, progress); });
    }
    if (error_) std::rethrow_exception(error_);
    Layer layer;
    layer.digest = {stored_hash_.finish()};
    layer.diff_id = {plain_hash_.finish()};
    layer.size = stored_hash_.size();
    layer.plain_size = plain_hash_.size();
    layer.groups = std::move(ends_);
    blob->keep(layer_key(layer.groups), layer);
    return layer;
  }

 private:
  // Runs a thread's task; its first exception stops all the others.
  template <typename Task>
  void guard(Task task) {
    try {
      task();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  void take_prefix(const Prefix& prefix, LayerMemory::NewBlob& blob) {
    const std::vector<GroupEnd>& earlier = prefix.from->layer.groups;
    const GroupEnd& last = earlier[prefix.groups - 1];
    const auto plain = base::Sha256::restore(last.plain_state);
    const auto stored = base::Sha256::restore(last.stored_state);
    if (!plain || !stored)
      base::fail("cannot go on from the layer in {}: its record is damaged", prefix.from->path);
    const base::Fd from = base::open_file(prefix.from->path);
    uint64_t left = last.stored;
    while (left > 0) {
      const ssize_t n = ::copy_file_range(from.get(), nullptr, blob.fd(), nullptr, left, 0);
      if (n <= 0) break;
      left -= static_cast<uint64_t>(n);
    }
    std::vector<char> buffer(size_t{1} << 20);  // where the kernel cannot copy by itself
    while (left > 0) {
      const std::span<char> part(buffer.data(), std::min<uint64_t>(buffer.size(), left));
      base::read_at(from.get(), part, last.stored - left, prefix.from->path);
      blob.write({part.data(), part.size()});
      left -= part.size();
    }
    plain_hash_ = *plain;
    stored_hash_ = *stored;
    std::copy_n(earlier.begin(), prefix.groups, ends_.begin());
  }

  // The next group for a worker, once there is memory for it; nothing when all are taken.
  std::optional<size_t> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] {
      return error_ || next_ >= slots_.size() || in_flight_ == 0 || in_flight_ + charge(next_) <= budget_;
    });
    if (error_ || next_ >= slots_.size()) return std::nullopt;
    in_flight_ += charge(next_);
    return next_++;
  }

  void work() {
    Compressor compressor(compression_);
    while (const std::optional<size_t> index = take()) {
      const Group& group = groups_.groups[*index];
      Slot& slot = slots_[*index];
      std::unique_ptr<char[]> plain = buffer(group.size);
      const std::span<char> bytes(plain.get(), group.size);
      read_group(plan_, groups_, group, memory_, bytes);
      {
        const std::lock_guard lock(mutex_);
        slot.plain = std::move(plain);
        slot.plain_ready = true;
        changed_.notify_all();
      }
      const base::Hash key = group.key ? *group.key : group_key(plan_, groups_, group, fingerprint_, memory_);
      std::string stored = reuse(key);
      if (stored.empty()) stored = compressor.compress({bytes.data(), bytes.size()});
      const std::lock_guard lock(mutex_);
      ends_[*index].key = key;
      slot.stored = std::move(stored);
      slot.stored_ready = true;
      changed_.notify_all();
    }
  }

  // The group as an earlier layer has it; empty if none does.
  std::string reuse(const base::Hash& key) {
    const auto found = memory_.find_group(key);
    if (!found) return {};
    const auto& [from, index] = *found;
    const std::vector<GroupEnd>& ends = from->layer.groups;
    const uint64_t begin = index == 0 ? 0 : ends[index - 1].stored;
    std::string bytes(ends[index].stored - begin, '\0');
    const base::Fd fd = base::open_file(from->path);
    base::read_at(fd.get(), bytes, begin, from->path);
    return bytes;
  }

  bool wait_for(bool Slot::*ready, size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || slots_[index].*ready; });
    return !error_;
  }

  void hash_plain() {
    uint64_t plain_end = plain_hash_.size();
    for (size_t i = start_; i < slots_.size(); ++i) {
      if (!wait_for(&Slot::plain_ready, i)) return;
      plain_hash_.update({slots_[i].plain.get(), groups_.groups[i].size});
      plain_end += groups_.groups[i].size;
      ends_[i].plain = plain_end;
      ends_[i].plain_state = plain_hash_.save();
      finish(i, &Slot::plain_hashed);
    }
  }

  void write_stored(LayerMemory::NewBlob& blob, const LayerProgress& progress) {
    uint64_t done = start_ == 0 ? 0 : ends_[start_ - 1].plain;
    for (size_t i = start_; i < slots_.size(); ++i) {
      if (!wait_for(&Slot::stored_ready, i)) return;
      const std::string stored = std::move(slots_[i].stored);
      blob.write(stored);
      stored_hash_.update(stored);
      ends_[i].stored = stored_hash_.size();
      ends_[i].stored_state = stored_hash_.save();
      finish(i, &Slot::stored_written);
      done += groups_.groups[i].size;
      if (progress) progress(done, groups_.size);
    }
  }

  // Marks a step of a group; its memory is free when both are done.
  void finish(size_t index, bool Slot::*step) {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[index];
    slot.*step = true;
    if (!slot.plain_hashed || !slot.stored_written) return;
    if (groups_.groups[index].size <= pooled_size) pool_.push_back(std::move(slot.plain));
    slot.plain.reset();
    in_flight_ -= charge(index);
    changed_.notify_all();
  }

  // The memory that a group takes.
  uint64_t charge(size_t index) const { return std::max(groups_.groups[index].size, pooled_size); }

  std::unique_ptr<char[]> buffer(uint64_t size) {
    if (size > pooled_size) return std::make_unique_for_overwrite<char[]>(size);
    {
      const std::lock_guard lock(mutex_);
      if (!pool_.empty()) {
        std::unique_ptr<char[]> last = std::move(pool_.back());
        pool_.pop_back();
        return last;
      }
    }
    return std::make_unique_for_overwrite<char[]>(pooled_size);
  }

  const LayerPlan& plan_;
  const Groups& groups_;
  Compression compression_;
  std::string fingerprint_;
  LayerMemory& memory_;
  int jobs_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr error_;
  std::vector<Slot> slots_;
  std::vector<GroupEnd> ends_;
  std::vector<std::unique_ptr<char[]>> pool_;
  uint64_t in_flight_ = 0;
  uint64_t budget_ = pooled_size * static_cast<uint64_t>(std::max(6, jobs_ + 3));  // bytes of buffers at once
  size_t start_ = 0;
  size_t next_ = 0;

  base::Sha256 plain_hash_;
  base::Sha256 stored_hash_;
};

}  // namespace

Layer write_layer(const LayerPlan& plan, const Compression& compression, LayerMemory& memory, int jobs,
                  const LayerProgress& progress) {
  const Groups groups = cut_into_groups(plan, fingerprint(compression), memory);
  if (const auto key = layer_key(groups))
    if (std::optional<StoredLayer> known = memory.find_layer(*key)) return std::move(known->layer);
  return Pipeline(plan, groups, compression, memory, jobs).run(progress);
}

}  // namespace minibuild::archive
