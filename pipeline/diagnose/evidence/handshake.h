#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What the first packets say: the handshake, its answers, and who really sent them.
namespace doorslam::diagnose::evidence {

std::optional<Finding> handshake_ack_wrong(const Case& c);
std::optional<Finding> handshake_ack_right(const Case& c);
std::optional<Finding> syn_repeated(const Case& c);
std::optional<Finding> icmp_prohibited(const Case& c);
std::optional<Finding> icmp_unreachable(const Case& c);
std::optional<Finding> route_was_traced(const Case& c);
std::optional<Finding> hop_limit_exceeded(const Case& c);
std::optional<Finding> syn_ack_repeated_after_ack(const Case& c);
std::optional<Finding> data_never_acked(const Case& c);
std::optional<Finding> bare_reset_answers_ack(const Case& c);
std::optional<Finding> ignored_while_others_served(const Case& c);
std::optional<Finding> server_overflowed_nearby(const Case& c);
std::optional<Finding> accepted_and_never_answered(const Case& c);
std::optional<Finding> left_half_open_in_numbers(const Case& c);
std::optional<Finding> client_reset_the_syn_ack(const Case& c);
std::optional<Finding> reset_from_elsewhere(const Case& c);
std::optional<Finding> nothing_but_a_reset(const Case& c);
std::optional<Finding> reset_from_the_server(const Case& c);
std::optional<Finding> client_reset_from_elsewhere(const Case& c);
std::optional<Finding> resets_both_ways(const Case& c);
std::optional<Finding> syn_reset_for_one_client(const Case& c);
std::optional<Finding> syns_reset_by_turns(const Case& c);
std::optional<Finding> port_was_open_before(const Case& c);
std::optional<Finding> port_closed_after_a_burst(const Case& c);

/// By its TTL, another host than the server sent the RST in the server's name.
bool is_reset_from_elsewhere(const Case& c);

}  // namespace doorslam::diagnose::evidence
