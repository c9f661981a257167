#pragma once

#include <array>
#include <vector>

#include "pipeline/port/capture_reader.h"
#include "tests/unit/port/capture_bytes.h"

namespace doorslam::test {

/// A packet and its octets, which its burst no longer holds.
struct Kept {
  Bytes bytes;
  packet::RawPacket packet;
};

/// Reads all, copying each burst's octets before the next is asked for.
inline std::vector<Kept> read_all(port::CaptureReader& reader) {
  std::vector<Kept> all;
  std::array<packet::RawPacket, 64> burst;
  while (const std::size_t count = reader.read(burst)) {
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({Bytes(burst[i].captured.begin(), burst[i].captured.end()), burst[i]});
    }
  }
  return all;
}

}  // namespace doorslam::test
