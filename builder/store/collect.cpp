// What the cache holds, and removing what was not used for longest.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "builder/store/disk_usage.h"
#include "builder/store/table.h"
#include "minibuild/base/error.h"
#include "minibuild/base/file_system.h"
#include "minibuild/base/text.h"
#include "minibuild/store/cache.h"

namespace minibuild::store {

namespace {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

// All blobs, as `sha256/HEX`.
std::vector<std::string> blobs_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const char* algorithm : {"sha256/", "sha512/"})
    for (const std::string& name : names_in(directory + "/blobs/" + algorithm))
      names.push_back(algorithm + name);
  return names;
}

struct Item {
  std::string path;
  std::string kind;
  std::string name;
  uint64_t size = 0;
  int64_t last_used = 0;
  std::vector<std::string> blobs;
};

// Kind and blobs of a result, read without checking: enough to list it.
Item read_item(const std::string& path, const std::string& name, const struct stat& st) {
  Item item{path, "damaged", name, disk_usage(st), st.st_mtim.tv_sec, {}};
  std::string head;
  try {
    const base::Fd fd = base::open_file(path);
    base::FdSource source(fd.get(), path);
    head.resize(size_t{64} << 10);
    size_t size = 0;
    while (const size_t n = source.read(std::span(head).subspan(size))) size += n;
    head.resize(size);
  } catch (const base::Error&) {
    return item;
  }
  const std::vector<std::string> lines = base::split(head, '\n');
  if (lines.size() < 4) return item;
  item.kind = lines[2];
  for (size_t i = 3; i < lines.size() && (lines[i].starts_with("sha256:") || lines[i].starts_with("sha512:"));
       ++i)
    item.blobs.push_back(std::string(lines[i]).replace(6, 1, "/"));
  return item;
}

std::vector<Item> results(const std::string& directory) {
  std::vector<Item> items;
  for (const std::string& part : names_in(directory + "/results"))
    for (const std::string& name : names_in(directory + "/results/" + part)) {
      const std::string path = directory + "/results/" + part + "/" + name;
      struct stat st {};
      if (::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode)) items.push_back(read_item(path, name, st));
    }
  return items;
}

// Of a kept directory; beside one lies what says that it is still to be searched.
bool is_mount(const std::string& name) {
  return !name.starts_with('.') && name.find('.') == std::string::npos;
}

}  // namespace

uint64_t disk_usage(const std::string& directory) {
  uint64_t size = 0;
  std::vector<std::string> waiting = {directory};
  while (!waiting.empty()) {
    const std::string here = std::move(waiting.back());
    waiting.pop_back();
    for (const std::string& name : names_in(here)) {
      struct stat st {};
      const std::string path = here + "/" + name;
      if (::lstat(path.c_str(), &st) != 0) continue;
      size += disk_usage(st);
      if (S_ISDIR(st.st_mode)) waiting.push_back(path);
    }
  }
  return size;
}

std::vector<CacheEntry> Cache::list() const {
  std::vector<CacheEntry> entries;
  std::set<std::string> needed;
  for (const Item& item : results(directory_)) {
    uint64_t size = item.size;
    for (const std::string& blob : item.blobs) {
      struct stat st {};
      if (needed.insert(blob).second && ::lstat((directory_ + "/blobs/" + blob).c_str(), &st) == 0)
        size += disk_usage(st);
    }
    entries.push_back({item.kind, item.name, size, item.last_used});
  }
  for (const std::string& name : blobs_in(directory_)) {
    struct stat st {};
    if (needed.contains(name) || ::lstat((directory_ + "/blobs/" + name).c_str(), &st) != 0) continue;
    entries.push_back({"blob", base::file_name(name), disk_usage(st), st.st_mtim.tv_sec});
  }
  for (const std::string& name : names_in(directory_ + "/mounts")) {
    if (!is_mount(name)) continue;
    struct stat st {};
    const std::string path = directory_ + "/mounts/" + name;
    if (::lstat(path.c_str(), &st) == 0)
      entries.push_back({"mount", name, disk_usage(path), st.st_mtim.tv_sec});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const CacheEntry& a, const CacheEntry& b) { return a.last_used > b.last_used; });
  return entries;
}

GcReport Cache::collect(uint64_t max_size, const RemoveTree& remove) {
  in_use_.reset();
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::exclusive);
  const GcReport report = collect_alone(max_size, remove);
  in_use_.reset();
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::shared);
  const auto now = static_cast<int64_t>(::time(nullptr));
  note_use({report.kept, now, now, report.freed});
  return report;
}

std::optional<GcReport> Cache::collect_unless_used(uint64_t max_size, const RemoveTree& remove) {
  in_use_.reset();
  std::optional<GcReport> report;
  if (const base::Fd alone = base::try_lock(directory_ + "/lock")) report = collect_alone(max_size, remove);
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::shared);
  return report;
}

GcReport Cache::collect_alone(uint64_t max_size, const RemoveTree& remove_mount) {
  GcReport report;
  const auto remove = [&](const std::string& path, uint64_t size, bool mount = false) {
    try {
      mount ? remove_mount(path) : base::remove_tree(path);
    } catch (const base::Error&) {
      return false;  // what cannot be removed stays, and counts
    }
    ++report.removed;
    report.freed += size;
    return true;
  };
  std::vector<Item> items = results(directory_);
  std::map<std::string, int> users;  // of each blob
  for (const Item& item : items)
    for (const std::string& blob : item.blobs) ++users[blob];
  std::map<std::string, uint64_t> blob_sizes;
  uint64_t total = disk_usage(directory_ + "/tables");
  for (const std::string& name : blobs_in(directory_)) {
    struct stat st {};
    const std::string path = directory_ + "/blobs/" + name;
    if (::lstat(path.c_str(), &st) != 0) continue;
    const auto size = disk_usage(st);
    if (!users.contains(name) && remove(path, size)) continue;  // no result needs it
    blob_sizes[name] = size;
    total += size;
  }
  for (const Item& item : items) total += item.size;
  for (const std::string& name : names_in(directory_ + "/mounts")) {
    if (!is_mount(name)) continue;
    struct stat st {};
    const std::string path = directory_ + "/mounts/" + name;
    if (::lstat(path.c_str(), &st) != 0) continue;
    items.push_back({path, "mount", name, disk_usage(path), st.st_mtim.tv_sec, {}});
    total += items.back().size;
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.last_used < b.last_used; });
  for (const Item& item : items) {
    if (total <= max_size) break;
    if (!remove(item.path, item.size, item.kind == "mount")) continue;
    total -= item.size;
    for (const std::string& blob : item.blobs)
      if (--users[blob] == 0 && blob_sizes.contains(blob) &&
          remove(directory_ + "/blobs/" + blob, blob_sizes[blob]))
        total -= blob_sizes[blob];
  }
  report.kept = total;
  return report;
}

}  // namespace minibuild::store
