#pragma once

#include <cstdint>
#include <optional>

namespace doorslam::app {

/// A line on standard error that shows how far the reading is. Silent unless asked for (a terminal).
class Progress {
 public:
  explicit Progress(bool shown) : shown_(shown) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Redraws at most ten times a second. `total` is unknown for a pipe.
  void show(std::uint64_t octets, std::optional<std::uint64_t> total, std::uint64_t packets);
  /// Removes the line.
  void clear();

 private:
  bool shown_;
  bool drawn_ = false;
  std::int64_t next_draw_ms_ = 0;  ///< on the steady clock
};

}  // namespace doorslam::app
