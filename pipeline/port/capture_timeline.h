#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_reader.h"

namespace doorslam::port {

/// The packets of one capture, without those leaps of time that the packets after them take back.
///
/// Time never goes backwards in doorslam, so a single packet with a damaged stamp, years ahead, would draw all later
/// ones to its own time. A packet that is more than a day later than all before it is therefore held until the next
/// kWitnesses packets were read. If at least half of them are back where time stood, the stamp is not believed: the
/// packet is taken at the latest time before it, and counted. A pause of days between packets is believed, and so is
/// the last packet of a file, which nothing contradicts. The first packet of a file is judged alike; if it is not
/// believed, it takes the time of the packet that contradicts it.
class CaptureTimeline {
 public:
  static constexpr flowtable::DurationNs kLeapNs = 86'400 * flowtable::kSecondNs;
  static constexpr std::size_t kWitnesses = 8;

  explicit CaptureTimeline(CaptureReader reader) : reader_(std::move(reader)) {}

  /// As CaptureReader::read(). Allocates only where time leaps.
  std::size_t read(std::span<packet::RawPacket> out);

  /// Before the first read().
  Result<void> filter_by(const std::string& expression) { return reader_.filter_by(expression); }

  const CaptureReader& reader() const noexcept { return reader_; }
  /// Packets whose time was not believed.
  std::uint64_t leaps() const noexcept { return leaps_; }
  /// The furthest that one of them was ahead.
  flowtable::DurationNs largest_leap_ns() const noexcept { return largest_leap_ns_; }

 private:
  /// A packet with octets of its own, as it waits for its witnesses.
  struct Held {
    packet::RawPacket packet;
    std::vector<std::uint8_t> octets;
  };

  void hold(std::span<const packet::RawPacket> packets);
  std::size_t release(std::span<packet::RawPacket> out);
  void look_ahead();
  void judge_first_held();
  void note(flowtable::TimeNs time_ns) noexcept {
    if (time_ns != flowtable::kNoTime) horizon_ns_ = std::max(horizon_ns_, time_ns + kLeapNs);
  }

  CaptureReader reader_;
  flowtable::TimeNs horizon_ns_ = flowtable::kNoTime;  ///< kLeapNs after the latest time; kNoTime: there is none yet
  std::deque<Held> held_;                              ///< read, but not given out
  std::vector<Held> lent_;                             ///< released by the last read()
  std::uint64_t leaps_ = 0;
  flowtable::DurationNs largest_leap_ns_ = 0;
};

}  // namespace doorslam::port
