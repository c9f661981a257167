#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/frame_builder.h"

namespace doorslam::test {

/// A frame that holds the TCP segment kSampleTcp with kSamplePayload, wrapped in one way or another.
struct SampleFrame {
  std::string name;
  std::uint32_t link_type = 1;
  Bytes octets;
  std::uint16_t vlan = 0;
  bool tunneled = false;
};

inline const TcpFields kSampleTcp = {.source_port = 50123,
                                     .destination_port = 8443,
                                     .seq = 0x01020304,
                                     .ack = 0x0a0b0c0d,
                                     .flags = packet::tcp_flag::kPsh | packet::tcp_flag::kAck,
                                     .window = 512,
                                     .options = {}};
inline constexpr std::string_view kSamplePayload = "220 ready";
inline constexpr std::string_view kClient = "192.0.2.10";
inline constexpr std::string_view kServer = "198.51.100.20";
inline constexpr std::string_view kClient6 = "2001:db8::10";
inline constexpr std::string_view kServer6 = "2001:db8:5::20";

/// The sample segment in IPv4 or IPv6, appended to the headers in `outside`.
Bytes sample_v4(Frame outside = Frame());
Bytes sample_v6(Frame outside = Frame());

/// One frame for every link layer, tag, extension header and tunnel that doorslam reads.
std::vector<SampleFrame> sample_frames();

}  // namespace doorslam::test
