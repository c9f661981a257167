#pragma once

#include <algorithm>

#include "pipeline/tcp/connection.h"

namespace doorslam::diagnose {

/// The responder sent something but RST, as far as the history goes.
inline bool was_answered(const tcp::ConnectionSummary& summary) {
  const auto answers = [](char letter) { return letter >= 'a' && letter <= 'z' && letter != 'r' && letter != 'c'; };
  return std::ranges::any_of(summary.history.view(), answers);
}

/// A bare ACK or FIN out of nowhere that met RST at most: of a scan, or after the end of a connection. Nothing says
/// that anybody serves there. What carries payload may be a session of which the capture has one direction.
inline bool is_stray(const tcp::ConnectionSummary& summary) {
  const auto originator = tcp::index_of(tcp::Side::originator);
  return summary.mid_stream && summary.side[originator].payload_bytes == 0 && !was_answered(summary);
}

}  // namespace doorslam::diagnose
