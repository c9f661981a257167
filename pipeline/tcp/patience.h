#pragma once

#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/tracker_options.h"

namespace doorslam::tcp {

/// The tick at or after a time, as the table's Deadlines count them: a deadline so rounded falls due exactly then.
constexpr flowtable::TimeNs round_up_to_tick(flowtable::TimeNs time_ns) noexcept {
  constexpr int kShift = flowtable::Deadlines::kTickShift;
  std::int64_t tick = (time_ns + flowtable::Deadlines::kTickNs - 1) >> kShift;
  if ((tick & 0xffff) == 0) ++tick;  // Deadlines keeps that one for "not filed"
  return tick << kShift;
}

/// The number of a tick. 32 bits of it tell it from all others within nine years.
constexpr std::uint32_t tick_number(flowtable::TimeNs tick_ns) noexcept {
  return static_cast<std::uint32_t>(tick_ns >> flowtable::Deadlines::kTickShift);
}

/// The time of a tick that lies near another time.
constexpr flowtable::TimeNs time_of_tick(std::uint32_t number, flowtable::TimeNs near_ns) noexcept {
  const std::int64_t near = near_ns >> flowtable::Deadlines::kTickShift;
  const auto distance = static_cast<std::int32_t>(number - static_cast<std::uint32_t>(near));
  return (near + distance) << flowtable::Deadlines::kTickShift;
}

/// How long a connection may be silent; once it is closing, since when it closed.
inline flowtable::DurationNs patience_with(const FlowRecord& flow, const Timeouts& timeouts) noexcept {
  if (flow.has(FlowFlag::closing) || flow.has(FlowFlag::unreachable)) return timeouts.linger_ns;
  const EndpointStates states = flow.states();
  const auto is_begun = [&states](Side side) {
    // A certain reset sets `closing`; without that flag the reset is in doubt (resets.h) and has changed nothing yet.
    const bool in_doubt = states.of(side) == EndpointState::reset;
    const EndpointState state = in_doubt ? states.before_of(side) : states.of(side);
    return state != EndpointState::inactive && state != EndpointState::syn_sent;
  };
  if (!is_begun(Side::originator) && !is_begun(Side::responder)) return timeouts.embryonic_ns;
  const bool half_open = flow.has(FlowFlag::syn_ack_seen) && !flow.has(FlowFlag::open);
  return half_open ? timeouts.half_open_ns : timeouts.established_ns;
}

/// Both ends have closed, or one was reset. What was in doubt of that is so no more when nothing else comes.
inline bool is_closed(const FlowRecord& flow) noexcept {
  return flow.has(FlowFlag::closing) || flow.state_of(Side::originator) == EndpointState::reset ||
         flow.state_of(Side::responder) == EndpointState::reset;
}

/// Why it is over when its deadline has come.
inline EndReason reason_when_due(const FlowRecord& flow) noexcept {
  return is_closed(flow) ? EndReason::closed : EndReason::expired;
}

/// Nothing of interest is to come any more but what still is on its way.
inline void begin_linger(FlowRecord& flow, FlowDetails& details, flowtable::TimeNs now,
                         const Timeouts& timeouts) noexcept {
  flow.set(FlowFlag::closing);
  details.last_tick = tick_number(round_up_to_tick(now + timeouts.linger_ns));
}

/// When a connection is over if nothing more is heard of it.
inline flowtable::TimeNs deadline_of(const FlowRecord& flow, const FlowDetails& details,
                                     const Timeouts& timeouts) noexcept {
  if (flow.has(FlowFlag::closing)) return time_of_tick(details.last_tick, flow.last_seen());
  return round_up_to_tick(flow.last_seen() + patience_with(flow, timeouts));
}

}  // namespace doorslam::tcp
