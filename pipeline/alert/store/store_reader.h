#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/alert/store/filter.h"
#include "pipeline/alert/store/record.h"
#include "pipeline/alert/store/sqlite.h"

namespace doorslam::store {

struct BatchLimits {
  std::size_t records = 500;
  std::size_t octets = std::size_t{4} << 20;  ///< of the bodies; one record is always read
};

/// What a sink reads at a time.
struct Batch {
  std::vector<Record> records;  ///< those that the filter matches, in order
  Sequence through = 0;         ///< everything up to here was looked at
  std::size_t octets = 0;       ///< of the bodies
};

/// A sink's place, for a person.
struct CursorLine {
  std::string sink;
  Sequence through = 0;
  std::uint64_t lost = 0;     ///< trimmed before they had surely arrived
  std::uint64_t refused = 0;  ///< by the receiver, for good
  std::uint64_t to_resend = 0;
  bool has_run = false;  ///< else somebody has only asked for records to be sent once more by it
};

/// Reads a store, beside its writer or without one. Not thread-safe: one per thread.
class StoreReader {
 public:
  /// Errors (data): there is no store.
  static Result<StoreReader> open(const std::filesystem::path& path);

  /// The records after `after`. Looks at a bounded number of records: where none match, `through` has moved on.
  Result<Batch> read_after(Sequence after, const Filter& filter, const BatchLimits& limits);
  /// Records that somebody asked to have sent once more, oldest first; `through` is meaningless.
  Result<Batch> read_resends(const std::string& sink, const BatchLimits& limits);

  /// Calls `each` with the records that match, newest first, until it returns false.
  Result<void> newest_first(const Filter& filter, const std::function<bool(const Record&)>& each);
  /// The records whose event.id begins with `id`: two at most, to tell one from several. Alerts come before
  /// flow records.
  Result<std::vector<Record>> find(std::string_view id);
  Result<std::vector<CursorLine>> cursors();
  /// Sequence of the latest record; 0: there is none.
  Result<Sequence> latest();

 private:
  explicit StoreReader(Database database) : database_(std::move(database)) {}

  Result<Batch> read_before(Sequence before, const Filter& filter);

  Database database_;
  std::vector<Statement> statements_;
};

/// Asks for records to be sent once more by a sink, by whoever runs it now or next; those that the store has given up
/// meanwhile are passed over. Many are noted in portions, so that the sensor can write in between. Errors (data): not
/// all were noted; asking again does no harm.
Result<void> ask_to_resend(const std::filesystem::path& path, const std::string& sink,
                           const std::vector<Sequence>& sequences);

}  // namespace doorslam::store
