// OCI image layouts (image-layout.md) as output: blobs first, index.json last.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "builder/store/output_forms.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"
#include "minibuild/store/attachments.h"

namespace minibuild::store {

using base::fail;

namespace {

bool is_empty_directory(const std::string& path) {
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return false;
  bool empty = true;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name.find(".minibuild-tmp-") == std::string_view::npos) empty = false;
  }
  ::closedir(dir);
  return empty;
}

void sync_path(const std::string& path) {
  const base::Fd fd = base::open_file(path);
  base::sync_to_disk(fd.get(), path);
}

// Puts the file `from` at `to`, which may exist with wrong bytes: shares the bytes where the file system can,
// else links the cache's file, else copies.
void place_file(const std::string& from, const std::string& to, bool may_link) {
  {
    base::AtomicFile file(to, 0444);
    const base::Fd source = base::open_file(from);
    if (::ioctl(file.fd(), FICLONE, source.get()) == 0) {
      file.commit();
      return;
    }
    if (!may_link) {
      base::FdSource bytes(source.get(), from);
      base::copy(bytes, file);
      file.commit();
      return;
    }
  }
  const std::string temporary = base::parent_path(to) + "/.blob.minibuild-tmp-" + base::random_name();
  if (::link(from.c_str(), temporary.c_str()) != 0) return place_file(from, to, false);
  if (::rename(temporary.c_str(), to.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail("cannot write {}: {}", to, base::errno_text(error));
  }
  ::unlink(temporary.c_str());  // rename does nothing if both were the same file
  sync_path(to);
}

// Removes the blobs that were added if the rest fails.
class AddedBlobs {
 public:
  AddedBlobs() = default;
  ~AddedBlobs() {
    for (const std::string& path : paths_) ::unlink(path.c_str());
  }
  AddedBlobs(const AddedBlobs&) = delete;
  AddedBlobs& operator=(const AddedBlobs&) = delete;
  AddedBlobs(AddedBlobs&&) = delete;
  AddedBlobs& operator=(AddedBlobs&&) = delete;
  void add(std::string path) { paths_.push_back(std::move(path)); }
  void keep() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

void add_blobs(const std::string& directory, const Graph& graph, Cache& cache, AddedBlobs& added) {
  const std::map<oci::Digest, Blob> all = blobs_of(graph);
  std::set<std::string> folders = {directory + "/blobs/sha256"};
  for (const auto& [digest, blob] : all)
    folders.insert(base::parent_path(directory + "/" + blob_name(digest)));
  for (const std::string& folder : folders) {
    base::make_directories(folder);
    // The same under every umask; a directory of somebody else stays as it is.
    for (const std::string& made : {folder, base::parent_path(folder)})
      static_cast<void>(::chmod(made.c_str(), 0755));
  }
  const std::string cached = base::parent_path(cache.blob_path({}));
  bool any = false;
  for (const auto& [digest, blob] : all) {
    const std::string path = directory + "/" + blob_name(digest);
    struct stat st {};
    const bool exists = base::lstat_path(path, st);
    if (exists && S_ISREG(st.st_mode) && static_cast<uint64_t>(st.st_size) == blob.descriptor.size &&
        cache.file_has_digest(path, digest))
      continue;
    if (exists && S_ISDIR(st.st_mode)) fail("{} is a directory", path);
    if (!exists) added.add(path);
    if (blob.path.empty())
      base::write_file_atomic(path, blob.bytes, 0444);
    else
      place_file(blob.path, path, base::parent_path(blob.path) == cached);
    any = true;
  }
  if (!any) return;
  for (const std::string& folder : folders) sync_path(folder);
  for (const auto& [digest, blob] : all)
    if (!blob.path.empty()) cache.note_file_digest(directory + "/" + blob_name(digest), digest);
}

// index.json with the new entries in place of those with the same names; those of others keep fields that
// minibuild does not know.
std::string merged_index(const std::string& path, const std::vector<oci::Json>& entries) {
  std::string old = index_of({});
  if (base::exists(path)) {
    old = base::read_file(path, oci::max_json_size);
    oci::parse_index(old, path);
  }
  oci::Json index = oci::parse_json(old, path);
  oci::Json& manifests = index["manifests"];
  const auto tag_of = [](const oci::Json& entry) -> std::string {
    const auto annotations = entry.find("annotations");  // null counts as missing
    return annotations != entry.end() && annotations->is_object() ? annotations->value(oci::ref_name, "")
                                                                  : "";
  };
  for (const oci::Json& entry : entries) {
    const std::string tag = tag_of(entry);
    const auto same = std::find_if(manifests.begin(), manifests.end(), [&](const oci::Json& other) {
      return tag_of(other) == tag && (!tag.empty() || other["digest"] == entry["digest"]);
    });
    if (same == manifests.end())
      manifests.push_back(entry);
    else
      *same = entry;
  }
  return index.dump();
}

void write_if_changed(const std::string& path, std::string_view bytes) {
  if (base::exists(path) && base::read_file(path, oci::max_json_size) == bytes) return;
  base::write_file_atomic(path, bytes);
}

void fill_layout(const std::string& directory, const oci::ImageLocation& destination, const Product& product,
                 Cache& cache, AddedBlobs& added) {
  Graph made;
  const Graph& graph = graph_of(product, made);
  add_blobs(directory, graph, cache, added);
  write_if_changed(directory + "/oci-layout", layout_marker);
  const std::string path = directory + "/index.json";
  write_if_changed(path, merged_index(path, index_entries(destination, product, graph)));
}

bool make_new_layout(const oci::ImageLocation& destination, const Product& product, Cache& cache) {
  const std::string parent = base::parent_path(destination.path);
  base::make_directories(parent);
  base::remove_stale_temporaries(parent);
  base::TemporaryDirectory directory(parent, base::file_name(destination.path));
  AddedBlobs added;
  fill_layout(directory.path(), destination, product, cache, added);
  added.keep();
  ::chmod(directory.path().c_str(), 0755);
  if (!base::rename_new(directory.path(), destination.path)) return false;
  directory.release();
  sync_path(parent);
  return true;
}

}  // namespace

base::Fd lock_layout(const std::string& directory) {
  base::Fd lock = base::open_file(directory);
  base::lock_file(lock.get(), directory);
  base::remove_stale_temporaries(directory);
  base::remove_stale_temporaries(directory + "/blobs/sha256");
  return lock;
}

void add_attachments(const std::string& directory, const std::vector<Attachment>& attachments, Cache& cache) {
  const base::Fd lock = lock_layout(directory);
  const std::string path = directory + "/index.json";
  std::vector<oci::Json> entries;
  for (const Attachment& attachment : attachments) entries.push_back(index_entry(attachment));
  const std::string index = merged_index(path, entries);
  Graph graph;
  graph.attachments = attachments;
  AddedBlobs added;
  add_blobs(directory, graph, cache, added);
  write_if_changed(path, index);
  added.keep();
}

LayoutCleaning clean_layout(const std::string& directory, const std::string& index_json,
                            const std::set<oci::Digest>& needed) {
  const std::string blobs = directory + "/blobs/sha256";
  // First the index: a blob that it names is never missing, whenever this ends.
  write_if_changed(directory + "/index.json", index_json);
  std::set<std::string> names;
  for (const oci::Digest& digest : needed) names.insert(oci::hex(digest));
  std::vector<std::string> old;
  if (DIR* dir = ::opendir(blobs.c_str()); dir != nullptr) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      const bool is_blob =
          name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
      if (is_blob && !names.contains(name)) old.push_back(blobs + "/" + name);
    }
    ::closedir(dir);
  }
  LayoutCleaning cleaning;
  for (const std::string& path : old) {
    struct stat st {};
    if (!base::lstat_path(path, st) || S_ISDIR(st.st_mode)) continue;
    if (::unlink(path.c_str()) != 0) fail("cannot remove {}: {}", path, base::errno_text());
    ++cleaning.blobs;
    cleaning.freed += static_cast<uint64_t>(st.st_size);
  }
  return cleaning;
}

void check_layout(const std::string& directory) {
  struct stat st {};
  if (!base::lstat_path(directory, st)) return;
  if (!base::is_directory(directory)) fail("a file of that name is there");
  if (base::exists(directory + "/oci-layout") || is_empty_directory(directory)) return;
  fail("the directory holds other files and no OCI layout; name a new one");
}

void write_layout(const oci::ImageLocation& destination, const Product& product, Cache& cache) {
  const std::string& directory = destination.path;
  check_layout(directory);
  if (!base::exists(directory) && make_new_layout(destination, product, cache)) return;
  const base::Fd lock = lock_layout(directory);
  AddedBlobs added;
  fill_layout(directory, destination, product, cache, added);
  added.keep();
}

}  // namespace minibuild::store
