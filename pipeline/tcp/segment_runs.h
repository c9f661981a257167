#pragma once

#include <cstddef>
#include <span>

#include "pipeline/packet/segment.h"
#include "pipeline/tcp/event.h"
#include "pipeline/tcp/frames.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::tcp {

/// Segments that lie in a row, and the ICMP errors among them, on their way to a tracker: an ICMP error keeps its
/// place, for the segments before it are tracked first. Borrows all that it is given. Bound to the tracker's thread.
class SegmentRuns {
 public:
  /// `segments` may come to lie there later, each before it is tracked. `frames`: of the segments; null where the
  /// tracker keeps none.
  SegmentRuns(Tracker& tracker, const packet::Segment* segments, const FrameView* frames, EventBatch& out) noexcept
      : tracker_(tracker), segments_(segments), frames_(frames), out_(out) {}

  /// Tracks the segments in front of number `end`, counted from 0, that have not been tracked yet.
  void track_until(std::size_t end) noexcept {
    const std::span<const packet::Segment> run(segments_ + done_, end - done_);
    if (frames_ == nullptr) [[likely]] {
      tracker_.process(run, out_);
    } else {
      tracker_.process(run, {frames_ + done_, run.size()}, out_);
    }
    done_ = end;
  }
  /// An ICMP error that comes after `before` segments. `frame`: empty where there is none.
  void track(const packet::IcmpError& error, const FrameView& frame, std::size_t before) noexcept {
    track_until(before);
    tracker_.process(error, frame, out_);
  }

 private:
  Tracker& tracker_;
  const packet::Segment* segments_;
  const FrameView* frames_;
  EventBatch& out_;
  std::size_t done_ = 0;  ///< so many have been tracked
};

}  // namespace doorslam::tcp
