#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_filter.h"
#include "pipeline/port/ethdev/plan.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/published.h"
#include "pipeline/port/tsc_clock.h"

struct rte_mbuf;

namespace doorslam::ethdev {

/// Where the time of a port's packets comes from.
enum class Stamps : std::uint8_t {
  none,          ///< from the clock of the polling thread, once a burst
  microseconds,  ///< the device's, since the Unix epoch (net_pcap)
  device_clock,  ///< the device's own ticks, brought to time by a ClockLine
};

/// A queue, and how its packets are to be read.
struct RxInput {
  QueueRef queue;
  Stamps stamps = Stamps::none;
  const port::Published<port::ClockLine>* device_clock = nullptr;  ///< with Stamps::device_clock
};

struct RxOptions {
  std::vector<RxInput> inputs;
  const port::Published<port::ClockLine>* clock = nullptr;  ///< of the processor's counter
  bool replay = false;             ///< time is that of capture files: it stands still when they do
  bool frames_may_be_cut = false;  ///< frames may be shorter than they were on the wire
  std::string filter = {};         ///< which packets to bring, as LiveOptions has it
  std::uint64_t number_step = 1;   ///< packets are numbered first_number, first_number + number_step, ...
  std::uint64_t first_number = 1;
};

/// The queue that a thread polls, where it is the only one; else null.
inline const QueueRef* only_queue(const RxOptions& queues) {
  return queues.inputs.size() == 1 ? &queues.inputs.front().queue : nullptr;
}

/// One polling thread's packets, in order of time. worker-bound; allocates nothing after construction.
///
/// Where the devices stamp packets and several are polled, their packets are merged by time: a packet is held back
/// until every other queue has shown a later one, or has been empty for a while. Without stamps, all of a round have
/// one time, and the queues' packets follow one another. What a filter does not let through is counted and freed.
class RxSource {
 public:
  static constexpr std::size_t kBurst = packet::kBurst;

  explicit RxSource(RxOptions options);

  /// The next packets, at most kBurst. packets()[i] lies in buffers()[i]. Both hold until give_back().
  std::size_t receive() noexcept;
  std::span<const packet::RawPacket> packets() const noexcept { return {packets_.data(), count_}; }
  std::span<rte_mbuf* const> buffers() const noexcept { return {buffers_.data(), count_}; }
  /// Whether the last round took packets, though the filter may have let none through.
  bool has_taken() const noexcept { return has_taken_; }
  /// Frees the buffers of the last burst.
  void give_back() noexcept;
  /// Gives back only the memory of frames that were put together: the buffers have gone elsewhere.
  void forget() noexcept {
    count_ = 0;
    scratch_used_ = 0;
  }

  /// The run is ending: no queue is waited for any more, for the sake of order.
  void hurry() noexcept { hurried_ = true; }
  /// From now on nothing is polled: receive() brings what is held, and then no more.
  void close() noexcept { closed_ = true; }
  /// Whether packets were polled that receive() has not brought yet.
  bool holds() const noexcept { return counters_.held > 0; }

  /// After a round that brought nothing: the time before which no packet will come any more.
  flowtable::TimeNs passed() noexcept;
  flowtable::TimeNs last_ns() const noexcept { return last_ns_; }
  /// Fills the figures of receiving.
  void count_into(port::LaneCounters& counters) const noexcept;
  /// Packets taken from an input so far. Thread-safe.
  std::uint64_t polled_from(std::size_t input) const noexcept {
    return polled_from_[input].load(std::memory_order_relaxed);
  }

 private:
  /// A burst of the longest frames that run.frame_octets allows, so that none is cut. Memory is taken where it is used.
  static constexpr std::size_t kScratchOctets = kBurst * std::size_t{64} * 1024;

  /// What of a queue waits for its turn.
  struct Waiting {
    std::array<rte_mbuf*, kBurst> buffers;
    std::array<flowtable::TimeNs, kBurst> times;
    std::size_t next = 0;
    std::size_t count = 0;
    std::uint64_t empty_since_ticks = 0;  ///< 0: not empty
    bool empty() const noexcept { return next == count; }
  };

  std::size_t poll(std::size_t input, std::span<rte_mbuf*> out) noexcept;
  /// kNoTime: the stamp is damaged.
  flowtable::TimeNs time_of(const RxInput& input, const rte_mbuf* buffer) const noexcept;
  void read_clock() noexcept;
  std::size_t receive_one() noexcept;
  std::size_t receive_merged() noexcept;
  void leave_out() noexcept;
  bool refill(std::size_t input) noexcept;
  void add(rte_mbuf* buffer, flowtable::TimeNs time_ns) noexcept;
  packet::ByteView whole(const rte_mbuf* buffer) noexcept;

  RxOptions options_;
  bool merges_by_time_ = false;
  std::unique_ptr<port::CaptureFilter> filter_;  ///< null: all packets are brought
  bool has_taken_ = false;
  bool hurried_ = false;
  bool closed_ = false;
  std::uint64_t patience_ticks_;  ///< how long an empty queue holds the others up
  int stamp_offset_;              ///< in an mbuf; negative: no driver stamps
  std::uint64_t stamp_flag_ = 0;
  std::unique_ptr<Waiting[]> waiting_;
  std::array<packet::RawPacket, kBurst> packets_;
  std::array<rte_mbuf*, kBurst> buffers_{};
  std::size_t count_ = 0;
  std::unique_ptr<std::uint8_t[]> scratch_;  ///< frames of several buffers, whole
  std::size_t scratch_used_ = 0;
  std::uint64_t ticks_ = 0;  ///< of this round
  flowtable::TimeNs now_ns_ = flowtable::kNoTime;
  flowtable::TimeNs last_ns_ = 1;  ///< of the latest packet; kNoTime is no packet's time
  std::uint64_t next_number_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> polled_from_;  ///< by input
  port::LaneCounters counters_;
};

}  // namespace doorslam::ethdev
