#pragma once

#include <string>
#include <string_view>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"

/// Figures in words, for sentences.
namespace doorslam::diagnose {

/// "0.4 ms", "12 ms", "3.5 s", "4 min".
std::string in_words(flowtable::DurationNs duration);
/// The usual notation; IPv6 by RFC 5952.
std::string in_words(const flowtable::IpAddress& address);
/// "1 client", "3 clients".
std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural);

}  // namespace doorslam::diagnose
