#include "pipeline/alert/store/schema.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace doorslam::store {

namespace {

constexpr std::int64_t kApplicationId = 0x64736c6d;  // "dslm"
constexpr std::int64_t kVersion = 1;

// `body` stands last: a row's other columns are read without its overflow pages. event.id is unique among alerts only:
// that index is written in random order, which flow records in their number could not afford.
constexpr const char* kTables = R"(
CREATE TABLE record(
  seq INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  time INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  cause TEXT NOT NULL,
  server BLOB NOT NULL,
  port INTEGER NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL);
CREATE UNIQUE INDEX alert_id ON record(id) WHERE kind = 1;
CREATE TABLE cursor(
  sink TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  lost INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE resend(sink TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(sink, seq)) WITHOUT ROWID;
CREATE TABLE trimmed(through INTEGER NOT NULL, records INTEGER NOT NULL, lost INTEGER NOT NULL);
INSERT INTO trimmed VALUES(0, 0, 0);
)";

Result<bool> is_empty(Database& database) {
  return database.number("SELECT count(*) FROM sqlite_schema").map([](std::int64_t tables) { return tables == 0; });
}

/// An earlier doorslam passes over what was added, so that the version stays.
Result<void> add_later_columns(Database& database) {
  const auto there = counts_refusals(database);
  if (!there) return tl::unexpected(there.error());
  if (*there) return {};
  return database.execute("ALTER TABLE cursor ADD COLUMN refused INTEGER NOT NULL DEFAULT 0");
}

tl::unexpected<Error> refuse(Database& database, std::string_view why) {
  const char* path = sqlite3_db_filename(database.handle(), "main");
  return data_error(fmt::format("{}: {}", path == nullptr ? "" : path, why));
}

}  // namespace

Result<void> check_schema(Database& database) {
  const auto id = database.number("PRAGMA application_id");
  if (!id) return tl::unexpected(id.error());
  if (*id != kApplicationId) return refuse(database, "is no store of doorslam; name another file in store.path");
  const auto version = database.number("PRAGMA user_version");
  if (!version) return tl::unexpected(version.error());
  if (*version == kVersion) return {};
  return refuse(database, fmt::format("is a store of version {}, this doorslam knows version {}; use the doorslam that "
                                      "made it, or name another file in store.path",
                                      *version, kVersion));
}

Result<bool> counts_refusals(Database& database) {
  return database.number("SELECT count(*) FROM pragma_table_info('cursor') WHERE name = 'refused'")
      .map([](std::int64_t columns) { return columns > 0; });
}

Result<void> make_schema(Database& database) {
  const auto empty = is_empty(database);
  if (!empty) return tl::unexpected(empty.error());
  if (!*empty) return check_schema(database).and_then([&] { return add_later_columns(database); });
  const std::string marks =
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};", kApplicationId, kVersion);
  // The page size is fixed by the first table.
  if (auto done = database.execute("PRAGMA page_size = 32768; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE"); !done) {
    return done;
  }
  if (auto done = database.execute(kTables); !done) return done;
  if (auto done = database.execute(marks.c_str()); !done) return done;
  return database.execute("COMMIT");
}

}  // namespace doorslam::store
