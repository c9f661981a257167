#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "flowtable/page_memory.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/packet/segment.h"
#include "pipeline/tcp/evidence.h"

/// Frames as captured, beside the rungs of the ladder: what an evidence file is made of.
///
/// A slot of Evidence has a slot of frames beside it, with a place for every rung that Evidence keeps. When the
/// connection ends, what is there is packed and travels with its last event. Off by default: then there is no pool.
namespace doorslam::tcp {

/// A frame, or what the snap length left of it, borrowed for one burst, beside the segment or the ICMP error decoded of
/// it. Empty: there is no single frame (a datagram put together out of fragments), or nobody has it;
/// what is to be kept of it is counted then (EvidenceCounters::frameless).
struct FrameView {
  packet::ByteView captured;
  std::uint32_t wire_length = 0;    ///< octets on the wire
  std::uint16_t link_type = 0;      ///< LINKTYPE_*
  std::uint16_t header_octets = 0;  ///< in front of the TCP payload; 0: nobody has looked (ICMP errors)
};

/// The frame that `segment` was decoded of, where its payload lies in it, else an empty one.
FrameView frame_of(const packet::RawPacket& packet, const packet::Segment& segment) noexcept;
/// The frame that `error` was decoded of; empty where that is but the last of its fragments.
FrameView frame_of(const packet::RawPacket& packet, const packet::IcmpError& error) noexcept;

/// A frame that was kept. Without initial values, as Rung.
struct KeptFrame {
  static constexpr std::size_t kMostOctets = 256;

  std::uint32_t wire_length;
  std::uint16_t link_type;
  std::uint16_t header_octets;
  std::uint16_t captured;  ///< octets kept; 0: there was no frame
  std::array<std::uint8_t, kMostOctets> octets;
};

/// A place for the frame of every rung that Evidence keeps, and for the first ICMP error. Rungs and ICMP error that
/// Evidence does not have, have no frame: nothing is set when a connection begins.
struct FrameSlot {
  static constexpr std::size_t kFirst = Evidence::kFirstRungs;
  static constexpr std::size_t kLast = Evidence::kLastRungs;

  std::array<KeptFrame, kFirst + kLast> frames;
  KeptFrame icmp;

  KeptFrame& place_of(std::uint32_t rung) noexcept {
    return rung < kFirst ? frames[rung] : frames[kFirst + rung % kLast];
  }
};

/// The frames of as many connections as have Evidence, by the index of that. About 7 KiB a connection, resident only as
/// far as it was ever used. worker-bound.
class FramePool {
 public:
  /// `snap_octets`: of each frame, 256 at most. Throws std::bad_alloc.
  FramePool(std::uint32_t capacity, std::size_t snap_octets);

  void keep(std::uint32_t index, std::uint32_t rung, const FrameView& frame) noexcept {
    keep((*this)[index].place_of(rung), frame);
  }
  void keep_icmp(std::uint32_t index, const FrameView& frame) noexcept { keep((*this)[index].icmp, frame); }

  /// Appends what is kept for the rungs and the ICMP error of `evidence` to `packed`; see for_each_frame(). Returns the
  /// number of frames.
  std::size_t pack(std::uint32_t index, const Evidence& evidence, std::vector<std::uint8_t>& packed);

 private:
  FrameSlot& operator[](std::uint32_t index) noexcept;
  void keep(KeptFrame& place, const FrameView& frame) const noexcept;

  flowtable::PageMemory memory_;
  std::size_t snap_octets_;
};

/// A frame of a packed trace; the octets are borrowed from it.
struct PackedFrame {
  static constexpr std::uint32_t kIcmp = std::numeric_limits<std::uint32_t>::max();

  std::uint32_t rung = 0;  ///< number of the rung, counting all segments from 0; kIcmp: of the ICMP error
  std::uint32_t wire_length = 0;
  std::uint16_t link_type = 0;
  std::uint16_t header_octets = 0;
  packet::ByteView captured;
};

/// The packed frames of one connection.
struct FrameTrace {
  std::vector<std::uint8_t> packed;
};

/// The frames of a packed trace, in the order of their rungs, that of the ICMP error last.
std::vector<PackedFrame> frames_of(packet::ByteView packed);

}  // namespace doorslam::tcp
