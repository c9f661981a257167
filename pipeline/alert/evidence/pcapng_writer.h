#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"

namespace doorslam::trace_files {

/// A frame for a capture file.
struct CapturedFrame {
  flowtable::TimeNs time_ns = 0;
  packet::ByteView octets;        ///< as many as were captured
  std::uint32_t wire_length = 0;  ///< octets on the wire
  std::uint16_t link_type = 0;    ///< LINKTYPE_*
};

/// Builds a pcapng file of one section in memory (draft-ietf-opsawg-pcapng): frames of any link types, each of which
/// gets an interface block, with nanoseconds and with comments. Texts are UTF-8. In the byte order of this machine.
class PcapngWriter {
 public:
  /// `snap_octets`: what each frame was cut to at most. `application`: who wrote the file.
  PcapngWriter(std::string_view application, std::uint32_t snap_octets, std::span<const std::string> comments);

  void add(const CapturedFrame& frame, std::span<const std::string> comments);

  /// The whole file so far.
  packet::ByteView octets() const noexcept { return octets_; }

 private:
  std::uint32_t interface_of(std::uint16_t link_type);
  void begin_block(std::uint32_t type);
  void end_block();
  void put16(std::uint16_t value);
  void put32(std::uint32_t value);
  void put_padded(packet::ByteView value);
  void put_option(std::uint16_t code, packet::ByteView value);
  void put_option(std::uint16_t code, std::string_view text);
  void end_options();

  std::uint32_t snap_octets_;
  std::vector<std::uint8_t> octets_;
  std::size_t block_ = 0;                              ///< where the block at hand begins
  std::map<std::uint16_t, std::uint32_t> interfaces_;  ///< number by link type
};

}  // namespace doorslam::trace_files
