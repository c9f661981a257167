#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace doorslam::metrics {

/// Where the metrics are to be had.
struct ListenAddress {
  std::string host;  ///< an address, IPv6 without its brackets
  std::uint16_t port = 0;

  /// "127.0.0.1:9477", "[::1]:9477".
  std::string text() const;
};

/// Reads "127.0.0.1:9477" or "[::1]:9477". Numbers only, so that nothing depends on name resolution at the start.
/// Errors (usage): `what` is named as the place of the mistake.
Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view what);

}  // namespace doorslam::metrics
