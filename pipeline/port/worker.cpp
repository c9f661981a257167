#include "pipeline/port/worker.h"

namespace doorslam::port {

Worker::Worker(const packet::DecodeOptions& decode, const tcp::TrackerOptions& tracker)
    : decoder_(decode), tracker_(tracker) {}

void Worker::process(std::span<const packet::RawPacket> burst, tcp::EventBatch& out) noexcept {
  if (tracker_.keeps_frames()) [[unlikely]] {
    process_burst<true>(burst, out);
  } else {
    process_burst<false>(burst, out);
  }
}

/// The segments decoded so far go to the tracker.
template <bool kKeepsFrames>
inline void Worker::track(const packet::Segment* end, tcp::EventBatch& out) noexcept {
  const std::span<const packet::Segment> segments(segments_.data(), end);
  if constexpr (kKeepsFrames) {
    tracker_.process(segments, frames_, out);
  } else {
    tracker_.process(segments, out);
  }
}

template <bool kKeepsFrames>
inline void Worker::process_burst(std::span<const packet::RawPacket> burst, tcp::EventBatch& out) noexcept {
  packet::Segment* end = segments_.data();  // of those since the last ICMP error: they keep their order with it
  for (const packet::RawPacket& packet : burst) {
    const packet::DecodeOutcome outcome = decoder_.decode(packet, *end, error_);
    if (outcome == packet::DecodeOutcome::tcp) [[likely]] {
      if constexpr (kKeepsFrames) frames_[end - segments_.data()] = tcp::frame_of(packet, *end);
      ++end;
    } else if (outcome == packet::DecodeOutcome::icmp_error) {
      track<kKeepsFrames>(end, out);
      end = segments_.data();
      if constexpr (kKeepsFrames) {
        tracker_.process(error_, tcp::frame_of(packet, error_), out);
      } else {
        tracker_.process(error_, out);
      }
    }  // all else is counted by its outcome
  }
  track<kKeepsFrames>(end, out);
  decoder_.recycle();
  if (!burst.empty()) tracker_.advance(burst.back().time_ns, out);
}

}  // namespace doorslam::port
