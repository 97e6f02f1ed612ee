// RAII wrappers for SQLite handles, with failures as Errors.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "minibuild/base/error.h"

namespace minibuild::trust {

class Database {
 public:
  /// `name` is a path, `:memory:`, or with SQLITE_OPEN_URI a URI; Errors name `what`.
  Database(const std::string& name, int flags, std::string what) : what_(std::move(what)) {
    sqlite3* raw = nullptr;
    const int result = ::sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    if (result != SQLITE_OK) broken();
  }
  void run(const char* sql) const {
    if (::sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) broken();
  }
  int64_t last_row() const { return ::sqlite3_last_insert_rowid(handle_.get()); }
  sqlite3* get() const { return handle_.get(); }
  [[noreturn]] void broken() const {
    base::fail("cannot use the advisories in {}: {}", what_,
               handle_ == nullptr ? "out of memory" : ::sqlite3_errmsg(handle_.get()));
  }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { ::sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
  std::string what_;
};

/// A prepared statement that can be reused.
class Statement {
 public:
  Statement(const Database& database, std::string_view sql) : database_(database) {
    sqlite3_stmt* raw = nullptr;
    if (::sqlite3_prepare_v2(database.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr) !=
        SQLITE_OK)
      database.broken();
    statement_.reset(raw);
  }
  /// Texts must live until the next `step`.
  Statement& bind(int at, std::string_view text) {
    if (::sqlite3_bind_text(statement_.get(), at, text.empty() ? "" : text.data(),
                            static_cast<int>(text.size()), SQLITE_STATIC) != SQLITE_OK)
      database_.broken();
    return *this;
  }
  Statement& bind(int at, int64_t number) {
    if (::sqlite3_bind_int64(statement_.get(), at, number) != SQLITE_OK) database_.broken();
    return *this;
  }
  Statement& bind(int at, double number) {
    if (::sqlite3_bind_double(statement_.get(), at, number) != SQLITE_OK) database_.broken();
    return *this;
  }
  /// Returns true if there is a row.
  bool step() {
    const int result = ::sqlite3_step(statement_.get());
    if (result != SQLITE_ROW && result != SQLITE_DONE) database_.broken();
    return result == SQLITE_ROW;
  }
  void reset() {
    ::sqlite3_reset(statement_.get());
    ::sqlite3_clear_bindings(statement_.get());
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(::sqlite3_column_text(statement_.get(), column));
    const int size = ::sqlite3_column_bytes(statement_.get(), column);
    return bytes == nullptr ? std::string() : std::string(bytes, static_cast<size_t>(size));
  }
  int64_t number(int column) const { return ::sqlite3_column_int64(statement_.get(), column); }
  double real(int column) const { return ::sqlite3_column_double(statement_.get(), column); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
  };
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace minibuild::trust
