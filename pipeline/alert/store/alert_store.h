#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/alert/store/record_writer.h"
#include "pipeline/alert/store/store_lock.h"
#include "pipeline/alert/store/store_reader.h"
#include "pipeline/base/notice.h"

namespace doorslam::store {

struct StoreOptions {
  std::filesystem::path path;                          ///< the database; two files of its name stand beside it
  std::uint64_t most_octets = std::uint64_t{4} << 30;  ///< of the database; its log takes up to 128 MiB more
  std::size_t queue_records = 65'536;                  ///< that wait to be written; a quarter for alerts alone
  std::size_t queue_octets = std::size_t{128} << 20;
};

/// Since start. A record that was offered ends as stored, duplicate, overflowed or abandoned.
struct StoreCounters {
  std::uint64_t offered = 0;
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;         ///< alerts that the store held already
  std::uint64_t overflowed = 0;         ///< the queue was full
  std::uint64_t overflowed_alerts = 0;  ///< of these: alerts
  std::uint64_t waits = 0;              ///< times that append() waited for room
  std::uint64_t abandoned = 0;          ///< not written by the end of the time to stop in
  std::uint64_t queued = 0;             ///< now
  std::uint64_t trimmed = 0;            ///< oldest records given up for the bound
  std::uint64_t write_failures = 0;     ///< transactions that had to be tried again
  bool failing = false;                 ///< the latest one had to be
  std::uint64_t octets = 0;             ///< of the database now
  Sequence through = 0;                 ///< the latest record on the disk
};

/// Alerts and flow records on their way to the sinks, on disk.
///
/// Theory of operation. offer() puts a record into a bounded queue; a thread of the store's own writes what has queued
/// up as one transaction (group commit), and only a record that is on the disk leaves the queue. When writing fails
/// (disk full) the transaction is tried again each second, and what no longer fits into the queue is counted. Sinks
/// read with readers of their own and report how far they are; that, too, is written by the one thread. thread-safe.
class AlertStore {
 public:
  using Clock = std::chrono::steady_clock;

  /// Errors (data): no store can be had at that path, or another process uses it.
  static Result<std::unique_ptr<AlertStore>> open(const StoreOptions& options, Notice notice);
  ~AlertStore();
  AlertStore(const AlertStore&) = delete;
  AlertStore& operator=(const AlertStore&) = delete;

  /// Never waits for the disk. False: the queue is full, the record is counted and gone.
  bool offer(Record record);
  /// Waits for room in the queue; as offer() when none came in `patience`, and from then on until something could be
  /// written again.
  bool append(Record record, std::chrono::milliseconds patience);
  /// Waits until what was offered so far is on the disk. False: it was not by then.
  bool flush(Clock::time_point deadline);
  /// Stops the writer. What is not on the disk by `deadline` is counted as abandoned. Nothing may be offered any more.
  void close(Clock::time_point deadline);

  /// A sink begins; its records are not trimmed without being counted, from now on also while it does not run: then
  /// all alerts are, whatever its filter. Returns the place to read from.
  Sequence enlist(const std::string& sink, const Filter& filter);
  /// The sink is about to read the records after its place, and must say end_read() then. What it has in hand is not
  /// lost when it is trimmed.
  void begin_read(const std::string& sink);
  /// It has read from `after` on, and found these; all up to `through` were looked at.
  void end_read(const std::string& sink, Sequence after, std::span<const Record> found, Sequence through);
  /// All records up to `through` have arrived at the sink.
  void confirm(const std::string& sink, Sequence through);
  /// So many records more will never be taken by the sink's receiver.
  void note_refused(const std::string& sink, std::uint64_t records);
  /// Records that were to be sent once more have been. The number of this news, for news_written().
  std::uint64_t confirm_resent(const std::string& sink, const std::vector<Sequence>& sequences);
  /// Returns when there is a record after `after`, at `deadline`, or when `stop` is asked for.
  void wait_beyond(Sequence after, Clock::time_point deadline, const std::stop_token& stop);
  /// The latest number of confirm_resent() that is on the disk: those records do not wait to be sent once more.
  std::uint64_t news_written() const;
  Result<StoreReader> reader() const { return StoreReader::open(options_.path); }

  StoreCounters counters() const;
  /// How long the transaction that is under way has taken so far; 0: there is none. Waits for nothing.
  Clock::duration busy_for() const noexcept;
  /// Records that were trimmed before this sink, which runs, could read them, since the store was made.
  std::uint64_t lost(const std::string& sink) const;
  /// Records that were trimmed before this sink had sent them once more, since start.
  std::uint64_t resends_lost(const std::string& sink) const;

 private:
  /// What a sink holds beside the store.
  struct Hand {
    bool runs = false;
    bool reading = false;           ///< now; what it finds is not known yet
    Sequence read = 0;              ///< up to here
    std::vector<Sequence> trimmed;  ///< of what was read and is not confirmed, or is being read; in order
  };

  AlertStore(StoreOptions options, Notice notice, StoreLock lock, RecordWriter writer);
  Result<void> recall_sinks();

  void work();
  bool take_next();
  void write_until_done();
  void account(const Written& written);
  void tell_of_overflow();
  std::map<std::string, std::uint64_t> count_lost(const Written& written);
  void tell_of_loss(const std::string& sink, std::uint64_t records);
  void tell_of_lost_resends(const Written& written);
  void tell_of_failure(const Error& error);
  bool has_room(RecordKind kind, std::size_t octets) const noexcept;

  const StoreOptions options_;
  const Notice notice_;
  const StoreLock lock_;

  RecordWriter writer_;                    ///< writer thread, after open()
  std::vector<Record> batch_;              ///< writer thread
  SinkNews batch_news_;                    ///< writer thread
  std::uint64_t batch_news_number_ = 0;    ///< writer thread: the latest in batch_news_
  bool more_to_trim_ = false;              ///< writer thread
  std::string last_failure_;               ///< writer thread: told already
  StoreCounters overflow_told_;            ///< writer thread: as they were when told
  Clock::time_point tell_overflow_again_;  ///< writer thread

  mutable std::mutex mutex_;
  std::condition_variable_any wake_writer_;
  std::condition_variable_any changed_;  ///< records are durable, or there is room
  // Under mutex_:
  std::vector<Record> queue_;
  std::size_t queued_records_ = 0;  ///< the batch in hand included
  std::size_t queued_octets_ = 0;
  SinkNews news_;
  std::uint64_t news_number_ = 0;   ///< the latest given
  std::uint64_t news_written_ = 0;  ///< the latest on the disk
  std::map<std::string, CursorState> cursors_;
  std::map<std::string, Hand> hands_;
  std::map<std::string, std::uint64_t> resends_lost_;
  StoreCounters counters_;
  bool beyond_patience_ = false;  ///< a wait for room was in vain, and nothing has been written since
  bool stopping_ = false;
  Clock::time_point give_up_ = Clock::time_point::max();

  std::atomic<Clock::rep> busy_since_{0};  ///< ticks of Clock; 0: nothing is being written
  std::jthread thread_;
};

}  // namespace doorslam::store
