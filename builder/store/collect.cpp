// What the cache holds, and removing what was not used for longest.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "builder/store/table.h"
#include "minibuild/base/error.h"
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

// What a file takes: less than its length where it has holes.
uint64_t size_of(const struct stat& st) {
  const auto length = static_cast<uint64_t>(st.st_size);
  return length < (uint64_t{1} << 20U) ? length : std::min(length, static_cast<uint64_t>(st.st_blocks) * 512);
}

uint64_t size_below(const std::string& directory, int depth = 0) {
  uint64_t size = 0;
  for (const std::string& name : names_in(directory)) {
    struct stat st {};
    const std::string path = directory + "/" + name;
    if (::lstat(path.c_str(), &st) != 0) continue;
    size += size_of(st);
    if (S_ISDIR(st.st_mode) && depth < 200) size += size_below(path, depth + 1);
  }
  return size;
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
  Item item{path, "damaged", name, static_cast<uint64_t>(st.st_size), st.st_mtim.tv_sec, {}};
  std::string head;
  try {
    head = base::read_file(path, size_t{256} << 20);
  } catch (const base::Error&) {
    return item;
  }
  const std::vector<std::string> lines = base::split(head.substr(0, size_t{64} << 10), '\n');
  if (lines.size() < 4) return item;
  item.kind = lines[2];
  for (size_t i = 3; i < lines.size() && lines[i].starts_with("sha256:"); ++i)
    item.blobs.push_back(lines[i].substr(7));
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

}  // namespace

std::vector<CacheEntry> Cache::list() const {
  std::vector<CacheEntry> entries;
  std::set<std::string> needed;
  for (const Item& item : results(directory_)) {
    uint64_t size = item.size;
    for (const std::string& blob : item.blobs) {
      struct stat st {};
      if (needed.insert(blob).second && ::lstat((directory_ + "/blobs/sha256/" + blob).c_str(), &st) == 0)
        size += size_of(st);
    }
    entries.push_back({item.kind, item.name, size, item.last_used});
  }
  for (const std::string& name : names_in(directory_ + "/blobs/sha256")) {
    struct stat st {};
    if (needed.contains(name) || ::lstat((directory_ + "/blobs/sha256/" + name).c_str(), &st) != 0) continue;
    entries.push_back({"blob", name, size_of(st), st.st_mtim.tv_sec});
  }
  for (const std::string& name : names_in(directory_ + "/mounts")) {
    if (name.starts_with('.')) continue;  // says that the directory is still to be searched
    struct stat st {};
    const std::string path = directory_ + "/mounts/" + name;
    if (::lstat(path.c_str(), &st) == 0)
      entries.push_back({"mount", name, size_below(path), st.st_mtim.tv_sec});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const CacheEntry& a, const CacheEntry& b) { return a.last_used > b.last_used; });
  return entries;
}

GcReport Cache::collect(uint64_t max_size) {
  in_use_.reset();
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::exclusive);
  GcReport report;
  const auto remove = [&report](const std::string& path, uint64_t size) {
    base::remove_tree(path);
    ++report.removed;
    report.freed += size;
  };
  std::vector<Item> items = results(directory_);
  std::map<std::string, int> users;  // of each blob
  for (const Item& item : items)
    for (const std::string& blob : item.blobs) ++users[blob];
  std::map<std::string, uint64_t> blob_sizes;
  uint64_t total = 0;
  for (const std::string& name : names_in(directory_ + "/blobs/sha256")) {
    struct stat st {};
    const std::string path = directory_ + "/blobs/sha256/" + name;
    if (::lstat(path.c_str(), &st) != 0) continue;
    const uint64_t size = size_of(st);
    if (!users.contains(name)) {
      remove(path, size);  // no result needs it
      continue;
    }
    blob_sizes[name] = size;
    total += size;
  }
  for (const Item& item : items) total += item.size;
  for (const std::string& name : names_in(directory_ + "/mounts")) {
    if (name.starts_with('.')) continue;  // says that the directory is still to be searched
    struct stat st {};
    const std::string path = directory_ + "/mounts/" + name;
    if (::lstat(path.c_str(), &st) != 0) continue;
    items.push_back({path, "mount", name, size_below(path), st.st_mtim.tv_sec, {}});
    total += items.back().size;
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.last_used < b.last_used; });
  for (const Item& item : items) {
    if (total <= max_size) break;
    remove(item.path, item.size);
    total -= item.size;
    for (const std::string& blob : item.blobs)
      if (--users[blob] == 0 && blob_sizes.contains(blob)) {
        remove(directory_ + "/blobs/sha256/" + blob, blob_sizes[blob]);
        total -= blob_sizes[blob];
      }
  }
  report.kept = total;
  in_use_.reset();
  in_use_ = std::make_unique<base::FileLock>(directory_ + "/lock", base::FileLock::Mode::shared);
  return report;
}

}  // namespace minibuild::store
