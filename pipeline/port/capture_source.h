#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_timeline.h"

namespace doorslam::port {

/// What was odd about the times of the packets.
struct CaptureStatistics {
  std::uint64_t packets = 0;         ///< delivered
  std::uint64_t filtered_out = 0;    ///< of files that are read to their end
  std::uint64_t time_reversals = 0;  ///< packets stamped later than their file says, to keep time in order
  flowtable::DurationNs largest_reversal_ns = 0;
  std::uint64_t packets_without_time = 0;  ///< stamped with the time of the packet before them
  std::uint64_t time_leaps = 0;            ///< packets stamped far ahead of those around them (capture_timeline.h)
  flowtable::DurationNs largest_leap_ns = 0;
  std::uint64_t packets_cut = 0;  ///< of which the snap length left a part only
};

struct CaptureProgress {
  std::uint64_t octets_read = 0;
  std::optional<std::uint64_t> octets_total;  ///< unknown when a pipe is among the inputs
};

/// One stream of packets out of several capture files, merged by time; of equal times the file named first goes first.
///
/// A file that cannot be read, or only in part, adds an error and takes nothing from the others. Each file is read
/// forwards once, so captures may be larger than memory. Time never goes backwards: a packet earlier than the one
/// before it gets the latest time so far; a packet alone in the far future gets it, too (capture_timeline.h). One
/// thread uses a source.
class CaptureSource {
 public:
  static constexpr std::size_t kBurst = packet::kBurst;

  /// Opens all of `paths`; "-" is standard input. Look at errors() for those that could not be opened. Pipes are at
  /// their end at `give_up_ns` (null: never), which is borrowed.
  static CaptureSource open(std::span<const std::string> paths, const GiveUpTime* give_up_ns = nullptr);

  /// Delivers only packets that match `expression` (pcap-filter(7), compiled for each file's link type). Before the
  /// first next_burst(). Errors (usage): libpcap's words about it.
  Result<void> filter_by(const std::string& expression);

  /// The next packets, at most out.size(), numbered from 1. Their bytes are valid until the next call. Bursts may be
  /// short anywhere; 0 means that all files are at their end.
  std::size_t next_burst(std::span<packet::RawPacket> out);

  /// One for each file that could not be opened or not be read to its end, in the order in which that was found.
  const std::vector<Error>& errors() const noexcept { return errors_; }
  /// Takes back, of errors(), that pipes ended inside a record after `give_up_ns` was set: whoever reads has ended them
  /// there.
  void forgive_cut_input();
  /// Files that could be opened.
  std::size_t files_opened() const noexcept { return files_opened_; }
  const CaptureStatistics& statistics() const noexcept { return statistics_; }
  CaptureProgress progress() const noexcept;

 private:
  /// An open file and what of it waits to be merged: packets[next..count).
  struct Input {
    Input(CaptureReader opened, std::size_t place) : timeline(std::move(opened)), order(place) {}

    CaptureTimeline timeline;
    std::size_t order;  ///< place on the command line
    std::vector<packet::RawPacket> packets;
    std::size_t next = 0;
    std::size_t count = 0;

    const packet::RawPacket& head() const noexcept { return packets[next]; }
  };

  CaptureSource() = default;

  static bool comes_later(const std::unique_ptr<Input>& a, const std::unique_ptr<Input>& b) noexcept;
  std::size_t read_only_input(std::span<packet::RawPacket> out);
  std::size_t merge(std::span<packet::RawPacket> out);
  void refill();
  void retire(const CaptureTimeline& timeline);
  void put_in_order(std::span<packet::RawPacket> burst) noexcept;

  std::vector<std::unique_ptr<Input>> waiting_;  ///< a heap by comes_later(), each with packets
  std::vector<std::unique_ptr<Input>> dry_;      ///< to be refilled before the next burst
  std::vector<Error> errors_;
  std::vector<std::size_t> cut_pipes_;  ///< places in errors_, in order: a pipe that was to end did inside a record
  const GiveUpTime* give_up_ns_ = nullptr;
  CaptureStatistics statistics_;
  flowtable::TimeNs latest_ns_ = 1;  ///< kNoTime is no packet's time
  std::size_t files_opened_ = 0;
  std::uint64_t octets_of_closed_ = 0;
  std::optional<std::uint64_t> octets_total_ = 0;
};

}  // namespace doorslam::port
