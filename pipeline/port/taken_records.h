#pragma once

#include <cstddef>

namespace doorslam::port {

/// What a reader of records has taken from the start of a window of memory.
struct TakenRecords {
  std::size_t packets = 0;
  std::size_t octets = 0;
  bool cut =
      false;  ///< the next record is not in the window whole; otherwise it is none to be read here, or no room is
};

}  // namespace doorslam::port
