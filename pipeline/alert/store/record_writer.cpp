#include "pipeline/alert/store/record_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "pipeline/alert/store/record_columns.h"
#include "pipeline/alert/store/schema.h"
#include "pipeline/base/descriptor.h"
#include "pipeline/base/file_mode.h"

namespace doorslam::store {

namespace {

enum class Sql : std::size_t {
  insert,
  confirm,
  arrived,
  refused,
  resent,
  lost,
  page_count,
  free_pages,
  oldest,
  remove,
  note_trimmed,
  cut,
  resends,
  forget
};

constexpr std::array<std::string_view, 14> kSql = {
    // An alert that is there already is passed over; a number that is there is an error, or its record would be lost.
    "INSERT INTO record(seq, kind, time, severity, cause, server, port, id, body) "
    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) WHERE kind = 1 DO NOTHING",
    "INSERT INTO cursor(sink, seq) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET seq = max(seq, ?2)",
    "UPDATE cursor SET lost = lost - ?2 WHERE sink = ?1",
    "INSERT INTO cursor(sink, seq, refused) VALUES(?1, 0, ?2) ON CONFLICT DO UPDATE SET refused = refused + ?2",
    "DELETE FROM resend WHERE sink = ? AND seq = ?",
    "INSERT INTO cursor(sink, seq, lost) VALUES(?1, 0, ?2) ON CONFLICT DO UPDATE SET lost = lost + ?2",
    "PRAGMA page_count",
    "PRAGMA freelist_count",
    "SELECT min(seq) FROM record",
    "DELETE FROM record WHERE seq <= ?",
    "UPDATE trimmed SET through = max(through, ?1), records = records + ?2, lost = lost + ?3",
    "SELECT seq, kind, time, severity, cause, server, port, id FROM record WHERE seq > ? AND seq <= ? ORDER BY seq",
    "SELECT sink, count(*) FROM resend WHERE seq <= ? GROUP BY sink",
    "DELETE FROM resend WHERE seq <= ?",
};

constexpr std::size_t index_of(Sql sql) { return static_cast<std::size_t>(sql); }

constexpr std::int64_t kPageOctets = 32768;
/// The log is moved into the database at this length, and waits for readers to let it begin anew at the second one.
constexpr int kLongLogPages = 1024;
constexpr int kTooLongLogPages = 4 * kLongLogPages;
constexpr std::chrono::milliseconds kPatienceWithReaders{50};
/// Trimming makes a little more room than is asked for, or every commit would trim.
constexpr std::uint64_t kTrimShare = 64;
/// So much is trimmed in a transaction at most, and as much again as it adds.
constexpr std::uint64_t kTrimAtOnceOctets = std::uint64_t{16} << 20;

/// `statement` adds up records of a sink.
Result<void> add(Statement& statement, const std::string& sink, std::uint64_t records) {
  return statement.bind(1, std::string_view(sink)).bind(2, static_cast<std::int64_t>(records)).run();
}

}  // namespace

void RecordWriter::make_file(const std::filesystem::path& path) {
  // SQLite would give it the usual rights, and gives its log those of the file.
  const Descriptor made(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
}

Result<RecordWriter> RecordWriter::open(const std::filesystem::path& path, std::uint64_t most_octets) {
  make_file(path);
  auto database = Database::open(path, Access::create);
  if (!database) return tl::unexpected(database.error());
  RecordWriter writer(std::move(*database), most_octets);
  if (auto made = make_schema(writer.database_); !made) return tl::unexpected(made.error());
  // FULL: a commit is on the disk when it returns, also in WAL mode. What is trimmed is not written over with zeros, as
  // Debian's SQLite would: that costs as many writes as the records did.
  if (auto set = writer.database_.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                                          "PRAGMA secure_delete = OFF; "
                                          "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; "
                                          "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY");
      !set) {
    return tl::unexpected(set.error());
  }
  if (auto prepared = writer.prepare(); !prepared) return tl::unexpected(prepared.error());
  const auto note_length = [](void* pages, sqlite3*, const char*, int length) {
    *static_cast<int*>(pages) = length;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(writer.database_.handle(), note_length, writer.log_pages_.get());
  return writer;
}

Result<void> RecordWriter::prepare() {
  for (const std::string_view sql : kSql) {
    auto statement = database_.prepare(sql);
    if (!statement) return tl::unexpected(statement.error());
    statements_.push_back(std::move(*statement));
  }
  const auto last = latest();
  if (!last) return tl::unexpected(last.error());
  next_ = *last + 1;
  return {};
}

Result<Sequence> RecordWriter::latest() {
  return database_.number("SELECT max(ifnull((SELECT max(seq) FROM record), 0), through) FROM trimmed");
}

Result<Written> RecordWriter::write(std::span<const Record> records, const SinkNews& news,
                                    const std::map<std::string, CursorState>& cursors) {
  const Sequence next_before = next_;
  auto written = write_inside(records, news, cursors);
  if (!written) {
    for (Statement& statement : statements_) statement.reset();
    database_.roll_back();
    // Where another program wrote, the next attempt goes on after its records.
    next_ = std::max(next_before, latest().value_or(0) + 1);
  }
  return written;
}

Result<Written> RecordWriter::write_inside(std::span<const Record> records, const SinkNews& news,
                                           const std::map<std::string, CursorState>& cursors) {
  Written out;
  if (auto begun = database_.execute("BEGIN IMMEDIATE"); !begun) return tl::unexpected(begun.error());
  if (auto inserted = insert(records, out); !inserted) return tl::unexpected(inserted.error());
  if (auto noted = note(news); !noted) return tl::unexpected(noted.error());
  std::uint64_t most = kTrimAtOnceOctets;
  for (const Record& record : records) most += record.body.size();
  if (auto trimmed = trim(cursors, most, out); !trimmed) return tl::unexpected(trimmed.error());
  for (const auto& [sink, sequences] : out.unsent) {
    if (auto run = add(statements_[index_of(Sql::lost)], sink, sequences.size()); !run)
      return tl::unexpected(run.error());
  }
  if (auto committed = database_.execute("COMMIT"); !committed) return tl::unexpected(committed.error());
  out.through = through();
  return out;
}

Result<void> RecordWriter::insert(std::span<const Record> records, Written& out) {
  Statement& insert = statements_[index_of(Sql::insert)];
  for (const Record& record : records) {
    insert.bind(1, next_)
        .bind(2, static_cast<std::int64_t>(record.kind))
        .bind(3, record.time_ns)
        .bind(4, std::int64_t{record.severity})
        .bind(5, name_of(record.cause))
        .bind_blob(6, octets_of(record.server.address))
        .bind(7, std::int64_t{record.server.port})
        .bind(8, std::string_view(record.id))
        .bind(9, std::string_view(record.body));
    if (auto run = insert.run(); !run) return run;
    if (database_.changes() == 0) {
      ++out.duplicates;
      continue;
    }
    ++out.stored;
    ++next_;
  }
  return {};
}

Result<void> RecordWriter::note(const SinkNews& news) {
  for (const auto& [sink, through] : news.confirmed) {
    Statement& confirm = statements_[index_of(Sql::confirm)];
    if (auto run = confirm.bind(1, std::string_view(sink)).bind(2, through).run(); !run) return run;
  }
  for (const auto& [sink, records] : news.arrived) {
    if (auto run = add(statements_[index_of(Sql::arrived)], sink, records); !run) return run;
  }
  for (const auto& [sink, records] : news.refused) {
    if (auto run = add(statements_[index_of(Sql::refused)], sink, records); !run) return run;
  }
  for (const auto& [sink, sequence] : news.resent) {
    Statement& resent = statements_[index_of(Sql::resent)];
    if (auto run = resent.bind(1, std::string_view(sink)).bind(2, sequence).run(); !run) return run;
  }
  return {};
}

Result<std::uint64_t> RecordWriter::octets() {
  std::array<std::int64_t, 2> pages{};
  for (const Sql sql : {Sql::page_count, Sql::free_pages}) {
    Statement& statement = statements_[index_of(sql)];
    const auto row = statement.step();
    if (!row) return tl::unexpected(row.error());
    pages[sql == Sql::free_pages ? 1 : 0] = statement.number(0);
    statement.reset();
  }
  return static_cast<std::uint64_t>((pages[0] - pages[1]) * kPageOctets);
}

Result<void> RecordWriter::trim(const std::map<std::string, CursorState>& cursors, std::uint64_t most, Written& out) {
  std::optional<std::uint64_t> used_before;
  while (true) {
    const auto used = octets();
    if (!used) return tl::unexpected(used.error());
    if (*used <= most_octets_) return {};
    if (!used_before) used_before = *used;
    if (*used_before - *used >= most) {
      out.more_to_trim = true;
      return {};
    }
    Statement& oldest = statements_[index_of(Sql::oldest)];
    const auto row = oldest.step();
    if (!row) return tl::unexpected(row.error());
    const Sequence first = oldest.number(0);
    oldest.reset();
    // As many as hold the octets that are too many, were all of one size; the loop sees to the rest.
    const auto held = static_cast<std::uint64_t>(through() - first + 1);
    const std::uint64_t excess = std::min(*used - most_octets_ + most_octets_ / kTrimShare, most);
    const auto share = static_cast<double>(excess) / static_cast<double>(*used);
    const auto goes = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(share * static_cast<double>(held)), 1, held);
    const Sequence cut = first + static_cast<Sequence>(goes) - 1;
    if (first == 0 || cut >= through()) return {};  // the latest stays, whatever the bound
    if (auto removed = remove_through(cut, cursors, out); !removed) return removed;
  }
}

Result<void> RecordWriter::remove_through(Sequence cut, const std::map<std::string, CursorState>& cursors,
                                          Written& out) {
  std::int64_t lost_in_all = 0;
  Sequence all_have = cut;
  for (const auto& [sink, state] : cursors) all_have = std::min(all_have, state.through);
  if (all_have < cut) {
    Statement& rows = statements_[index_of(Sql::cut)];
    rows.bind(1, all_have).bind(2, cut);
    while (true) {
      const auto row = rows.step();
      if (!row) return tl::unexpected(row.error());
      if (!*row) break;
      const Record record = what_is_known(rows);
      bool anyone = false;
      for (const auto& [sink, state] : cursors) {
        if (record.sequence <= state.through || !state.filter.matches(record)) continue;
        out.unsent[sink].push_back(record.sequence);
        anyone = true;
      }
      if (anyone) ++lost_in_all;
    }
    rows.reset();
  }
  Statement& remove = statements_[index_of(Sql::remove)];
  if (auto run = remove.bind(1, cut).run(); !run) return run;
  const std::int64_t removed = database_.changes();
  out.trimmed += static_cast<std::uint64_t>(removed);
  if (auto forgotten = forget_resends(cut, out); !forgotten) return forgotten;
  Statement& note = statements_[index_of(Sql::note_trimmed)];
  if (auto run = note.bind(1, cut).bind(2, removed).bind(3, lost_in_all).run(); !run) return run;
  return {};
}

/// What is gone cannot be sent once more: whoever asked for it must hear of that.
Result<void> RecordWriter::forget_resends(Sequence cut, Written& out) {
  Statement& resends = statements_[index_of(Sql::resends)];
  resends.bind(1, cut);
  while (true) {
    const auto row = resends.step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    out.resends_lost[std::string(resends.text(0))] += static_cast<std::uint64_t>(resends.number(1));
  }
  resends.reset();
  return statements_[index_of(Sql::forget)].bind(1, cut).run();
}

Result<void> RecordWriter::tidy() {
  if (*log_pages_ < kLongLogPages) return {};
  // A reader in the middle of the log keeps it from beginning anew, so a log far too long waits for the readers; but
  // not long, as somebody may hold a reader open for hours and records are waiting.
  const int mode = *log_pages_ < kTooLongLogPages ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
  database_.set_patience(kPatienceWithReaders);
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), "main", mode, nullptr, nullptr);
  database_.set_patience(Database::kUsualPatience);
  if (code == SQLITE_OK || code == SQLITE_BUSY) return {};
  return tl::unexpected(database_.error());
}

}  // namespace doorslam::store
