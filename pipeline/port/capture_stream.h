#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/descriptor.h"
#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"

namespace doorslam::port {

/// Until when a pipe is waited for that has nothing to read: nanoseconds of CLOCK_MONOTONIC. It may be brought forward
/// meanwhile, by a signal's handler as well.
using GiveUpTime = std::atomic<std::int64_t>;
inline constexpr std::int64_t kNeverGiveUp = std::numeric_limits<std::int64_t>::max();

/// A capture file or standard input, read forwards, that two can read in turn: libpcap through a stdio stream, and
/// whoever understands the octets straight from a window of memory. What stdio reads comes from the window as long as
/// that holds something; what stdio has read ahead, take_back() returns to the window. The stream belongs to the thread
/// that reads it and locks nothing. An object must outlive its FILE.
class CaptureStream {
 public:
  /// Opens `path` for reading, "-" meaning standard input. A pipe, which somebody may have yet to open for writing, is
  /// at its end at `give_up_ns` (null: never), which is borrowed. Errors: the file cannot be opened or is a directory.
  static Result<std::unique_ptr<CaptureStream>> open(const std::string& path, std::size_t window_octets,
                                                     const GiveUpTime* give_up_ns = nullptr);

  ~CaptureStream();
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  std::FILE* file() const noexcept { return file_; }
  /// The caller closes the FILE from now on; file() stays valid until then.
  void release_file() noexcept { owns_file_ = false; }

  /// Offset in the file (in the pipe: octets since its start) of the octet that the FILE delivers next.
  std::uint64_t position() const noexcept;
  /// Makes the window begin at position(). To be called after the FILE was read and before window() is.
  void take_back() noexcept;
  /// The octets in memory that come next. Borrowed until fill() or take_back(), or until the FILE is read.
  packet::ByteView window() const noexcept { return {window_.get() + taken_, filled_ - taken_}; }
  /// Moves past octets of the window; at most window().size().
  void consume(std::size_t octets) noexcept { taken_ += octets; }
  /// Makes the window longer by what one read() delivers; waits for a pipe to have something. False, and the window has
  /// not grown: the file is at its end, cannot be read, or the window is at its full length.
  bool fill() noexcept;
  /// Whether the window is at its full length.
  bool full() const noexcept { return filled_ - taken_ == capacity_; }
  /// Doubles the full length of the window.
  void widen();
  /// Whether reading ended because a pipe was waited for no longer.
  bool gave_up() const noexcept { return gave_up_; }
  /// errno of the read() that failed last; 0: none did.
  int read_error() const noexcept { return read_error_; }

  /// Octets taken from the file so far, read-ahead included.
  std::uint64_t octets_read() const noexcept { return offset_; }
  /// Size of the file; nothing for a pipe.
  std::optional<std::uint64_t> size() const noexcept { return size_; }
  /// The first octets of the file, as many as were read, at most 4096.
  packet::ByteView head() const noexcept { return {head_.data(), head_length_}; }
  /// "gzip", "zstd", ... when the first octets are those of a compressed file, else empty.
  std::string_view compression() const noexcept;

 private:
  /// `own`: of the file, unless it is standard input.
  CaptureStream(Descriptor own, std::optional<std::uint64_t> size, std::uint64_t offset, std::size_t window_octets);

  /// False: the input keeps one waiting, and is waited for no longer.
  bool wait_for_input() noexcept;
  /// As read(2).
  ssize_t read_on(std::uint8_t* out, std::size_t length) noexcept;

  static ssize_t read_cookie(void* cookie, char* out, std::size_t length);
  static int seek_cookie(void* cookie, off64_t* offset, int whence);

  Descriptor own_;
  int descriptor_;
  bool may_wait_ = false;  ///< it is a pipe, a terminal or a socket
  bool gave_up_ = false;
  const GiveUpTime* give_up_ns_ = nullptr;
  bool owns_file_ = true;
  std::FILE* file_ = nullptr;
  std::unique_ptr<char[]> file_buffer_;
  std::optional<std::uint64_t> size_;
  std::uint64_t offset_;  ///< of the descriptor
  std::size_t capacity_;
  std::unique_ptr<std::uint8_t[]> window_;
  std::size_t taken_ = 0;   ///< octets of the window that were consumed
  std::size_t filled_ = 0;  ///< octets of the window that were read
  std::array<std::uint8_t, 4096> head_{};
  std::size_t head_length_ = 0;
  int read_error_ = 0;
};

}  // namespace doorslam::port
