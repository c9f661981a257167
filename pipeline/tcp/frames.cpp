#include "pipeline/tcp/frames.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace doorslam::tcp {
namespace {

/// What stands in front of each frame's octets.
struct PackedHeader {
  std::uint32_t rung;
  std::uint32_t wire_length;
  std::uint16_t link_type;
  std::uint16_t header_octets;
  std::uint16_t captured;
  std::uint16_t reserved;
};
static_assert(sizeof(PackedHeader) == 16);

bool append(const KeptFrame& frame, std::uint32_t rung, std::vector<std::uint8_t>& packed) {
  if (frame.captured == 0) return false;
  const PackedHeader header{rung, frame.wire_length, frame.link_type, frame.header_octets, frame.captured, 0};
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(&header);
  packed.insert(packed.end(), begin, begin + sizeof header);
  packed.insert(packed.end(), frame.octets.begin(), frame.octets.begin() + frame.captured);
  return true;
}

FrameView whole(const packet::RawPacket& packet) noexcept {
  return {.captured = packet.captured,
          .wire_length = packet.wire_length,
          .link_type = static_cast<std::uint16_t>(packet.link_type)};
}

}  // namespace

FrameView frame_of(const packet::RawPacket& packet, const packet::Segment& segment) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(packet.captured.data());
  const auto payload = reinterpret_cast<std::uintptr_t>(segment.payload.data());
  if (payload <= begin || payload > begin + packet.captured.size()) return {};
  FrameView frame = whole(packet);
  frame.header_octets = static_cast<std::uint16_t>(std::min<std::uintptr_t>(payload - begin, 0xffff));
  return frame;
}

FrameView frame_of(const packet::RawPacket& packet, const packet::IcmpError& error) noexcept {
  return error.reassembled ? FrameView{} : whole(packet);
}

FramePool::FramePool(std::uint32_t capacity, std::size_t snap_octets)
    : memory_(std::size_t{capacity} * sizeof(FrameSlot), flowtable::Pages::normal),
      snap_octets_(std::min(snap_octets, KeptFrame::kMostOctets)) {}

FrameSlot& FramePool::operator[](std::uint32_t index) noexcept {
  return std::launder(static_cast<FrameSlot*>(memory_.data()))[index];
}

void FramePool::keep(KeptFrame& place, const FrameView& frame) const noexcept {
  place.captured = static_cast<std::uint16_t>(std::min(frame.captured.size(), snap_octets_));
  place.wire_length = frame.wire_length;
  place.link_type = frame.link_type;
  place.header_octets = frame.header_octets;
  std::copy_n(frame.captured.begin(), place.captured, place.octets.begin());
}

std::size_t FramePool::pack(std::uint32_t index, const Evidence& evidence, std::vector<std::uint8_t>& packed) {
  FrameSlot& slot = (*this)[index];
  std::size_t count = 0;
  evidence.for_each_rung(
      [&](const Rung&, std::uint32_t number) { count += append(slot.place_of(number), number, packed) ? 1 : 0; });
  if (evidence.icmp.time_ns != flowtable::kNoTime) count += append(slot.icmp, PackedFrame::kIcmp, packed) ? 1 : 0;
  return count;
}

std::vector<PackedFrame> frames_of(packet::ByteView packed) {
  std::vector<PackedFrame> frames;
  while (packed.size() >= sizeof(PackedHeader)) {
    PackedHeader header;
    std::memcpy(&header, packed.data(), sizeof header);
    packed = packed.subspan(sizeof header);
    if (packed.size() < header.captured) break;
    frames.push_back({.rung = header.rung,
                      .wire_length = header.wire_length,
                      .link_type = header.link_type,
                      .header_octets = header.header_octets,
                      .captured = packed.first(header.captured)});
    packed = packed.subspan(header.captured);
  }
  return frames;
}

}  // namespace doorslam::tcp
