#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/descriptor.h"
#include "pipeline/base/notice.h"
#include "pipeline/base/result.h"
#include "pipeline/port/published.h"

namespace doorslam::app {

/// Whether all that was printed has arrived. Errors (data): it has not (disk full).
Result<void> flush_standard_output();

/// What became of the records for a file. Of 64-bit words only.
struct OutputCounters {
  std::uint64_t records = 0;  ///< all that there were
  std::uint64_t missing = 0;  ///< of them, those that are lost
  std::uint64_t waiting = 0;  ///< octets that wait for a file that cannot be written
  std::uint64_t in_hand = 0;  ///< octets that the latest write began with
  std::uint64_t error = 0;    ///< errno of the latest write, if it failed
};

/// A file for records, or standard output. Nothing is lost in silence: close() says whether every record arrived.
///
/// A pipe or a terminal that takes nothing is waited for. With Mode::append, as of a sensor, that ends some time after
/// give_up_at(): what was not taken then counts as not written. With this mode a file that cannot be written (disk
/// full, a FIFO that nobody reads any more) ends with a whole line and is tried again with each flush(); up to 8 MiB of
/// records wait meanwhile, and what comes beyond them is lost and counted. So is all that comes when nobody reads
/// standard output any more.
class OutputFile {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Mode { overwrite, append };

  /// "-" is standard output. A new file gets kFileMode. Errors (data): the file cannot be created; with Mode::append
  /// also a FIFO that nobody reads. `notice` hears, with Mode::append, when a file cannot be written, each minute of
  /// that, and when it can again.
  static Result<OutputFile> open(const std::string& path, Mode mode = Mode::overwrite, Notice notice = {});

  /// One record, with its end of line.
  void write(std::string_view record) noexcept;
  void flush() noexcept;
  /// Opens the file anew by its name, to go on at its end. Errors (data): it cannot be; writing goes on to the old one.
  Result<void> reopen();
  /// The program is ending: who takes nothing for a second is not waited for any longer, and nobody beyond `deadline`.
  /// Thread-safe.
  void give_up_at(Clock::time_point deadline) noexcept;
  /// Whether a write waits for somebody to take it. Thread-safe.
  bool waits() const noexcept { return waits_->load(std::memory_order_relaxed); }
  /// Why records do not get where they should, now: "cannot be written: No space left on device, 3 records lost".
  /// Empty: they do. Thread-safe.
  std::string trouble() const;
  /// How long the write that is under way has taken so far. Thread-safe.
  Clock::duration busy_for() const noexcept;
  /// Thread-safe.
  OutputCounters counters() const noexcept { return published_->read(); }
  /// Flushes and closes. Errors (data): records are missing (disk full, closed pipe, nobody took them).
  Result<void> close();

 private:
  class BusyMark;
  OutputFile(std::string path, Mode mode, Descriptor file, Notice notice);
  void push_out() noexcept;
  std::size_t write_out(BusyMark& busy) noexcept;
  bool wait_for_room() const noexcept;
  void keep_the_rest(std::size_t written) noexcept;
  void lose_the_rest(std::size_t written) noexcept;
  bool close_file() noexcept;
  void tell();
  std::string name() const { return path_ == "-" ? "standard output" : path_; }

  std::string path_;  ///< as it was given
  Mode mode_;
  Descriptor file_;
  bool may_block_;  ///< nobody may be reading
  bool is_fifo_;    ///< somebody may come to read it
  std::string buffer_;
  std::unique_ptr<std::atomic<Clock::rep>> give_up_at_;  ///< ticks of Clock; the latest: never
  std::unique_ptr<std::atomic<bool>> waits_;
  std::unique_ptr<std::atomic<Clock::rep>> busy_since_;  ///< ticks of Clock; 0: idle
  std::unique_ptr<port::Published<OutputCounters>> published_;
  Notice notice_;
  int error_ = 0;         ///< errno of the last write, if it failed
  int first_error_ = 0;   ///< of the first that failed
  bool gave_up_ = false;  ///< nothing is tried after the error
  bool torn_ = false;     ///< the buffer begins within a line, of which the file has the beginning
  OutputCounters counters_;
  int told_ = 0;  ///< the error that was told
  Clock::time_point tell_again_;
};

}  // namespace doorslam::app
