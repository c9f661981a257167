#include "pipeline/alert/store/store_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <span>
#include <thread>

#include "pipeline/alert/store/record_columns.h"
#include "pipeline/alert/store/schema.h"

namespace doorslam::store {

namespace {

enum class Sql : std::size_t { after, resends, before };

constexpr std::size_t index_of(Sql sql) { return static_cast<std::size_t>(sql); }

/// Who asks for records must let the sensor's writer, which waits for the database by looking at it now and then, have
/// its turn: as long as it held the database itself, however slow the disk, and at least so long.
constexpr std::size_t kMostAskedAtOnce = 5'000;
constexpr std::chrono::steady_clock::duration kOthersTurn = std::chrono::milliseconds(30);

/// A reader must let go of the log now and then.
constexpr std::int64_t kMostRowsARead = 50'000;

std::string select_records(std::string_view rest) {
  return fmt::format("SELECT {}, body FROM record {}", kKnownColumns, rest);
}

/// What `rows` has of the filter's liking; `through` is the last row that was looked at, `begin` where there is none.
Result<Batch> read_matching(Statement& rows, Sequence begin, const Filter& filter, const BatchLimits& limits) {
  Batch batch;
  batch.through = begin;
  while (batch.records.size() < limits.records && batch.octets < limits.octets) {
    const auto row = rows.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    Record record = what_is_known(rows);
    batch.through = record.sequence;
    if (!filter.matches(record)) continue;
    record.body = rows.text(kBodyColumn);
    batch.octets += record.body.size();
    batch.records.push_back(std::move(record));
  }
  rows.reset();
  return batch;
}

/// The longest prefix of hexadecimal digits that there can be is the whole event.id.
bool is_id_prefix(std::string_view text) {
  constexpr std::size_t kLongestId = 64;
  return !text.empty() && text.size() <= kLongestId &&
         text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace

Result<StoreReader> StoreReader::open(const std::filesystem::path& path) {
  auto database = Database::open(path, Access::read);
  if (!database) return tl::unexpected(database.error());
  StoreReader reader(std::move(*database));
  if (auto checked = check_schema(reader.database_); !checked) return tl::unexpected(checked.error());
  const std::array<std::string, 3> all = {
      select_records("WHERE seq > ? ORDER BY seq LIMIT ?"),
      select_records("WHERE seq IN (SELECT seq FROM resend WHERE sink = ?) ORDER BY seq LIMIT ?"),
      select_records("WHERE seq < ? ORDER BY seq DESC LIMIT ?")};
  for (const std::string& sql : all) {
    auto statement = reader.database_.prepare(sql);
    if (!statement) return tl::unexpected(statement.error());
    reader.statements_.push_back(std::move(*statement));
  }
  return reader;
}

Result<Batch> StoreReader::read_after(Sequence after, const Filter& filter, const BatchLimits& limits) {
  Statement& rows = statements_[index_of(Sql::after)];
  rows.bind(1, after).bind(2, kMostRowsARead);
  return read_matching(rows, after, filter, limits);
}

Result<Batch> StoreReader::read_resends(const std::string& sink, const BatchLimits& limits) {
  Statement& rows = statements_[index_of(Sql::resends)];
  rows.bind(1, std::string_view(sink)).bind(2, static_cast<std::int64_t>(limits.records));
  Batch batch;
  std::size_t octets = 0;
  while (octets < limits.octets) {
    const auto row = rows.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    Record record = what_is_known(rows);
    record.body = rows.text(kBodyColumn);
    octets += record.body.size();
    batch.records.push_back(std::move(record));
  }
  rows.reset();
  return batch;
}

Result<void> StoreReader::newest_first(const Filter& filter, const std::function<bool(const Record&)>& each) {
  // `each` may take its time (a person reads page by page), and an open statement would keep the writer's log from
  // beginning anew: records are told when the statement that read them is closed.
  Sequence before = std::numeric_limits<Sequence>::max();
  while (true) {
    const auto page = read_before(before, filter);
    if (!page) return tl::unexpected(page.error());
    if (page->through == before) return {};
    before = page->through;
    for (const Record& record : page->records) {
      if (!each(record)) return {};
    }
  }
}

/// As read_after(), towards the oldest.
Result<Batch> StoreReader::read_before(Sequence before, const Filter& filter) {
  Statement& rows = statements_[index_of(Sql::before)];
  rows.bind(1, before).bind(2, kMostRowsARead);
  return read_matching(rows, before, filter, {});
}

Result<std::vector<Record>> StoreReader::find(std::string_view id) {
  std::vector<Record> found;
  if (!is_id_prefix(id)) return found;
  // Alerts have an index; flow records are gone through only where no alert is meant.
  for (const char* kind : {"kind = 1", "kind = 2"}) {
    auto rows = database_.prepare(
        select_records(fmt::format("WHERE {} AND id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2", kind)));
    if (!rows) return tl::unexpected(rows.error());
    rows->bind(1, id);
    while (true) {
      const auto row = rows->step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) break;
      found.push_back(what_is_known(*rows));
      found.back().body = rows->text(kBodyColumn);
    }
    if (!found.empty()) break;
  }
  return found;
}

Result<std::vector<CursorLine>> StoreReader::cursors() {
  const auto refusals = counts_refusals(database_);
  if (!refusals) return tl::unexpected(refusals.error());
  auto rows = database_.prepare(
      fmt::format("SELECT sink, max(seq), max(lost), max(refused), max(waiting), max(has_run) FROM ("
                  "SELECT sink, seq, lost, {} AS refused, 0 AS waiting, 1 AS has_run FROM cursor UNION ALL "
                  "SELECT sink, 0, 0, 0, count(*), 0 FROM resend GROUP BY sink) GROUP BY sink ORDER BY sink",
                  *refusals ? "refused" : "0"));
  if (!rows) return tl::unexpected(rows.error());
  std::vector<CursorLine> lines;
  while (true) {
    const auto row = rows->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return lines;
    const auto count = [&](int column) { return static_cast<std::uint64_t>(rows->number(column)); };
    lines.push_back({std::string(rows->text(0)), rows->number(1), count(2), count(3), count(4), rows->number(5) != 0});
  }
}

Result<Sequence> StoreReader::latest() { return database_.number("SELECT ifnull(max(seq), 0) FROM record"); }

Result<void> ask_to_resend(const std::filesystem::path& path, const std::string& sink,
                           const std::vector<Sequence>& sequences) {
  auto database = Database::open(path, Access::write);
  if (!database) return tl::unexpected(database.error());
  if (auto checked = check_schema(*database); !checked) return checked;
  // The sensor never rests for long, and a person who asks can wait.
  if (auto patient = database->execute("PRAGMA busy_timeout = 60000"); !patient) return patient;
  auto insert = database->prepare("INSERT OR IGNORE INTO resend(sink, seq) SELECT ?1, seq FROM record WHERE seq = ?2");
  if (!insert) return tl::unexpected(insert.error());
  std::span<const Sequence> left(sequences);
  while (!left.empty()) {
    const auto some = left.first(std::min(left.size(), kMostAskedAtOnce));
    left = left.subspan(some.size());
    if (auto begun = database->execute("BEGIN IMMEDIATE"); !begun) return begun;
    const auto held_since = std::chrono::steady_clock::now();
    for (const Sequence sequence : some) {
      if (auto run = insert->bind(1, std::string_view(sink)).bind(2, sequence).run(); !run) return run;
    }
    if (auto committed = database->execute("COMMIT"); !committed) return committed;
    if (!left.empty())
      std::this_thread::sleep_for(std::max(kOthersTurn, std::chrono::steady_clock::now() - held_since));
  }
  return {};
}

}  // namespace doorslam::store
