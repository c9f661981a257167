#pragma once

#include <optional>
#include <string>

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/diagnosis.h"

/// Several servers behind one address, of which one refuses: told by what their SYN-ACKs look like, or by the clocks in
/// them (host_clocks.h).
namespace doorslam::diagnose::evidence {

std::optional<Finding> one_server_refuses(const Case& c);

/// The figures of what tells the servers apart; null where none of them is known to be the one. Borrowed from the case.
const ServersBehind* servers_of_which_one_refuses(const Case& c);

/// The same for a person.
std::optional<OneOfServers> one_of_servers(const Case& c);

}  // namespace doorslam::diagnose::evidence

namespace doorslam::diagnose {

/// What its SYN-ACKs look like, as far as the other's do not look like that: "TTL 62 and window 65535".
std::string habits_in_words(const tcp::AnsweringStack& stack, const tcp::AnsweringStack& other);

}  // namespace doorslam::diagnose
