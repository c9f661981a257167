#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pipeline/packet/segment.h"
#include "pipeline/port/spsc_ring.h"

namespace doorslam::port {

/// Decoded packets on their way from the thread that received them to the worker whose connection they belong to, in
/// order. `buffer` is what the segment's payload lies in: the worker gives it back when the segment is done with.
class DealRing {
 public:
  /// Of an ICMP error: it comes before the segment of that number (counted from 0).
  struct Interjection {
    std::uint64_t before = 0;
    packet::IcmpError error;
  };

  /// Throws std::bad_alloc.
  explicit DealRing(std::size_t capacity)
      : segments_(capacity), buffers_(segments_.capacity()), interjections_(segments_.capacity() / 8) {}

  /// Producer. False: full.
  bool deal(const packet::Segment& segment, void* buffer) noexcept {
    // The buffer goes first: who sees the segment sees its buffer. It leaves last: where it has room, so has the
    // segment.
    return buffers_.push(buffer) && segments_.push(segment);
  }
  bool deal(const packet::IcmpError& error) noexcept {
    return interjections_.push({.before = segments_.pushed(), .error = error});
  }

  /// Consumer: the next segments, at most `most`.
  std::span<const packet::Segment> segments(std::size_t most) noexcept { return segments_.front(most); }
  /// Consumer: the next ICMP error that comes before the segment `ahead` places after the next one, or null. To be
  /// asked after segments().
  const packet::IcmpError* error_before(std::size_t ahead) noexcept {
    const auto next = interjections_.front(1);
    return next.empty() || next.front().before > segments_.popped() + ahead ? nullptr : &next.front().error;
  }
  /// Consumer: how many of the next segments come before the next ICMP error, which error_before() has shown.
  std::size_t segments_before_error() noexcept {
    const std::uint64_t before = interjections_.front(1).front().before;
    return before > segments_.popped() ? static_cast<std::size_t>(before - segments_.popped()) : 0;
  }
  void pop_error() noexcept { interjections_.pop(1); }
  /// Consumer: the buffers of the first `count` segments that segments() has shown. Whoever sees a segment sees its
  /// buffer, and both rings have their edge at the same place.
  std::span<void* const> buffers(std::size_t count) const noexcept { return buffers_.known_front(count); }
  /// Consumer: gives back the first `count` segments and their buffers.
  void pop(std::size_t count) noexcept {
    segments_.pop(count);
    buffers_.pop(count);
  }

  /// Segments and ICMP errors that were ever put in, and taken out. From the consumer.
  std::uint64_t dealt() const noexcept { return segments_.pushed() + interjections_.pushed(); }
  std::uint64_t taken() const noexcept { return segments_.popped() + interjections_.popped(); }
  std::size_t size() const noexcept { return segments_.size(); }
  std::size_t capacity() const noexcept { return segments_.capacity(); }

 private:
  SpscRing<packet::Segment> segments_;
  SpscRing<void*> buffers_;
  SpscRing<Interjection> interjections_;
};

}  // namespace doorslam::port
