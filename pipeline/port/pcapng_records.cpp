#include "pipeline/port/pcapng_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/reader.h"

namespace doorslam::port {
namespace {

using packet::ByteView;
using packet::RawPacket;

namespace block {
constexpr std::uint32_t kSection = 0x0a0d0d0a;  ///< reads alike in either byte order
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
}  // namespace block

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::size_t kLeastBlock = 12;  ///< type, length, length again
constexpr std::size_t kPacketHeader = 28;
constexpr std::size_t kTrailer = 4;
constexpr auto kLatestNs = static_cast<std::uint64_t>(flowtable::kLatestNs);
constexpr std::uint64_t kLatestSecond = kLatestNs / flowtable::kSecondNs;

bool is_packet(std::uint32_t type) noexcept {
  return type == block::kEnhancedPacket || type == block::kSimplePacket || type == block::kObsoletePacket;
}

}  // namespace

bool PcapngRecords::begins(ByteView head) noexcept {
  const auto start = packet::Reader(head).peek<4>();
  return start && start.raw<std::uint32_t, 0>() == block::kSection;
}

bool PcapngRecords::at_packet(ByteView window) const noexcept {
  return window.size() >= kBlockHeaderOctets && is_packet(u32(window, 0));
}

std::vector<std::uint32_t> PcapngRecords::link_types() const {
  std::vector<std::uint32_t> types;
  for (const Unit& unit : units_) types.push_back(unit.link_type);
  return types;
}

Result<TakenRecords> PcapngRecords::take_block(ByteView window, RawPacket& out, flowtable::TimeNs& last_time_ns,
                                               std::uint64_t& without_time) {
  if (window.size() < kLeastBlock) return TakenRecords{.cut = true};
  const bool section = begins(window);
  if (section) {
    swapped_ = false;
    swapped_ = u32(window, kBlockHeaderOctets) != kByteOrderMagic;
    if (u32(window, kBlockHeaderOctets) != kByteOrderMagic)
      return data_error("a section that does not tell its byte order");
  }
  const std::uint32_t type = u32(window, 0);
  const std::uint32_t octets = u32(window, 4);
  // Of a section's header the first length is believed, as libpcap does.
  if (octets < kLeastBlock || (octets % 4 != 0 && !section) || octets > kLongestBlockOctets)
    return data_error(fmt::format("a block length of {}: it must be a multiple of 4, from 12 to 16 MiB", octets));
  if (octets > window.size()) return TakenRecords{.cut = true};
  if (const std::uint32_t again = u32(window, octets - kTrailer); again != octets && !section)
    return data_error(fmt::format("a block of {} octets by its start, of {} by its end", octets, again));
  const ByteView body = window.subspan(kBlockHeaderOctets, octets - kLeastBlock);
  TakenRecords taken{.octets = octets};
  if (section || type == block::kInterface) {
    if (auto learned = section ? begin_section(body) : learn_interface(body); !learned)
      return tl::unexpected(std::move(learned.error()));
  } else if (is_packet(type)) {
    auto packet = packet_in(type, body);
    if (!packet) return tl::unexpected(std::move(packet.error()));
    if (packet->time_ns == flowtable::kNoTime) ++without_time;
    if (packet->time_ns != flowtable::kNoTime) last_time_ns = packet->time_ns;
    packet->time_ns = last_time_ns;
    out = *packet;
    taken.packets = 1;
  }
  return taken;
}

/// Section 4.1 of the draft. A section has interfaces of its own.
Result<void> PcapngRecords::begin_section(ByteView body) {
  if (body.size() < 16) return data_error("a section header without a version");
  if (const std::uint16_t major = u16(body, 4); major != 1)
    return data_error(fmt::format("a section of pcapng version {}.{}; 1.0 is known", major, u16(body, 6)));
  units_.clear();
  clocks_.clear();
  return {};
}

/// Section 4.2.
Result<void> PcapngRecords::learn_interface(ByteView body) {
  if (body.size() < 8) return data_error("an interface without a link type");
  const auto clock = clock_of(body.subspan(8));
  if (!clock) return tl::unexpected(clock.error());
  const std::uint64_t unit_ns = flowtable::kSecondNs / clock->ticks_a_second;
  const bool plain = !clock->binary && clock->offset_seconds == 0 && (unit_ns == 1 || unit_ns == 1000);
  const std::uint16_t link_type = u16(body, 0);
  const std::uint32_t most = packet::reads_link_type(link_type) ? kMaxCaptured : kLongestBlockOctets;
  const std::uint32_t limit = u32(body, 4);
  const bool limited = limit > 0 && limit <= std::uint32_t{std::numeric_limits<std::int32_t>::max()};
  units_.push_back({.latest = plain ? kLatestNs / unit_ns : 0,
                    .snapshot_length = limited ? limit : most,
                    .ns = plain ? static_cast<std::uint16_t>(unit_ns) : std::uint16_t{0},
                    .link_type = link_type});
  clocks_.push_back(*clock);
  return {};
}

/// if_tsresol and if_tsoffset. libpcap refuses the same.
Result<PcapngRecords::Clock> PcapngRecords::clock_of(ByteView options) const {
  constexpr std::uint16_t kEndOfOptions = 0;
  constexpr std::uint16_t kResolution = 9;
  constexpr std::uint16_t kOffset = 14;
  Clock clock;
  bool has_resolution = false;
  bool has_offset = false;
  while (!options.empty()) {
    const std::size_t length = options.size() < 4 ? 0 : u16(options, 2);
    const std::size_t octets = 4 + (length + 3) / 4 * 4;
    if (octets > options.size()) return data_error("an interface with an option that is cut off");
    const std::uint16_t code = u16(options, 0);
    if (code == kEndOfOptions) {
      if (length != 0) return data_error("an interface whose list of options has no proper end");
      break;
    }
    if (code == kResolution) {
      if (length != 1 || has_resolution) return data_error("an interface without a clear unit of time");
      has_resolution = true;
      const unsigned exponent = options[4] & 0x7fU;
      clock.binary = (options[4] & 0x80U) != 0;
      if (exponent > (clock.binary ? 63U : 19U))
        return data_error(fmt::format("an interface in units of {}^-{} s", clock.binary ? 2 : 10, exponent));
      clock.ticks_a_second = 1;
      for (unsigned i = 0; i < exponent; ++i) clock.ticks_a_second *= clock.binary ? 2 : 10;
    }
    if (code == kOffset) {
      if (length != 8 || has_offset) return data_error("an interface without a clear offset of time");
      has_offset = true;
      // The whole number is in the section's byte order.
      const std::uint64_t first = u32(options, 4);
      const std::uint64_t second = u32(options, 8);
      const bool high_first = swapped_ == (std::endian::native == std::endian::little);
      clock.offset_seconds = high_first ? first << 32U | second : second << 32U | first;
    }
    options = options.subspan(octets);
  }
  return clock;
}

flowtable::TimeNs PcapngRecords::Clock::time_of(std::uint64_t ticks) const noexcept {
  const std::uint64_t seconds = ticks / ticks_a_second + offset_seconds;
  if (seconds >= kLatestSecond) return flowtable::kNoTime;
  std::uint64_t rest = ticks % ticks_a_second;
  std::uint64_t whole = ticks_a_second;
  // Bits below a nanosecond make room for the product; a power of ten has its own way.
  for (; binary && whole > std::uint64_t{1} << 34U; whole >>= 1U) rest >>= 1U;
  const std::uint64_t second_ns = flowtable::kSecondNs;
  const std::uint64_t rest_ns = !binary && whole > second_ns ? rest / (whole / second_ns) : rest * second_ns / whole;
  return static_cast<flowtable::TimeNs>(seconds * second_ns + rest_ns);
}

/// Sections 4.3 and 4.4, and the Packet Block of appendix A. `time_ns` is kNoTime where the block has no sensible time.
Result<RawPacket> PcapngRecords::packet_in(std::uint32_t type, ByteView body) const {
  const bool simple = type == block::kSimplePacket;
  const std::size_t header = simple ? 4 : kPacketHeader - kBlockHeaderOctets;
  if (body.size() < header) return data_error("a packet without all of its header");
  const std::uint32_t interface = simple ? 0 : type == block::kObsoletePacket ? u16(body, 0) : u32(body, 0);
  if (interface >= units_.size())
    return data_error(fmt::format("a packet of interface {}, which nothing before it describes", interface));
  const Unit& unit = units_[interface];
  const std::uint32_t on_wire = u32(body, simple ? 0 : 16);
  const std::uint32_t captured = simple ? std::min(on_wire, unit.snapshot_length) : u32(body, 12);
  if (captured > unit.snapshot_length)
    return data_error(fmt::format("a packet of {} octets where the snap length is {}", captured, unit.snapshot_length));
  if (captured > body.size() - header)
    return data_error(fmt::format("a packet of {} octets where {} are left", captured, body.size() - header));
  const std::uint64_t ticks = simple ? 0 : std::uint64_t{u32(body, 4)} << 32U | u32(body, 8);
  return RawPacket{.captured = body.subspan(header, captured),
                   .wire_length = std::max(on_wire, captured),
                   .link_type = unit.link_type,
                   .time_ns = clocks_[interface].time_of(ticks)};
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
  const std::span<const Unit> units(units_);
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
      if (interface >= units.size()) [[unlikely]]
        return taken(false);
      const Unit unit = units[interface];
      if (unit.ns == 0 || captured > unit.snapshot_length || captured > octets - kPacketHeader - kTrailer) [[unlikely]]
        return taken(false);
      const std::uint64_t ticks = std::uint64_t{in_host_order<kSwapped>(header.raw<std::uint32_t, 12>())} << 32U |
                                  in_host_order<kSwapped>(header.raw<std::uint32_t, 16>());
      if (ticks != 0 && ticks < unit.latest) [[likely]] {
        last_time_ns = static_cast<flowtable::TimeNs>(ticks * unit.ns);
      } else {
        ++without_time;
      }
      const std::uint32_t on_wire = in_host_order<kSwapped>(header.raw<std::uint32_t, 24>());
      out[count++] = {.captured = reader.captured().subspan(kPacketHeader, captured),
                      .wire_length = std::max(on_wire, captured),
                      .link_type = unit.link_type,
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
