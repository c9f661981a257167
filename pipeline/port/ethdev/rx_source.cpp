#include "pipeline/port/ethdev/rx_source.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>

#include "pipeline/packet/link_layer.h"
#include "pipeline/port/wire_length.h"

namespace doorslam::ethdev {

namespace {

using flowtable::kMicrosecondNs;
using flowtable::TimeNs;

/// A live queue that has been empty for so long has nothing older to come; a file may be read slowly.
constexpr std::uint64_t kLivePatiencePerSecond = 2'000;  // half a millisecond
constexpr std::uint64_t kReplayPatiencePerSecond = 20;   // 50 ms

}  // namespace

RxSource::RxSource(RxOptions options)
    : options_(std::move(options)),
      patience_ticks_(rte_get_tsc_hz() / (options_.replay ? kReplayPatiencePerSecond : kLivePatiencePerSecond)),
      stamp_offset_(rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, nullptr)),
      scratch_(std::make_unique_for_overwrite<std::uint8_t[]>(kScratchOctets)),
      next_number_(options_.first_number),
      polled_from_(std::make_unique<std::atomic<std::uint64_t>[]>(options_.inputs.size())) {
  if (const int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, nullptr); bit >= 0) {
    stamp_flag_ = std::uint64_t{1} << static_cast<unsigned>(bit);
  }
  if (!options_.filter.empty()) {
    filter_ = std::make_unique<port::CaptureFilter>(options_.filter);
    // One that cannot be compiled lets nothing through; the set-up has looked at it.
    static_cast<void>(filter_->compile_for(packet::link_type::kEthernet));
  }
  if (options_.inputs.size() < 2) return;
  waiting_ = std::make_unique<Waiting[]>(options_.inputs.size());
  merges_by_time_ = std::all_of(options_.inputs.begin(), options_.inputs.end(),
                                [](const RxInput& input) { return input.stamps != Stamps::none; });
}

void RxSource::read_clock() noexcept {
  ticks_ = rte_rdtsc();
  now_ns_ = options_.clock->read().at(ticks_);
}

std::size_t RxSource::poll(std::size_t input, std::span<rte_mbuf*> out) noexcept {
  const QueueRef& queue = options_.inputs[input].queue;
  const std::size_t count =
      rte_eth_rx_burst(queue.port, queue.queue, out.data(), static_cast<std::uint16_t>(out.size()));
  std::atomic<std::uint64_t>& polled = polled_from_[input];
  polled.store(polled.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  counters_.polled += count;
  return count;
}

TimeNs RxSource::time_of(const RxInput& input, const rte_mbuf* buffer) const noexcept {
  if (input.stamps == Stamps::none || stamp_offset_ < 0 || (buffer->ol_flags & stamp_flag_) == 0) return now_ns_;
  const rte_mbuf_timestamp_t stamp = *RTE_MBUF_DYNFIELD(buffer, stamp_offset_, const rte_mbuf_timestamp_t*);
  if (input.stamps == Stamps::device_clock) {
    const TimeNs time_ns = input.device_clock->read().at(stamp);
    return time_ns == flowtable::kNoTime ? now_ns_ : time_ns;  // its clock could not be measured
  }
  constexpr auto kLatest = static_cast<std::uint64_t>(flowtable::kLatestNs / kMicrosecondNs);
  return stamp > kLatest ? flowtable::kNoTime : static_cast<TimeNs>(stamp) * kMicrosecondNs;
}

packet::ByteView RxSource::whole(const rte_mbuf* buffer) noexcept {
  const packet::ByteView first(rte_pktmbuf_mtod(buffer, const std::uint8_t*), rte_pktmbuf_data_len(buffer));
  if (rte_pktmbuf_is_contiguous(buffer)) [[likely]]
    return first;
  ++counters_.linearised;
  const std::uint32_t length = rte_pktmbuf_pkt_len(buffer);
  if (length > kScratchOctets - scratch_used_) {
    ++counters_.truncated;
    return first;
  }
  std::uint8_t* const to = scratch_.get() + scratch_used_;
  const void* const from = rte_pktmbuf_read(buffer, 0, length, to);
  if (from == nullptr) return first;
  scratch_used_ += length;
  return {static_cast<const std::uint8_t*>(from), length};
}

void RxSource::add(rte_mbuf* buffer, TimeNs time_ns) noexcept {
  if (time_ns < last_ns_) {
    ++(time_ns == flowtable::kNoTime ? counters_.stamps_refused : counters_.time_reversals);
    time_ns = last_ns_;
  }
  last_ns_ = time_ns;
  packet::RawPacket& packet = packets_[count_];
  packet.captured = whole(buffer);
  packet.wire_length = options_.frames_may_be_cut ? port::wire_length_of(packet.captured) : rte_pktmbuf_pkt_len(buffer);
  packet.link_type = packet::link_type::kEthernet;
  packet.time_ns = time_ns;
  packet.number = next_number_;
  constexpr std::uint64_t kBothKnown = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
  constexpr std::uint64_t kBothGood = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  packet.checksums_good = (buffer->ol_flags & kBothKnown) == kBothGood;
  next_number_ += options_.number_step;
  counters_.polled_octets += packet.captured.size();
  buffers_[count_] = buffer;
  ++count_;
}

std::size_t RxSource::receive() noexcept {
  read_clock();
  has_taken_ = (waiting_ == nullptr ? receive_one() : receive_merged()) > 0;
  ++(has_taken_ ? counters_.busy_rounds : counters_.idle_rounds);
  if (filter_ != nullptr && has_taken_) [[unlikely]]
    leave_out();
  return count_;
}

/// Keeps what the filter lets through, in order, and frees the rest.
void RxSource::leave_out() noexcept {
  std::array<rte_mbuf*, kBurst> unwanted;
  std::size_t kept = 0;
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (filter_->matches(packets_[i])) {
      packets_[kept] = packets_[i];
      buffers_[kept++] = buffers_[i];
    } else {
      unwanted[left_out++] = buffers_[i];
    }
  }
  rte_pktmbuf_free_bulk(unwanted.data(), static_cast<unsigned>(left_out));
  counters_.filtered_out += left_out;
  count_ = kept;
  if (kept == 0) forget();
}

std::size_t RxSource::receive_one() noexcept {
  if (options_.inputs.empty() || closed_) return 0;
  std::array<rte_mbuf*, kBurst> burst;
  const std::size_t count = poll(0, burst);
  for (std::size_t i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(burst[i], const void*));
  for (std::size_t i = 0; i < count; ++i) add(burst[i], time_of(options_.inputs[0], burst[i]));
  return count;
}

/// False: it is empty, and others may have to wait for it.
bool RxSource::refill(std::size_t input) noexcept {
  Waiting& waiting = waiting_[input];
  waiting.next = 0;
  waiting.count = closed_ ? 0 : poll(input, waiting.buffers);
  for (std::size_t i = 0; i < waiting.count; ++i) {
    waiting.times[i] = time_of(options_.inputs[input], waiting.buffers[i]);
  }
  counters_.held += waiting.count;
  if (waiting.count > 0) {
    waiting.empty_since_ticks = 0;
    return true;
  }
  if (waiting.empty_since_ticks == 0) waiting.empty_since_ticks = ticks_;
  return !merges_by_time_ || hurried_ || ticks_ - waiting.empty_since_ticks > patience_ticks_;
}

std::size_t RxSource::receive_merged() noexcept {
  const std::size_t inputs = options_.inputs.size();
  bool complete = true;
  for (std::size_t i = 0; i < inputs; ++i) {
    if (waiting_[i].empty() && !refill(i)) complete = false;
  }
  while (complete && count_ < kBurst) {
    Waiting* first = nullptr;
    for (std::size_t i = 0; i < inputs; ++i) {
      Waiting& waiting = waiting_[i];
      if (waiting.empty()) continue;
      if (first == nullptr || waiting.times[waiting.next] < first->times[first->next]) first = &waiting;
    }
    if (first == nullptr) break;
    add(first->buffers[first->next], first->times[first->next]);
    ++first->next;
    --counters_.held;
    // After the last packet of a queue may come one that is earlier than the others' next.
    complete = !merges_by_time_ || !first->empty();
  }
  return count_;
}

void RxSource::give_back() noexcept {
  rte_pktmbuf_free_bulk(buffers_.data(), static_cast<unsigned>(count_));
  forget();
}

TimeNs RxSource::passed() noexcept {
  // What the filter left out says nothing of how old the packets after it are.
  if (options_.replay || has_taken_ || counters_.held > 0) return last_ns_;
  // A stamped packet may have been on its way here since its stamp.
  const bool stamped = options_.inputs.size() == 1 && options_.inputs[0].stamps != Stamps::none;
  const TimeNs passed = now_ns_ - (stamped || merges_by_time_ ? flowtable::kMillisecondNs : 0);
  last_ns_ = std::max(last_ns_, passed);
  return last_ns_;
}

void RxSource::count_into(port::LaneCounters& counters) const noexcept {
  counters.polled = counters_.polled;
  counters.polled_octets = counters_.polled_octets;
  counters.filtered_out = counters_.filtered_out;
  counters.held = counters_.held;
  counters.linearised = counters_.linearised;
  counters.truncated = counters_.truncated;
  counters.time_reversals = counters_.time_reversals;
  counters.stamps_refused = counters_.stamps_refused;
  counters.busy_rounds = counters_.busy_rounds;
  counters.idle_rounds = counters_.idle_rounds;
  counters.packet_time_ns = last_ns_;
}

}  // namespace doorslam::ethdev
