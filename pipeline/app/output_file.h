#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace doorslam::app {

/// Whether all that was printed has arrived. Errors (data): it has not (disk full).
Result<void> flush_standard_output();

/// A file for records, or standard output. Nothing is lost in silence: close() says whether every record arrived.
///
/// A pipe or a terminal that takes nothing is waited for. With Mode::append, as of a sensor, that ends some time after
/// give_up_at(): what was not taken then counts as not written.
class OutputFile {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Mode { overwrite, append };

  /// "-" is standard output. Errors (data): the file cannot be created; with Mode::append also a FIFO that nobody
  /// reads.
  static Result<OutputFile> open(const std::string& path, Mode mode = Mode::overwrite);

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
  /// Flushes and closes. Errors (data): a write failed, now or before (disk full, closed pipe, nobody took it).
  Result<void> close();

 private:
  class Descriptor {
   public:
    explicit Descriptor(int number) noexcept : number_(number) {}
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();
    int number() const noexcept { return number_; }
    /// False: what was written before is not stored (errno). Standard output stays open.
    bool close() noexcept;

   private:
    int number_;
  };

  OutputFile(std::string path, Mode mode, Descriptor file);
  void push_out() noexcept;
  bool wait_for_room() const noexcept;

  std::string path_;  ///< as it was given
  Mode mode_;
  Descriptor file_;
  bool may_block_;  ///< nobody may be reading
  std::string buffer_;
  std::unique_ptr<std::atomic<Clock::rep>> give_up_at_;  ///< ticks of Clock; the latest: never
  std::unique_ptr<std::atomic<bool>> waits_;
  int error_ = 0;        ///< errno of the write that failed; nothing is tried after it
  int first_error_ = 0;  ///< likewise, of any file of this name
  std::uint64_t records_ = 0;
  std::uint64_t unwritten_ = 0;  ///< of them
};

}  // namespace doorslam::app
