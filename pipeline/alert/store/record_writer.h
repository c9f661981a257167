#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/alert/store/filter.h"
#include "pipeline/alert/store/record.h"
#include "pipeline/alert/store/sqlite.h"

namespace doorslam::store {

/// A sink as the store knows it.
struct CursorState {
  Sequence through = 0;    ///< all up to here have arrived
  std::uint64_t lost = 0;  ///< trimmed before it could read them, since the store was made
  Filter filter;           ///< what the sink would have sent
};

/// What happened in one transaction.
struct Written {
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;  ///< alerts whose event.id was there
  std::uint64_t trimmed = 0;
  /// By sink: trimmed records that had not arrived, in order. They count as lost in the database until news tells
  /// otherwise.
  std::map<std::string, std::vector<Sequence>> unsent;
  std::map<std::string, std::uint64_t> resends_lost;  ///< by sink: trimmed records that it was to send once more
  Sequence through = 0;                               ///< of the latest record
  bool more_to_trim = false;                          ///< the database is above its bound yet: to be written again soon
};

/// What sinks report between two transactions.
struct SinkNews {
  std::map<std::string, Sequence> confirmed;
  std::map<std::string, std::uint64_t> arrived;  ///< records that were trimmed unsent, and have arrived all the same
  std::map<std::string, std::uint64_t> refused;  ///< records that the receiver will never take
  std::vector<std::pair<std::string, Sequence>> resent;

  bool empty() const noexcept { return confirmed.empty() && arrived.empty() && refused.empty() && resent.empty(); }
};

/// The one connection that writes. Each write() is one transaction: all of it is on the disk when it returns, or
/// nothing. Not thread-safe.
class RecordWriter {
 public:
  /// Makes an empty file for it where there is none. What is wrong, open() says.
  static void make_file(const std::filesystem::path& path);
  /// `most_octets` bounds the database; beyond it the oldest records go. Errors (data): no store can be had there.
  static Result<RecordWriter> open(const std::filesystem::path& path, std::uint64_t most_octets);

  /// `cursors` are the sinks that the store knows. Where much is above the bound, as when it was lowered, only a part
  /// of it is trimmed with each call, so that the log stays short and records get their turn. Errors (data): nothing
  /// was written; the same may be tried again.
  Result<Written> write(std::span<const Record> records, const SinkNews& news,
                        const std::map<std::string, CursorState>& cursors);
  /// Moves the log's pages into the database once it is long. Errors (data): the log is still whole.
  Result<void> tidy();

  Sequence through() const noexcept { return next_ - 1; }
  /// Of the database without free pages.
  Result<std::uint64_t> octets();

 private:
  explicit RecordWriter(Database database, std::uint64_t most_octets)
      : database_(std::move(database)), most_octets_(most_octets) {}

  Result<void> prepare();
  Result<Sequence> latest();
  Result<Written> write_inside(std::span<const Record> records, const SinkNews& news,
                               const std::map<std::string, CursorState>& cursors);
  Result<void> insert(std::span<const Record> records, Written& out);
  Result<void> note(const SinkNews& news);
  Result<void> trim(const std::map<std::string, CursorState>& cursors, std::uint64_t most, Written& out);
  Result<void> forget_resends(Sequence cut, Written& out);
  Result<void> remove_through(Sequence cut, const std::map<std::string, CursorState>& cursors, Written& out);

  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);  ///< as of the latest commit; SQLite holds the address
  Database database_;
  std::uint64_t most_octets_;
  Sequence next_ = 1;
  std::vector<Statement> statements_;  ///< by Sql
};

}  // namespace doorslam::store
