#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

/// SQLite, owned and typed.
namespace doorslam::store {

enum class Access : std::uint8_t { create, write, read };

class Statement;

/// One connection to a database file. Not thread-safe: one per thread.
class Database {
 public:
  /// Errors (data): the file cannot be opened.
  static Result<Database> open(const std::filesystem::path& path, Access access);

  /// How long a call waits for others that use the database.
  static constexpr std::chrono::milliseconds kUsualPatience{5'000};
  void set_patience(std::chrono::milliseconds patience) noexcept;

  /// Runs statements without results. Errors (data): SQLite's words.
  Result<void> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row; 0 where there is none.
  Result<std::int64_t> number(std::string_view sql);

  /// Ends an open transaction without its changes; where there is none, nothing happens.
  void roll_back() noexcept;
  /// Rows that the latest INSERT, UPDATE or DELETE changed.
  std::int64_t changes() const noexcept;
  Error error() const;
  sqlite3* handle() const noexcept { return handle_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const noexcept;
  };
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  std::unique_ptr<sqlite3, Closer> handle_;
  std::string path_;  ///< for messages
};

/// A prepared statement; its database must outlive it. Parameters and columns count from 1 and 0, as SQLite's do.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  Statement& bind(int index, std::int64_t value) noexcept;
  /// `text` is borrowed until the next step() or reset().
  Statement& bind(int index, std::string_view text) noexcept;
  Statement& bind_blob(int index, std::string_view octets) noexcept;

  /// True: a row is there. Errors (data): SQLite's words.
  Result<bool> step();
  /// Steps a statement without rows and makes it ready for the next time.
  Result<void> run();
  void reset() noexcept;

  std::int64_t number(int column) const noexcept;
  /// Borrowed until the next step() or reset().
  std::string_view text(int column) const noexcept;
  std::string_view blob(int column) const noexcept;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const noexcept;
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
};

}  // namespace doorslam::store
