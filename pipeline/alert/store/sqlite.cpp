#include "pipeline/alert/store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace doorslam::store {

namespace {

/// What went wrong, with the system's reason where there is one: "disk I/O error" alone helps nobody.
std::string reason_of(sqlite3* handle) {
  std::string reason = handle == nullptr ? "out of memory" : sqlite3_errmsg(handle);
  const int cause = handle == nullptr ? 0 : sqlite3_system_errno(handle);
  const bool of_the_system =
      handle != nullptr && (sqlite3_errcode(handle) == SQLITE_IOERR || sqlite3_errcode(handle) == SQLITE_CANTOPEN);
  if (of_the_system && cause != 0) reason += fmt::format(" ({})", std::strerror(cause));
  return reason;
}

std::string advice_for(int code) {
  switch (code) {
    case SQLITE_FULL:
      return "; make room on its file system";
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "; name a file in a folder that exists and that you may write to";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; it is damaged or something else than a store: move it away, or name another file";
    case SQLITE_CONSTRAINT:
      return "; another program writes to it: give each a store of its own";
    case SQLITE_BUSY:
      return "; another program holds it";
    default:
      return "";
  }
}

}  // namespace

void Database::Closer::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

Result<Database> Database::open(const std::filesystem::path& path, Access access) {
  sqlite3* handle = nullptr;
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |= access == Access::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database(handle, path.string());
  if (code != SQLITE_OK) return tl::unexpected(database.error());
  database.set_patience(kUsualPatience);
  return database;
}

void Database::set_patience(std::chrono::milliseconds patience) noexcept {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(patience.count()));
}

Error Database::error() const {
  const int code = handle_ ? sqlite3_errcode(handle_.get()) : SQLITE_NOMEM;
  return Error{ErrorKind::data, fmt::format("{}: {}{}", path_, reason_of(handle_.get()), advice_for(code))};
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return tl::unexpected(error());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(error());
  return Statement(statement);
}

Result<std::int64_t> Database::number(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  const auto row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? statement->number(0) : 0;
}

void Database::roll_back() noexcept {
  if (sqlite3_get_autocommit(handle_.get()) == 0) {
    sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

std::int64_t Database::changes() const noexcept { return sqlite3_changes64(handle_.get()); }

void Statement::Finalizer::operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }

Statement& Statement::bind(int index, std::int64_t value) noexcept {
  sqlite3_bind_int64(handle_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) noexcept {
  sqlite3_bind_text64(handle_.get(), index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view octets) noexcept {
  sqlite3_bind_blob64(handle_.get(), index, octets.data(), octets.size(), SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* database = sqlite3_db_handle(handle_.get());
  const char* path = sqlite3_db_filename(database, "main");
  Error error{ErrorKind::data,
              fmt::format("{}: {}{}", path == nullptr ? "" : path, reason_of(database), advice_for(code & 0xFF))};
  sqlite3_reset(handle_.get());
  return tl::unexpected(std::move(error));
}

Result<void> Statement::run() {
  const auto done = step();
  if (!done) return tl::unexpected(done.error());
  reset();
  return {};
}

void Statement::reset() noexcept { sqlite3_reset(handle_.get()); }

std::int64_t Statement::number(int column) const noexcept { return sqlite3_column_int64(handle_.get(), column); }

std::string_view Statement::text(int column) const noexcept {
  const unsigned char* text = sqlite3_column_text(handle_.get(), column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::string_view Statement::blob(int column) const noexcept {
  const void* octets = sqlite3_column_blob(handle_.get(), column);
  if (octets == nullptr) return {};
  return {static_cast<const char*>(octets), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

}  // namespace doorslam::store
