#include "pipeline/port/pcapng_records.h"

#include <algorithm>
#include <cstring>

#include "pipeline/packet/reader.h"

namespace doorslam::port {
namespace {

using packet::ByteView;
using packet::RawPacket;

namespace block {
constexpr std::uint32_t kSection = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
}  // namespace block

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::size_t kLeastBlock = 12;  ///< type, length, length again
constexpr std::size_t kPacketHeader = 28;
constexpr std::size_t kTrailer = 4;
/// A time beyond the year 2200 is damage.
constexpr std::uint64_t kLatestNs = std::uint64_t{7'258'118'400} * flowtable::kSecondNs;

bool is_packet(std::uint32_t type) noexcept {
  return type == block::kEnhancedPacket || type == block::kSimplePacket || type == block::kObsoletePacket;
}

template <bool kSwapped>
std::uint32_t in_host_order(std::uint32_t value) noexcept {
  return kSwapped ? __builtin_bswap32(value) : value;
}

}  // namespace

std::optional<PcapngRecords> PcapngRecords::of(ByteView head, std::uint32_t link_type, std::uint32_t snapshot_length) {
  const auto start = packet::Reader(head).peek<12>();
  if (!start || start.raw<std::uint32_t, 0>() != block::kSection) return {};
  PcapngRecords records;
  records.swapped_ = start.raw<std::uint32_t, 8>() != kByteOrderMagic;
  records.link_type_ = link_type;
  records.snapshot_length_ = snapshot_length;
  const std::uint32_t section_octets = records.u32(head, 4);
  if (section_octets > head.size() || !records.learn_blocks(head.subspan(section_octets), Walk::to_the_end)) return {};
  return records;
}

bool PcapngRecords::learn(ByteView window) {
  const std::size_t known = units_.size();
  if (learn_blocks(window, Walk::to_a_packet)) return true;
  units_.resize(known);
  return false;
}

bool PcapngRecords::learn_blocks(ByteView blocks, Walk walk) {
  while (blocks.size() >= 8) {
    const std::uint32_t type = u32(blocks, 0);
    const std::uint32_t octets = u32(blocks, 4);
    if (is_packet(type)) return walk == Walk::to_a_packet;
    if (type == block::kSection || octets < kLeastBlock || octets % 4 != 0 || octets > blocks.size()) return false;
    if (type == block::kInterface && !learn_interface(blocks.subspan(8, octets - kLeastBlock))) return false;
    blocks = blocks.subspan(octets);
  }
  return walk == Walk::to_the_end && blocks.empty();
}

/// Section 4.2 of the draft. What else may be wrong with an interface, libpcap says.
bool PcapngRecords::learn_interface(ByteView body) {
  constexpr std::uint16_t kEndOfOptions = 0;
  constexpr std::uint16_t kResolution = 9;
  constexpr std::uint16_t kOffset = 14;
  if (body.size() < 8) return false;
  std::uint32_t unit_ns = flowtable::kMicrosecondNs;
  for (ByteView options = body.subspan(8); options.size() >= 4;) {
    const std::uint16_t code = u16(options, 0);
    const std::size_t length = u16(options, 2);
    const std::size_t padded = (length + 3) / 4 * 4;
    if (padded > options.size() - 4) return false;
    if (code == kEndOfOptions) break;
    if (code == kResolution && length >= 1) {
      unit_ns = options[4] == 6 ? std::uint32_t{flowtable::kMicrosecondNs} : options[4] == 9 ? 1 : 0;
    }
    if (code == kOffset) unit_ns = 0;
    options = options.subspan(4 + padded);
  }
  units_.push_back({unit_ns, unit_ns == 0 ? 0 : kLatestNs / unit_ns});
  return true;
}

TakenRecords PcapngRecords::take(ByteView window, std::span<RawPacket> out, flowtable::TimeNs& last_time_ns,
                                 std::uint64_t& without_time) const noexcept {
  return swapped_ ? take_in_order<true>(window, out, last_time_ns, without_time)
                  : take_in_order<false>(window, out, last_time_ns, without_time);
}

template <bool kSwapped>
TakenRecords PcapngRecords::take_in_order(ByteView window, std::span<RawPacket> out, flowtable::TimeNs& last_time_ns,
                                          std::uint64_t& without_time) const noexcept {
  packet::Reader reader(window);
  std::size_t count = 0;
  const auto taken = [&](bool cut) { return TakenRecords{count, window.size() - reader.captured_size(), cut}; };
  while (count < out.size()) {
    const auto start = reader.peek<kLeastBlock>();
    if (!start) return taken(true);
    const std::uint32_t type = in_host_order<kSwapped>(start.raw<std::uint32_t, 0>());
    const std::uint32_t octets = in_host_order<kSwapped>(start.raw<std::uint32_t, 4>());
    if (octets < kLeastBlock || octets % 4 != 0 || type == block::kInterface || type == block::kSection ||
        type == block::kSimplePacket || type == block::kObsoletePacket) [[unlikely]]
      return taken(false);
    if (octets > reader.captured_size()) [[unlikely]]
      return taken(true);
    packet::Reader end = reader;
    end.skip(octets - kTrailer);
    const auto trailer = end.peek<kTrailer>();
    if (!trailer || trailer.raw<std::uint32_t, 0>() != start.raw<std::uint32_t, 4>()) [[unlikely]]
      return taken(false);
    if (type == block::kEnhancedPacket) [[likely]] {
      const auto header = reader.peek<kPacketHeader>();
      if (!header || octets < kPacketHeader + kTrailer) [[unlikely]]
        return taken(false);
      const std::uint32_t interface = in_host_order<kSwapped>(header.raw<std::uint32_t, 8>());
      const std::uint32_t captured = in_host_order<kSwapped>(header.raw<std::uint32_t, 20>());
      if (interface >= units_.size() || units_[interface].ns == 0 || captured > snapshot_length_ ||
          captured > octets - kPacketHeader - kTrailer) [[unlikely]]
        return taken(false);
      const std::uint64_t ticks = std::uint64_t{in_host_order<kSwapped>(header.raw<std::uint32_t, 12>())} << 32U |
                                  in_host_order<kSwapped>(header.raw<std::uint32_t, 16>());
      const Unit unit = units_[interface];
      if (ticks != 0 && ticks < unit.latest) [[likely]] {
        last_time_ns = static_cast<flowtable::TimeNs>(ticks * unit.ns);
      } else {
        ++without_time;
      }
      const std::uint32_t on_wire = in_host_order<kSwapped>(header.raw<std::uint32_t, 24>());
      out[count++] = {.captured = reader.captured().subspan(kPacketHeader, captured),
                      .wire_length = std::max(on_wire, captured),
                      .link_type = link_type_,
                      .time_ns = last_time_ns};
    }
    reader.skip(octets);
  }
  return taken(false);
}

std::uint16_t PcapngRecords::u16(ByteView octets, std::size_t at) const noexcept {
  std::uint16_t value = 0;
  std::memcpy(&value, octets.subspan(at, 2).data(), sizeof value);
  return swapped_ ? __builtin_bswap16(value) : value;
}

std::uint32_t PcapngRecords::u32(ByteView octets, std::size_t at) const noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, octets.subspan(at, 4).data(), sizeof value);
  return swapped_ ? __builtin_bswap32(value) : value;
}

}  // namespace doorslam::port
