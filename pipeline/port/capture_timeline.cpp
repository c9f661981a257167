#include "pipeline/port/capture_timeline.h"

#include <array>

namespace doorslam::port {

using flowtable::kNoTime;
using flowtable::TimeNs;
using packet::RawPacket;

std::size_t CaptureTimeline::read(std::span<RawPacket> out) {
  if (!held_.empty()) [[unlikely]]
    return release(out);
  const std::size_t count = reader_.read(out);
  for (std::size_t i = 0; i < count; ++i) {
    if (out[i].time_ns > horizon_ns_) [[unlikely]] {
      hold(out.subspan(i, count - i));
      return i > 0 ? i : release(out);
    }
    note(out[i].time_ns);
  }
  return count;
}

/// The reader's octets are gone with its next burst, so they are copied.
void CaptureTimeline::hold(std::span<const RawPacket> packets) {
  for (const RawPacket& packet : packets) {
    Held& held = held_.emplace_back();
    held.octets.assign(packet.captured.begin(), packet.captured.end());
    held.packet = packet;
    held.packet.captured = held.octets;
  }
}

std::size_t CaptureTimeline::release(std::span<RawPacket> out) {
  lent_.clear();
  while (lent_.size() < out.size() && !held_.empty()) {
    if (held_.front().packet.time_ns > horizon_ns_) {
      look_ahead();
      judge_first_held();
    }
    note(held_.front().packet.time_ns);
    out[lent_.size()] = held_.front().packet;
    lent_.push_back(std::move(held_.front()));
    held_.pop_front();
  }
  return lent_.size();
}

/// Reads until the first held packet has all its witnesses, or the file ends.
void CaptureTimeline::look_ahead() {
  std::array<RawPacket, kWitnesses> more;
  while (held_.size() <= kWitnesses) {
    const std::size_t count = reader_.read(more);
    if (count == 0) return;
    hold(std::span(more).first(count));
  }
}

void CaptureTimeline::judge_first_held() {
  RawPacket& leaping = held_.front().packet;
  const bool is_first = horizon_ns_ == kNoTime;
  TimeNs believed_ns = is_first ? kNoTime : horizon_ns_ - kLeapNs;
  std::size_t witnesses = 0;
  std::size_t against = 0;
  for (std::size_t i = 1; i < std::min(held_.size(), kWitnesses + 1); ++i) {
    const TimeNs time_ns = held_[i].packet.time_ns;
    if (time_ns == kNoTime) continue;
    ++witnesses;
    if (time_ns >= leaping.time_ns - kLeapNs) continue;
    // A packet that is long before all others says nothing about this one.
    if (!is_first && time_ns < believed_ns - kLeapNs) continue;
    ++against;
    if (is_first && believed_ns == kNoTime) believed_ns = time_ns;
  }
  if (against == 0 || 2 * against < witnesses) return;
  ++leaps_;
  largest_leap_ns_ = std::max(largest_leap_ns_, leaping.time_ns - believed_ns);
  leaping.time_ns = believed_ns;
}

}  // namespace doorslam::port
