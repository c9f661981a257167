#pragma once

#include <cstddef>

namespace doorslam::port {

/// What a reader of records has taken from the start of a window of memory.
struct TakenRecords {
  std::size_t packets = 0;
  std::size_t octets = 0;
  /// True: the next record is not yet whole in the window. False: it is of a kind not read here, or `out` is full.
  bool cut = false;
};

}  // namespace doorslam::port
