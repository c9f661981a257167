#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pipeline/packet/segment.h"
#include "pipeline/tcp/connection.h"

/// The TCP state machine of a passive observer, one end at a time.
///
/// An observer knows of each end what it has sent. So each end has a state of its own (Zeek's endpoint states), and a
/// segment moves the state of its sender, by one table: [state of the sender][side of the sender][class of the flags].
/// Where the other end matters, or is moved as well, the cell names a rule; step() holds what the rules mean.
namespace doorslam::tcp {

/// What one end has shown of itself.
enum class EndpointState : std::uint8_t {
  inactive,     ///< nothing sent yet
  syn_sent,     ///< SYN, not answered yet
  partial,      ///< sends, but its SYN was not seen
  established,  ///< its SYN was answered, or is an answer
  closed,       ///< FIN
  reset,        ///< RST
};
inline constexpr std::size_t kEndpointStateCount = 6;

/// The flags of a segment as the state machine reads them: the strongest of RST, FIN, SYN counts.
enum class FlagClass : std::uint8_t {
  bare,     ///< no flag, no payload: nothing that TCP would send
  ack,      ///< ACK without payload
  data,     ///< payload
  syn,      ///< SYN
  syn_ack,  ///< SYN+ACK
  fin,      ///< FIN, with or without payload
  rst,      ///< RST: for a connection that had been synchronised (RFC 9293, 3.10.7)
  rst_ack,  ///< RST+ACK: refuses a SYN, or aborts
};
inline constexpr std::size_t kFlagClassCount = 8;

/// What else a cell of the table does or asks.
enum class StateRule : std::uint8_t {
  none,
  answers,  ///< the other end's SYN is answered: it becomes established
  joins,    ///< established at once if the other end is (the own SYN was lost, or captured late), else as the cell says
  waits,    ///< as joins; but before any SYN-ACK an empty segment of the responder leaves it inactive
  reopens,  ///< only if the other end is inactive: a SYN after stray data opens a connection after all
  closes,   ///< if the other end had closed and then reset, that was a normal end: it counts as closed
  aborts,   ///< only if the other end has not closed: a RST after both FINs changes nothing
};

struct StateCell {
  EndpointState next;
  StateRule rule = StateRule::none;
};

/// The states of both ends. The state before the latest change tells a RST after FIN from a RST in mid-stream.
struct EndpointStates {
  std::array<EndpointState, 2> now{};
  std::array<EndpointState, 2> before{};

  constexpr EndpointState of(Side side) const noexcept { return now[index_of(side)]; }
  constexpr EndpointState before_of(Side side) const noexcept { return before[index_of(side)]; }
  constexpr void set(Side side, EndpointState next) noexcept {
    const std::size_t i = index_of(side);
    if (now[i] == next) return;
    before[i] = now[i];
    now[i] = next;
  }
  /// Undoes the latest change of that end.
  constexpr void take_back(Side side) noexcept { now[index_of(side)] = before[index_of(side)]; }

  friend constexpr bool operator==(const EndpointStates&, const EndpointStates&) = default;
};

constexpr FlagClass flag_class_of(std::uint8_t flags, std::uint32_t payload_length) noexcept {
  using namespace packet::tcp_flag;
  const bool ack = (flags & kAck) != 0;
  if ((flags & kRst) != 0) return ack ? FlagClass::rst_ack : FlagClass::rst;
  if ((flags & kFin) != 0) return FlagClass::fin;
  if ((flags & kSyn) != 0) return ack ? FlagClass::syn_ack : FlagClass::syn;
  if (payload_length != 0) return FlagClass::data;
  return ack ? FlagClass::ack : FlagClass::bare;
}

namespace detail {
using enum EndpointState;
using enum StateRule;
using SideRow = std::array<StateCell, kFlagClassCount>;
using StateRow = std::array<SideRow, 2>;
}  // namespace detail

/// clang-format off keeps the columns: each line is one side, each column one FlagClass.
inline constexpr std::array<detail::StateRow, kEndpointStateCount> kStateTable = [] {
  using enum EndpointState;
  using R = StateRule;
  // clang-format off
  return std::array<detail::StateRow, kEndpointStateCount>{{
    // inactive: the first segment of this end. A SYN of the responder answers (simultaneous open, RFC 9293 3.5).
    //   bare                ack                   data                  syn                       syn_ack                   fin       rst      rst_ack
    {{ {{{partial, R::joins}, {partial, R::joins}, {partial, R::joins}, {syn_sent, R::joins},     {established, R::none},    {closed}, {reset}, {reset}}},     // originator
       {{{partial, R::waits}, {partial, R::waits}, {partial, R::joins}, {established, R::answers}, {established, R::answers}, {closed}, {reset}, {reset}}} }},   // responder
    // syn_sent: only the other end's answer establishes. Data before it is TCP Fast Open, or nonsense.
    {{ {{{syn_sent}, {syn_sent}, {syn_sent}, {syn_sent}, {syn_sent}, {closed}, {reset}, {reset}}},
       {{{syn_sent}, {syn_sent}, {syn_sent}, {syn_sent}, {syn_sent}, {closed}, {reset}, {reset}}} }},
    // partial: picked up in mid-stream.
    {{ {{{partial}, {partial}, {partial}, {syn_sent, R::reopens}, {partial}, {closed, R::closes}, {reset}, {reset}}},
       {{{partial}, {partial}, {partial}, {syn_sent, R::reopens}, {partial}, {closed, R::closes}, {reset}, {reset}}} }},
    // established: a SYN here is a retransmission, or the tracker has made a new connection of it.
    {{ {{{established}, {established}, {established}, {established}, {established}, {closed, R::closes}, {reset}, {reset}}},
       {{{established}, {established}, {established}, {established}, {established}, {closed, R::closes}, {reset}, {reset}}} }},
    // closed: a RST after the own FIN aborts the half that was still open.
    {{ {{{closed}, {closed}, {closed}, {closed}, {closed}, {closed}, {reset, R::aborts}, {reset, R::aborts}}},
       {{{closed}, {closed}, {closed}, {closed}, {closed}, {closed}, {reset, R::aborts}, {reset, R::aborts}}} }},
    // reset: final. What comes now is stray.
    {{ {{{reset}, {reset}, {reset}, {reset}, {reset}, {reset}, {reset}, {reset}}},
       {{{reset}, {reset}, {reset}, {reset}, {reset}, {reset}, {reset}, {reset}}} }},
  }};
  // clang-format on
}();

/// Moves `ends` by one segment of `side`.
constexpr void step(EndpointStates& ends, Side side, FlagClass flags) noexcept {
  const EndpointState own = ends.of(side);
  const EndpointState peer = ends.of(other(side));
  const StateCell cell = kStateTable[static_cast<std::size_t>(own)][index_of(side)][static_cast<std::size_t>(flags)];
  switch (cell.rule) {
    case StateRule::none:
      break;
    case StateRule::answers:
      if (peer == EndpointState::syn_sent) ends.set(other(side), EndpointState::established);
      break;
    case StateRule::joins:
      if (peer == EndpointState::established) return ends.set(side, EndpointState::established);
      break;
    case StateRule::waits:
      if (peer == EndpointState::established) return ends.set(side, EndpointState::established);
      if (peer == EndpointState::syn_sent) return;
      break;
    case StateRule::reopens:
      if (peer != EndpointState::inactive) return;
      break;
    case StateRule::closes:
      if (peer == EndpointState::reset && ends.before_of(other(side)) == EndpointState::closed) {
        ends.set(other(side), EndpointState::closed);
      }
      break;
    case StateRule::aborts:
      if (peer == EndpointState::closed) return;
      break;
  }
  ends.set(side, cell.next);
}

/// Has this end said its last word?
constexpr bool is_over(EndpointState state) noexcept {
  return state == EndpointState::closed || state == EndpointState::reset;
}

/// Nothing of interest is to come any more: a RST, FIN from both, or FIN towards an end that never spoke.
constexpr bool is_close_complete(const EndpointStates& ends) noexcept {
  const EndpointState o = ends.of(Side::originator);
  const EndpointState r = ends.of(Side::responder);
  if (o == EndpointState::reset || r == EndpointState::reset) return true;
  if (o == EndpointState::closed) return r == EndpointState::closed || r == EndpointState::inactive;
  return r == EndpointState::closed && o == EndpointState::inactive;
}

}  // namespace doorslam::tcp
