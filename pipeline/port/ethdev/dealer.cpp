#include "pipeline/port/ethdev/dealer.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "pipeline/packet/link_layer.h"

namespace doorslam::ethdev {

namespace {

using packet::Segment;

/// As much of a payload as evidence keeps, and some more.
constexpr std::size_t kPayloadKept = 1024;

/// The payload must lie in the buffer that goes along with the segment. It does not where the frame was put together
/// out of several buffers, or the datagram out of fragments: then its beginning is moved there.
void bring_home(Segment& segment, rte_mbuf* buffer) noexcept {
  if (segment.payload.empty()) return;
  auto* const home = static_cast<std::uint8_t*>(buffer->buf_addr);
  const std::size_t room = buffer->buf_len;
  const std::uint8_t* const at = segment.payload.data();
  if (at >= home && at < home + room) return;
  const std::size_t kept = std::min({segment.payload.size(), room, kPayloadKept});
  std::copy_n(at, kept, home);
  segment.payload = packet::ByteView(home, kept);
}

/// To a worker that may have to run on this very CPU.
void give_way() noexcept {
  const timespec nap{.tv_sec = 0, .tv_nsec = 20'000};
  nanosleep(&nap, nullptr);
}

}  // namespace

Steering::Steering(std::size_t workers, std::size_t ring_capacity) {
  for (std::size_t i = 0; i < workers; ++i) rings.push_back(std::make_unique<port::DealRing>(ring_capacity));
}

template <class Deal>
bool Dealer::deal_or_wait(const Deal& deal_one) noexcept {
  while (!deal_one()) {
    if (!wait_) {
      ++counters_.steering_lost;
      return false;
    }
    ++counters_.steering_waits;
    give_way();
  }
  return true;
}

bool Dealer::deal(Segment& segment, rte_mbuf* buffer, std::size_t worker) noexcept {
  bring_home(segment, buffer);
  port::DealRing& ring = *steering_.rings[worker];
  if (!deal_or_wait([&] { return ring.deal(segment, buffer); })) return false;
  ++counters_.dealt_segments;
  return true;
}

bool Dealer::deal(const packet::IcmpError& error, std::size_t worker) noexcept {
  port::DealRing& ring = *steering_.rings[worker];
  if (!deal_or_wait([&] { return ring.deal(error); })) return false;
  ++counters_.dealt_errors;
  return true;
}

tcp::SegmentRuns runs_of(std::span<const Segment> segments, std::span<void* const> buffers, tcp::Tracker& tracker,
                         BurstFrames& frames, tcp::EventBatch& out) noexcept {
  if (!tracker.keeps_frames()) [[likely]]
    return {tracker, segments.data(), nullptr, out};
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto& buffer = *static_cast<const rte_mbuf*>(buffers[i]);
    const packet::RawPacket packet{
        .captured = {rte_pktmbuf_mtod(&buffer, const std::uint8_t*), rte_pktmbuf_data_len(&buffer)},
        .wire_length = rte_pktmbuf_pkt_len(&buffer),
        .link_type = packet::link_type::kEthernet};
    frames[i] = tcp::frame_of(packet, segments[i]);
    // Frames may have been cut on their way here; what they had is told by their headers.
    if (frames[i].header_octets == 0) continue;
    frames[i].wire_length = std::max(frames[i].wire_length, frames[i].header_octets + segments[i].payload_length);
  }
  return {tracker, segments.data(), frames.data(), out};
}

void DealtInput::look() noexcept {
  // In this order: what was promised to be in the ring is owed.
  ended_ = from_->ended.load(std::memory_order_acquire);
  promised_ns_ = from_->covered_ns.load(std::memory_order_acquire);
  owed_ = ring_->dealt();
}

flowtable::TimeNs DealtInput::next_ns() noexcept {
  const auto segments = ring_->segments(1);
  if (const packet::IcmpError* error = ring_->error_before(0)) return error->time_ns;
  return segments.empty() ? kNothing : segments.front().time_ns;
}

void DealtInput::settle() noexcept {
  const flowtable::TimeNs next = next_ns();
  covered_ns_ = std::max(covered_ns_, next == kNothing ? promised_ns_ : next);
}

flowtable::TimeNs DealtInTurn::covered_ns() const noexcept {
  flowtable::TimeNs covered_ns = DealtInput::kNothing;
  for (const DealtInput& input : inputs_) covered_ns = std::min(covered_ns, input.covered_ns());
  return covered_ns;
}

void DealtInput::give_back(std::size_t segments) noexcept {
  std::array<rte_mbuf*, port::Worker::kBurst> buffers;
  std::size_t copied = 0;
  for (void* const buffer : ring_->buffers(segments)) buffers[copied++] = static_cast<rte_mbuf*>(buffer);
  rte_pktmbuf_free_bulk(buffers.data(), static_cast<unsigned>(copied));
  ring_->pop(segments);
}

}  // namespace doorslam::ethdev
