#include "builder/store/table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "minibuild/base/error.h"
#include "minibuild/base/file.h"

namespace minibuild::store {

namespace {

constexpr std::string_view magic = "minibuild table 1 0123456789abcd";  // as long as a hash

struct TableEntry {
  base::Hash key;
  base::Hash hash;
  uint32_t number;
};
constexpr size_t entry_size = 32 + 32 + 4;

TableEntry entry_at(const char* data, size_t index) {
  TableEntry entry{};
  const char* at = data + magic.size() + index * entry_size;
  std::memcpy(entry.key.data(), at, 32);
  std::memcpy(entry.hash.data(), at + 32, 32);
  std::memcpy(&entry.number, at + 64, 4);
  return entry;
}

}  // namespace

struct Table::Mapping {
  const char* data = nullptr;
  size_t size = 0;
  size_t count() const { return data == nullptr ? 0 : (size - magic.size()) / entry_size; }
};

Table::Mapping Table::map(const std::string& path) {
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const auto size = static_cast<size_t>(st.st_size);
  if (size < magic.size() || (size - magic.size()) % entry_size != 0) return {};
  // A private copy: nobody can take the file away below us.
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return {};
  const char* bytes = static_cast<const char*>(data);
  if (std::string_view(bytes, magic.size()) != magic) {
    ::munmap(data, size);
    return {};
  }
  return {bytes, size};
}

Table::Table(std::string path) : path_(std::move(path)) {
  const Mapping mapping = map(path_);
  data_ = mapping.data;
  size_ = mapping.size;
}

Table::~Table() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

std::optional<TableValue> Table::find(const base::Hash& key) const {
  {
    const std::lock_guard lock(mutex_);
    const auto it = added_.find(key);
    if (it != added_.end()) return it->second;
  }
  size_t low = 0;
  size_t high = Mapping{data_, size_}.count();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const int order = std::memcmp(data_ + magic.size() + middle * entry_size, key.data(), key.size());
    if (order == 0) {
      const TableEntry entry = entry_at(data_, middle);
      return TableValue{entry.hash, entry.number};
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return std::nullopt;
}

void Table::insert(const base::Hash& key, const TableValue& value) {
  const std::lock_guard lock(mutex_);
  added_.insert_or_assign(key, value);
}

void Table::save(size_t limit) {
  const std::lock_guard lock(mutex_);
  if (added_.empty()) return;
  const Mapping now = map(path_);
  std::vector<TableEntry> entries;
  entries.reserve(now.count() + added_.size());
  for (size_t i = 0; i < now.count(); ++i) {
    const TableEntry entry = entry_at(now.data, i);
    if (!added_.contains(entry.key)) entries.push_back(entry);
  }
  if (now.data != nullptr) ::munmap(const_cast<char*>(now.data), now.size);
  for (const auto& [key, value] : added_) entries.push_back({key, value.hash, value.number});
  if (entries.size() > limit) {
    const auto newer = [](const TableEntry& a, const TableEntry& b) { return a.number > b.number; };
    std::nth_element(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(limit), entries.end(),
                     newer);
    entries.resize(limit);
  }
  std::sort(entries.begin(), entries.end(),
            [](const TableEntry& a, const TableEntry& b) { return a.key < b.key; });
  std::string bytes(magic);
  bytes.reserve(bytes.size() + entries.size() * entry_size);
  for (const TableEntry& entry : entries) {
    bytes += base::as_bytes(entry.key);
    bytes += base::as_bytes(entry.hash);
    bytes.append(reinterpret_cast<const char*>(&entry.number), sizeof entry.number);
  }
  base::clear_unless_file(path_);
  base::AtomicFile file(path_);
  file.write(bytes);
  file.commit(false);
  added_.clear();
}

}  // namespace minibuild::store
