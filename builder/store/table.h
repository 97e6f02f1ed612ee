// A map on disk from hashes to hashes, for what is looked up thousands of times a build: one sorted file,
// mapped into memory, replaced as a whole. Losing it, or losing the entries of a build that ran at the same
// time, costs only time.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "minibuild/base/sha256.h"

namespace minibuild::store {

struct TableValue {
  base::Hash hash{};
  uint32_t number = 0;
};

class Table {
 public:
  /// A missing, damaged or foreign file is an empty table.
  explicit Table(std::string path);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  Table(Table&&) = delete;
  Table& operator=(Table&&) = delete;

  std::optional<TableValue> find(const base::Hash& key) const;
  void insert(const base::Hash& key, const TableValue& value);
  /// Writes what was inserted, merged with what others wrote meanwhile; at most `limit` entries, those with
  /// the smallest numbers are dropped first. Does nothing if nothing was inserted.
  void save(size_t limit);

 private:
  struct Mapping;
  static Mapping map(const std::string& path);
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
  mutable std::mutex mutex_;
  std::map<base::Hash, TableValue> added_;
};

}  // namespace minibuild::store
