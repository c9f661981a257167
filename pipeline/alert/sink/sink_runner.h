#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/alert/format/formatter.h"
#include "pipeline/alert/sink/backoff.h"
#include "pipeline/alert/sink/receiver.h"
#include "pipeline/alert/store/alert_store.h"
#include "pipeline/base/notice.h"

namespace doorslam::sink {

struct RunnerOptions {
  std::string name;
  store::Filter filter;
  format::Format format = format::Format::ecs;
  store::BatchLimits batch;
  BackoffOptions backoff;
  /// The runner's thread, and all that it starts, keep nothing of what a privileged process may do.
  bool without_privileges = false;
};

/// Since start. thread-safe copies.
struct SinkCounters {
  std::string name;
  std::uint64_t sent = 0;          ///< messages delivered, those sent again included
  std::uint64_t refused = 0;       ///< the receiver will never take them
  std::uint64_t retried = 0;       ///< messages that had to be sent again
  std::uint64_t failures = 0;      ///< attempts that failed
  std::uint64_t resent = 0;        ///< on a person's demand
  std::uint64_t lost = 0;          ///< trimmed from the store unsent, since the store was made
  std::uint64_t resends_lost = 0;  ///< trimmed from the store before they were sent once more
  Sequence confirmed = 0;          ///< all up to here have arrived
  std::uint64_t behind = 0;        ///< records of the store after that one, wanted or not
  milliseconds oldest_waiting{0};  ///< since the oldest that has not surely arrived was first handed over
  std::string trouble;             ///< empty: none now
};

/// A sink: one thread that reads the store from the sink's own place and sends, at least once and in order.
///
/// Theory of operation. A batch is read, formatted and handed to the receiver, and the next is made ready meanwhile;
/// what the receiver did not take is sent again after a pause, before anything else is. Only when all of a batch has
/// arrived, or was refused for good, is the place in the store moved. A stream that cannot tell what has arrived holds
/// records in doubt; the place stays before them. Records that a person wants once more take turns with the others,
/// attempt by attempt: what a receiver does not take of them holds up nothing else. thread-safe.
class SinkRunner {
 public:
  SinkRunner(RunnerOptions options, std::unique_ptr<Receiver> receiver, store::AlertStore& store, Notice notice);
  ~SinkRunner();
  SinkRunner(const SinkRunner&) = delete;
  SinkRunner& operator=(const SinkRunner&) = delete;

  /// Errors (data): the store cannot be read.
  Result<void> start();
  /// The runner is to end once it has sent all that the store holds now. Returns at once.
  void finish();
  /// Waits for that end until `deadline`, then asks the runner to stop where it is.
  void end_by(Clock::time_point deadline);
  /// As end_by(), and waits until the runner has stopped. True: everything has arrived; what has not is sent when the
  /// sink is started again.
  bool join(Clock::time_point deadline);
  /// Log rotation. Takes effect with the next batch.
  void reopen() noexcept { reopen_ = true; }
  SinkCounters counters() const;
  /// Since when the runner was to stop where it is, and has not; 0: it has, or was not told. Waits for nothing.
  Clock::duration overdue_for() const noexcept;
  const std::string& name() const noexcept { return options_.name; }

 private:
  /// A batch that was handed over and has not surely arrived.
  struct Waiting {
    Sequence through = 0;
    Clock::time_point since;  ///< when it was first handed over
  };

  /// A batch in the receiver's form. Moving it leaves what is borrowed where it is.
  struct Prepared {
    Sequence after = 0;  ///< where it was read from
    store::Batch batch;
    std::vector<std::string> rooms;  ///< what messages are borrowed from
    std::vector<Message> messages;
    std::uint64_t unwritable = 0;  ///< records that the format has no words for
  };

  void work(const std::stop_token& stop);
  bool finishing() const;
  void step(const std::stop_token& stop);
  Result<Prepared> take_ahead();
  Result<Prepared> prepare(Sequence after);
  Prepared format(store::Batch batch, Sequence after);
  bool send(const Prepared& prepared, const std::stop_token& stop);
  bool resend(const std::stop_token& stop);
  std::vector<Sequence> try_once_more(const Prepared& prepared, const std::stop_token& stop);
  void count_unwritable(const Prepared& prepared);
  void rest(const std::stop_token& stop);
  bool settle(const std::stop_token& stop);
  bool doubt_is_old() const;
  void take_stock(const Delivery& delivery, std::vector<Message>& pending);
  void confirm_before(const Message& first_open, const Delivery& delivery);
  void confirm(Sequence through);
  void note_trouble(const std::string& trouble, milliseconds wait);
  void note_resend_trouble(const std::string& trouble);
  void note_refusal(std::uint64_t records, const std::string& reason);
  void note_remark(const std::string& remark);
  void note_recovery();
  void pause(const std::stop_token& stop, milliseconds time);

  const RunnerOptions options_;
  const std::unique_ptr<Receiver> receiver_;
  store::AlertStore& store_;
  const Notice notice_;

  // The runner's thread:
  std::unique_ptr<format::Formatter> formatter_;
  std::optional<store::StoreReader> reader_;
  Backoff backoff_;
  Sequence position_ = 0;          ///< read and sent up to here
  Sequence confirmed_ = 0;         ///< as told to the store
  std::optional<Prepared> ahead_;  ///< the next batch, read while the receiver took the one before
  bool caught_up_ = false;         ///< the store held nothing beyond position_, and nothing was to be sent once more
  Clock::time_point last_sent_;
  Backoff resend_backoff_;
  Clock::time_point next_look_for_resends_;
  std::string resend_trouble_;  ///< as it was told
  Clock::time_point resend_trouble_told_;
  bool resends_left_ = false;      ///< there were some at the last look
  std::uint64_t resend_news_ = 0;  ///< until this is on the disk, what was sent once more would be read again
  Clock::time_point trouble_since_;
  Clock::time_point trouble_told_;
  std::string trouble_;  ///< as it was told
  std::uint64_t refusals_untold_ = 0;
  Clock::time_point tell_refusals_again_;
  std::string remark_;  ///< as it was told
  Clock::time_point remark_told_;

  std::atomic<bool> reopen_ = false;
  mutable std::mutex mutex_;
  // Under mutex_:
  SinkCounters counters_;
  std::deque<Waiting> waiting_;  ///< in order
  std::condition_variable_any wake_;
  bool finishing_ = false;
  bool ended_ = false;

  std::atomic<Clock::rep> stop_asked_at_{0};  ///< ticks of Clock; 0: it was not
  std::jthread thread_;
};

}  // namespace doorslam::sink
