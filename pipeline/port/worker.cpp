#include "pipeline/port/worker.h"

#include "pipeline/tcp/segment_runs.h"

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
  tcp::SegmentRuns runs(tracker_, segments_.data(), kKeepsFrames ? frames_.data() : nullptr, out);
  std::size_t count = 0;
  for (const packet::RawPacket& packet : burst) {
    const packet::DecodeOutcome outcome = decoder_.decode(packet, segments_[count], error_);
    if (outcome == packet::DecodeOutcome::tcp) [[likely]] {
      if constexpr (kKeepsFrames) frames_[count] = tcp::frame_of(packet, segments_[count]);
      ++count;
    } else if (outcome == packet::DecodeOutcome::icmp_error) {
      runs.track(error_, tcp::frame_of(packet, error_), count);
    }  // all else is counted by its outcome
  }
  runs.track_until(count);
  decoder_.recycle();
  if (!burst.empty()) tracker_.advance(burst.back().time_ns, out);
}

}  // namespace doorslam::port
