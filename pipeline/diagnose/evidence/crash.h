#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/diagnose/case.h"

/// Signs of a server that died, and of one that lives.
namespace doorslam::diagnose::evidence {

std::optional<Finding> sessions_ended_together(const Case& c);
std::optional<Finding> idle_sessions_ended_together(const Case& c);
std::optional<Finding> closed_at_one_age(const Case& c);
std::optional<Finding> timed_out_over_a_request(const Case& c);
std::optional<Finding> others_told_of_crash(const Case& c);
std::optional<Finding> others_told_of_stop(const Case& c);
std::optional<Finding> sessions_went_on(const Case& c);
std::optional<Finding> port_closed_afterwards(const Case& c);
std::optional<Finding> served_again_soon(const Case& c);
std::optional<Finding> died_over_a_request(const Case& c);
std::optional<Finding> died_over_a_later_request(const Case& c);
std::optional<Finding> read_it_all_and_closed(const Case& c);

/// Other sessions that the server ended in the same instant and that speak for its death; 0 where more went on.
std::uint32_t ended_with_it(const Case& c);
/// Soon after this end nothing listened on the port any more.
bool is_port_closed_afterwards(const Case& c);
/// The server read a request, and closed after some time, but no timeout, without an answer.
bool hung_up_over_a_request(const Case& c);
/// Sessions that are closed at rest, and by FIN: a process that is replaced by the next, or sweeps up what is idle,
/// does that, and harms nobody. One that dies where nobody waits for it looks alike.
bool are_idle_sessions_ended_together(const Case& c);

}  // namespace doorslam::diagnose::evidence
