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

template <bool kKeepsFrames>
inline void Worker::process_burst(std::span<const packet::RawPacket> burst, tcp::EventBatch& out) noexcept {
  std::size_t run = 0;  // segments since the last ICMP error: they keep their order with it
  const auto track_run = [&] {
    const std::span<const packet::Segment> segments(segments_.data(), run);
    if constexpr (kKeepsFrames) {
      tracker_.process(segments, frames_, out);
    } else {
      tracker_.process(segments, out);
    }
    run = 0;
  };
  for (const packet::RawPacket& packet : burst) {
    switch (decoder_.decode(packet, segments_[run], error_)) {
      case packet::DecodeOutcome::tcp:
        if constexpr (kKeepsFrames) frames_[run] = tcp::frame_of(packet, segments_[run]);
        ++run;
        break;
      case packet::DecodeOutcome::icmp_error:
        track_run();
        if constexpr (kKeepsFrames) {
          tracker_.process(error_, tcp::frame_of(packet, error_), out);
        } else {
          tracker_.process(error_, out);
        }
        break;
      default:
        break;  // counted by its outcome
    }
  }
  track_run();
  decoder_.recycle();
  if (!burst.empty()) tracker_.advance(burst.back().time_ns, out);
}

}  // namespace doorslam::port
