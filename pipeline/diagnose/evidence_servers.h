#pragma once

#include <optional>
#include <string>

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/diagnosis.h"

/// Several servers behind one address, of which one refuses: told by what their SYN-ACKs look like. Clocks (timestamps)
/// and sequence numbers are not read: hosts begin both at a secret place for each pair of addresses (RFC 7323, section
/// 5.4; RFC 6528), so that they say nothing beyond one client.
namespace doorslam::diagnose::evidence {

std::optional<Finding> one_server_refuses(const Case& c);

/// The same as figures.
std::optional<OneOfServers> one_of_servers(const Case& c);

}  // namespace doorslam::diagnose::evidence

namespace doorslam::diagnose {

/// What its SYN-ACKs look like, as far as the other's do not look like that: "TTL 62 and window 65535".
std::string habits_in_words(const tcp::AnsweringStack& stack, const tcp::AnsweringStack& other);

}  // namespace doorslam::diagnose
