#include "minibuild/store/blob_source.h"

#include <fcntl.h>
#include <unistd.h>

#include "minibuild/archive/tar.h"
#include "minibuild/archive/unpack.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"

namespace minibuild::store {

using base::fail;

std::string blob_name(const oci::Digest& digest) {
  return fmt::format("blobs/{}/{}", oci::algorithm_of(digest), oci::hex(digest));
}

namespace {

void check_size(const std::string& name, uint64_t size, const std::optional<oci::Descriptor>& want) {
  if (want && size != want->size) fail("{} has {} bytes, want {}", name, size, want->size);
}

class DirectorySource : public BlobSource {
 public:
  explicit DirectorySource(std::string directory) : directory_(std::move(directory)) {
    if (!base::is_directory(directory_)) fail("{} is not a directory", directory_);
  }

  std::optional<std::string> file(const std::string& name, size_t limit) const override {
    struct stat st {};
    if (!base::lstat_path(directory_ + "/" + name, st)) return std::nullopt;
    if (!S_ISREG(st.st_mode)) fail("{} is not a regular file", name);
    return base::read_file(directory_ + "/" + name, limit);
  }

  std::string blob(const std::string& name, const std::optional<oci::Descriptor>& want, Cache& cache,
                   oci::Digest* digest) const override {
    const std::string path = directory_ + "/" + name;
    struct stat st {};
    if (!base::lstat_path(path, st)) fail("{} is missing", name);
    if (!S_ISREG(st.st_mode)) fail("{} is not a regular file", name);
    check_size(name, static_cast<uint64_t>(st.st_size), want);
    if (!want) fail("{} has no descriptor", name);
    if (!cache.file_has_digest(path, want->digest))
      fail("{} does not have the bytes that its digest says", name);
    *digest = want->digest;
    return path;
  }

  bool holds(const oci::Descriptor& want) const override {
    return base::exists(directory_ + "/" + blob_name(want.digest));
  }

 private:
  std::string directory_;
};

class TarSource : public BlobSource {
 public:
  TarSource(std::string path, base::Fd file) : path_(std::move(path)), fd_(std::move(file)) {
    base::FdSource source(fd_.get(), path_);
    archive::TarReader reader(source, path_, {.entries = 100'000});
    archive::TarEntry entry;
    while (reader.next(entry)) {
      using Kind = archive::TarEntry::Kind;
      if (entry.kind == Kind::file)
        places_[entry.path] = {entry.offset, entry.node.content.size, entry.extents};
      // docker-archive repeats a layer as a link to the first: /layer.tar → ../ID/layer.tar.
      if (entry.kind == Kind::symlink)
        links_[entry.path] =
            tree::normalise(fmt::format("{}/{}", tree::directory_of(entry.path), entry.target));
      if (entry.kind == Kind::hard_link) links_[entry.path] = entry.target;
    }
    // What says that it is an image comes last with some who write one, and where that is cut off between two
    // files nothing else tells.
    if (find("oci-layout") == nullptr && find("manifest.json") == nullptr && !has_end())
      fail("{} is cut off, or not an archive of an image: it stops after {} bytes without the mark of an end",
           path_, reader.position());
  }

  std::optional<std::string> file(const std::string& name, size_t limit) const override {
    const Place* place = find(name);
    if (place == nullptr) return std::nullopt;
    if (place->size > limit) fail("{} has {} bytes, want at most {}", name, place->size, limit);
    std::string bytes(place->size, '\0');
    read(*place, 0, bytes);
    return bytes;
  }

  std::string blob(const std::string& name, const std::optional<oci::Descriptor>& want, Cache& cache,
                   oci::Digest* digest) const override {
    const Place* place = find(name);
    if (place == nullptr) fail("{} is missing", name);
    check_size(name, place->size, want);
    if (want) {
      *digest = want->digest;
      if (const auto path = cache.find_blob(want->digest)) return *path;
    }
    PlaceSource source(*this, *place);
    *digest = cache.put_blob(source, want ? std::optional(want->digest) : std::nullopt, name);
    return cache.blob_path(*digest);
  }

  bool holds(const oci::Descriptor& want) const override { return find(blob_name(want.digest)) != nullptr; }

 private:
  struct Place {
    uint64_t offset = 0;
    uint64_t size = 0;
    std::shared_ptr<const tree::Extents> extents{};  // of a file that was stored with holes
  };

  void read(const Place& place, uint64_t at, std::span<char> buffer) const {
    if (place.extents)
      tree::read_extents(*place.extents, fd_.get(), path_, at, buffer);
    else
      base::read_at(fd_.get(), buffer, place.offset + at, path_);
  }

  class PlaceSource : public base::Source {
   public:
    PlaceSource(const TarSource& tar, const Place& place) : tar_(tar), place_(place) {}
    size_t read(std::span<char> buffer) override {
      const auto n = static_cast<size_t>(std::min<uint64_t>(buffer.size(), place_.size - at_));
      tar_.read(place_, at_, buffer.subspan(0, n));
      at_ += n;
      return n;
    }

   private:
    const TarSource& tar_;
    const Place& place_;
    uint64_t at_ = 0;
  };

  // Whether the last block is of zeros, as at the end of every archive; an empty one has none to look at.
  bool has_end() const {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0 || st.st_size < static_cast<off_t>(archive::tar_block)) return true;
    std::string block(archive::tar_block, '\0');
    base::read_at(fd_.get(), block, static_cast<uint64_t>(st.st_size) - block.size(), path_);
    return block.find_first_not_of('\0') == std::string::npos;
  }

  const Place* find(const std::string& name) const {
    std::string path = tree::normalise(name);
    for (int hops = 0; hops < 8; ++hops) {
      if (const auto it = places_.find(path); it != places_.end()) return &it->second;
      const auto link = links_.find(path);
      if (link == links_.end()) return nullptr;
      path = link->second;
    }
    return nullptr;
  }

  std::string path_;
  base::Fd fd_;
  std::map<std::string, Place> places_;
  std::map<std::string, std::string> links_;
};

bool is_plain_tar(int fd, const std::string& path) {
  constexpr uint64_t magic_at = 257;
  std::string magic(5, '\0');
  struct stat st {};
  if (::fstat(fd, &st) != 0 || static_cast<uint64_t>(st.st_size) < magic_at + magic.size()) return true;
  base::read_at(fd, magic, magic_at, path);
  return magic == "ustar";
}

// What `docker save | gzip` writes, as a file without a name.
base::Fd decompressed(int fd, const std::string& path, const Cache& cache) {
  base::AtomicFile file(cache.temporary_directory() + "/archive", 0600);
  base::FdSource source(fd, path);
  const std::unique_ptr<base::Source> plain = archive::decompress_any(source, path);
  base::copy(*plain, file);
  base::Fd kept(::fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
  if (!kept || ::lseek(kept.get(), 0, SEEK_SET) != 0) fail("cannot read {}: {}", path, base::errno_text());
  return kept;
}

}  // namespace

std::optional<std::string> BlobSource::document(const oci::Descriptor& want) const {
  if (auto bytes = file(blob_name(want.digest), oci::max_json_size)) return bytes;
  auto index = file("index.json", oci::max_json_size);
  return index && oci::digest_of(*index) == want.digest ? std::move(index) : std::nullopt;
}

std::vector<std::string> BlobSource::layers(const std::vector<oci::Descriptor>& wanted, Cache& cache) const {
  std::vector<std::string> paths;
  for (const oci::Descriptor& layer : wanted) {
    oci::Digest digest;
    paths.push_back(blob(blob_name(layer.digest), layer, cache, &digest));
  }
  return paths;
}

std::string read_document(const BlobSource& source, const oci::Descriptor& want, const std::string& namer) {
  const std::string name = blob_name(want.digest);
  std::optional<std::string> bytes = source.document(want);
  if (!bytes) fail("{} is missing{}{}", name, namer.empty() ? "" : "; it is named by ", namer);
  if (bytes->size() != want.size) fail("{} has {} bytes, want {}", name, bytes->size(), want.size);
  if (!oci::has_digest(*bytes, want.digest)) fail("{} does not have the bytes that its digest says", name);
  return std::move(*bytes);
}

std::unique_ptr<BlobSource> open_directory(const std::string& directory) {
  return std::make_unique<DirectorySource>(directory);
}

std::unique_ptr<BlobSource> open_tar(const std::string& path, const Cache& cache) {
  struct stat st {};
  if (!base::lstat_path(path, st)) fail("{} is not there", path);
  base::Fd file = base::open_file(path);
  if (!is_plain_tar(file.get(), path)) file = decompressed(file.get(), path, cache);
  return std::make_unique<TarSource>(path, std::move(file));
}

}  // namespace minibuild::store
