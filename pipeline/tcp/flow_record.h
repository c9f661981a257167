#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "flowtable/flow_table.h"
#include "flowtable/time.h"
#include "pipeline/tcp/bounded_pool.h"
#include "pipeline/tcp/history.h"
#include "pipeline/tcp/state_table.h"

/// What the tracker remembers of a connection, in tiers.
///
/// FlowRecord lies in the flow table's slot: with the IPv4 key it fills one cache line, and a segment in the middle of
/// a healthy connection touches nothing else. FlowDetails is what set-up and the end need; it lies in a pool of its
/// own, and is one line more. Irregularities (irregularities.h) is another, for those about which something is
/// remarkable. Evidence (evidence.h) is what an analyst would read.
namespace doorslam::tcp {

/// a <=> b in sequence space (RFC 9293, section 3.4): negative when a is before b.
constexpr std::int32_t sequence_distance(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

/// Facts of a connection.
enum class FlowFlag : std::uint8_t {
  originator_is_lo,  ///< the originator is the key's `lo` end
  closing,           ///< FlowDetails::last_tick is set: ends when the linger time is over
  served,            ///< requests and responses went to and fro
  mirrored,          ///< the capture holds proven duplicates
  syn_seen,          ///< SYN of the originator
  syn_ack_seen,      ///< SYN-ACK, or SYN, of the responder
  open,              ///< handshake complete, or picked up in mid-stream with payload
  mid_stream,        ///< the first valid segment was no SYN
  guessed,           ///< neither SYN nor SYN-ACK told who opened it
  evidence_missing,  ///< it was due Evidence when the pool was exhausted, and has none yet
  evidence_late,     ///< Evidence was given back, or missing at first: what it holds now has no beginning
  unreachable,       ///< an ICMP error said so before any answer
  acks_unseen,       ///< acknowledgements advance although nothing of the other side was captured
  tunneled,
  evidence = 28,   ///< Evidence exists
  recording = 29,  ///< segments are recorded in it; not so once the connection is plainly served, until trouble starts
  quick = 30,      ///< in mid-flow, nothing remarkable: the short path may take its next segment
  orderly = 31,    ///< set up or closing, nothing remarkable: see in_order.h
};

/// Facts of one side.
enum class SideFlag : std::uint8_t {
  letter_ack = 14,    ///< history has its A
  letter_data = 16,   ///< history has its D
  letter_syn = 18,    ///< history has its S or H
  payload = 20,       ///< sent payload
  last_payload = 22,  ///< sent the latest new payload; on one side only
  irregular = 24,     ///< SideIrregularities::delivered and hole_end hold: a hole, or acknowledged ahead of it
  zero_window = 26,   ///< advertises a zero window
};

/// The hot part. Fits beside a 16-octet key.
class FlowRecord {
 public:
  std::array<std::uint32_t, 2> next_seq{};  ///< by side: one past the highest octet seen
  std::array<std::uint32_t, 2> acked{};     ///< by side: highest number by which the other side acknowledged it
  std::array<std::uint16_t, 2> packets{};   ///< by side; SideIrregularities::packet_carries counts the overflows
  std::uint32_t details = kNoEntry;
  std::array<std::uint16_t, 5> recent{};  ///< hashes of the latest segments, newest first (duplicates.h)

  flowtable::TimeNs last_seen() const noexcept { return std::bit_cast<flowtable::TimeNs>(last_ns_); }
  void set_last_seen(flowtable::TimeNs time_ns) noexcept {
    last_ns_ = std::bit_cast<std::array<std::uint32_t, 2>>(time_ns);
  }

  bool has(FlowFlag flag) const noexcept { return (flags_ >> static_cast<unsigned>(flag) & 1U) != 0; }
  void set(FlowFlag flag) noexcept { flags_ |= 1U << static_cast<unsigned>(flag); }
  void clear(FlowFlag flag) noexcept { flags_ &= ~(1U << static_cast<unsigned>(flag)); }
  void put(FlowFlag flag, bool value) noexcept { value ? set(flag) : clear(flag); }

  bool has(SideFlag flag, Side side) const noexcept { return (flags_ >> bit(flag, side) & 1U) != 0; }
  void set(SideFlag flag, Side side) noexcept { flags_ |= 1U << bit(flag, side); }
  void clear(SideFlag flag, Side side) noexcept { flags_ &= ~(1U << bit(flag, side)); }
  bool has_any(SideFlag flag) const noexcept { return (flags_ >> static_cast<unsigned>(flag) & 3U) != 0; }
  void put(SideFlag flag, Side side, bool value) noexcept { value ? set(flag, side) : clear(flag, side); }

  /// In mid-flow, plainly served, and not recorded: the next ordinary segment touches nothing but this record, unless
  /// it is the first to leave its letter in the history.
  bool is_settled() const noexcept { return (flags_ & (kSettled | kRecording)) == kSettled; }
  /// The same, and `letter` is there.
  bool is_settled(SideFlag letter, Side side) const noexcept { return is_settled() && has(letter, side); }

  /// Notes new payload of `side`; counts an exchange when it answers the originator. Saturates at 15. Who speaks next
  /// cannot be foreseen: no branch hangs on it.
  void note_payload(Side side) noexcept {
    constexpr auto kLast = static_cast<unsigned>(SideFlag::last_payload);
    constexpr auto kAny = static_cast<unsigned>(SideFlag::payload);
    if (states_ < kMaxExchanges << kExchangeShift) {
      const std::uint32_t answers = flags_ >> kLast & static_cast<std::uint32_t>(side) & 1U;
      states_ = static_cast<std::uint16_t>(states_ + (answers << kExchangeShift));
    }
    flags_ = (flags_ & ~(3U << kLast)) | (1U << kLast | 1U << kAny) << static_cast<unsigned>(side);
  }
  static constexpr unsigned kMaxExchanges = 15;
  unsigned exchanges() const noexcept { return states_ >> kExchangeShift; }

  EndpointStates states() const noexcept {
    const auto end = [this](unsigned shift) { return static_cast<EndpointState>(states_ >> shift & 7U); };
    return {{end(0), end(3)}, {end(6), end(9)}};
  }
  EndpointState state_of(Side side) const noexcept {
    return static_cast<EndpointState>(states_ >> kStateBits * static_cast<unsigned>(side) & 7U);
  }
  /// Moves one end, and remembers where it was. As EndpointStates::set(), for a state that is another.
  void move(Side side, EndpointState next) noexcept {
    const unsigned now = kStateBits * static_cast<unsigned>(side);
    const unsigned before = now + 2 * kStateBits;
    const unsigned kept = states_ & ~(7U << now | 7U << before);
    states_ = static_cast<std::uint16_t>(kept | static_cast<unsigned>(next) << now |
                                         static_cast<unsigned>(state_of(side)) << before);
  }
  bool endpoints_are(EndpointState originator, EndpointState responder) const noexcept {
    return (states_ & 63U) == (static_cast<unsigned>(originator) | static_cast<unsigned>(responder) << 3U);
  }
  void set_states(const EndpointStates& ends) noexcept {
    const auto number = [](EndpointState state) { return static_cast<unsigned>(state); };
    states_ =
        static_cast<std::uint16_t>(exchanges() << kExchangeShift | number(ends.now[0]) | number(ends.now[1]) << 3U |
                                   number(ends.before[0]) << 6U | number(ends.before[1]) << 9U);
  }

  /// For the flow table: what to give up first when it is full.
  flowtable::EvictionClass eviction_class() const noexcept {
    if (has(FlowFlag::closing)) return flowtable::EvictionClass::closed;
    return has(FlowFlag::open) ? flowtable::EvictionClass::established : flowtable::EvictionClass::embryonic;
  }

 private:
  static constexpr std::uint32_t kSettled =
      1U << static_cast<unsigned>(FlowFlag::quick) | 1U << static_cast<unsigned>(FlowFlag::served);
  static constexpr std::uint32_t kRecording = 1U << static_cast<unsigned>(FlowFlag::recording);
  static constexpr unsigned kStateBits = 3;
  static constexpr unsigned kExchangeShift = 4 * kStateBits;
  static constexpr unsigned bit(SideFlag flag, Side side) noexcept {
    return static_cast<unsigned>(flag) + static_cast<unsigned>(side);
  }

  std::uint16_t states_ = 0;
  std::uint32_t flags_ = 0;
  std::array<std::uint32_t, 2> last_ns_{};
};

static_assert(sizeof(FlowRecord) == 48 && alignof(FlowRecord) == 4);
static_assert(flowtable::FlowState<FlowRecord>);

/// Who has sent it: `source_is_lo` says which end of the key its source is.
inline Side side_of(const FlowRecord& flow, bool source_is_lo) noexcept {
  return source_is_lo == flow.has(FlowFlag::originator_is_lo) ? Side::originator : Side::responder;
}

/// One side of the cold part. Sequence numbers as on the wire.
struct SideDetails {
  std::uint32_t start_seq = 0;  ///< initial sequence number; one before the first octet seen when no SYN was
  std::uint32_t fin_end = 0;    ///< one past the latest FIN
};

/// The cold part.
struct FlowDetails {
  std::uint32_t evidence = kNoEntry;
  std::uint32_t irregularities = kNoEntry;  ///< of IrregularityPool
  std::array<SideDetails, 2> side{};
  flowtable::TimeNs start_ns = 0;  ///< first packet
  std::uint64_t id = 0;            ///< number of the first packet
  PackedHistory history;
  std::uint32_t last_tick = 0;  ///< closing: when the linger time is over (patience.h)
  std::uint16_t vlan = 0;
  std::uint16_t duplicates = 0;

  SideDetails& of(Side s) noexcept { return side[index_of(s)]; }
  const SideDetails& of(Side s) const noexcept { return side[index_of(s)]; }
};

static_assert(sizeof(FlowDetails) == 64, "one cache line: each SYN of a flood writes it");

/// One more, up to the top of so many bits: for members that are less than a type.
template <unsigned kBits>
constexpr std::uint16_t one_more(unsigned count) noexcept {
  constexpr unsigned kTop = (1U << kBits) - 1;
  return static_cast<std::uint16_t>(count < kTop ? count + 1 : kTop);
}

/// Counts up to the top of the type and stays there.
template <class Count>
constexpr void count_up(Count& count) noexcept {
  if (count != static_cast<Count>(-1)) count = static_cast<Count>(count + 1);
}

}  // namespace doorslam::tcp
