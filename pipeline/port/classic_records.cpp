#include "pipeline/port/classic_records.h"

#include <algorithm>

#include "flowtable/prefetch.h"
#include "pipeline/packet/reader.h"

namespace doorslam::port {
namespace {

using packet::RawPacket;

constexpr std::uint32_t kMicrosecondMagic = 0xa1b2c3d4;
constexpr std::uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kRecordHeader = 16;
/// Where the next record begins is told by this one only, so the processor does not look far ahead by itself.
constexpr std::size_t kAhead = 512;

}  // namespace

std::optional<ClassicRecords> ClassicRecords::of(packet::ByteView head, std::uint32_t link_type,
                                                 std::uint32_t snapshot_length) noexcept {
  const auto header = packet::Reader(head).peek<kFileHeader>();
  if (!header) return {};
  const auto magic = header.raw<std::uint32_t, 0>();
  const bool micro = magic == kMicrosecondMagic || magic == __builtin_bswap32(kMicrosecondMagic);
  const bool nano = magic == kNanosecondMagic || magic == __builtin_bswap32(kNanosecondMagic);
  if (!micro && !nano) return {};
  ClassicRecords records;
  records.swapped_ = magic != kMicrosecondMagic && magic != kNanosecondMagic;
  const auto major = header.raw<std::uint16_t, 4>();
  const auto minor = header.raw<std::uint16_t, 6>();
  // Before 2.4 the two lengths of a record may change places.
  const bool version_2_4 = records.swapped_ ? major == 0x0200 && minor == 0x0400 : major == 2 && minor == 4;
  if (!version_2_4) return {};
  records.link_type_ = link_type;
  records.snapshot_length_ = snapshot_length;
  records.units_a_second_ = nano ? 1'000'000'000 : 1'000'000;
  records.unit_ns_ = nano ? 1 : flowtable::kMicrosecondNs;
  return records;
}

TakenRecords ClassicRecords::take(packet::ByteView window, std::span<RawPacket> out, flowtable::TimeNs& last_time_ns,
                                  std::uint64_t& without_time) const noexcept {
  return swapped_ ? take_in_order<true>(window, out, last_time_ns, without_time)
                  : take_in_order<false>(window, out, last_time_ns, without_time);
}

template <bool kSwapped>
TakenRecords ClassicRecords::take_in_order(packet::ByteView window, std::span<RawPacket> out,
                                           flowtable::TimeNs& last_time_ns,
                                           std::uint64_t& without_time) const noexcept {
  packet::Reader reader(window);
  flowtable::TimeNs time_ns = last_time_ns;
  std::size_t count = 0;
  bool cut = false;
  for (; count < out.size(); ++count) {
    const auto header = reader.peek<kRecordHeader>();
    if (!header) [[unlikely]] {
      cut = true;
      break;
    }
    flowtable::prefetch_line(reader.captured().data() + kAhead);
    const std::uint32_t stored = in_host_order<kSwapped>(header.raw<std::uint32_t, 8>());
    const std::uint32_t on_wire = in_host_order<kSwapped>(header.raw<std::uint32_t, 12>());
    if (stored > kMaxCaptured || reader.captured_size() - kRecordHeader < stored) [[unlikely]] {
      cut = stored <= kMaxCaptured;
      break;
    }
    const std::uint32_t seconds = in_host_order<kSwapped>(header.raw<std::uint32_t, 0>());
    const std::uint32_t fraction = in_host_order<kSwapped>(header.raw<std::uint32_t, 4>());
    if ((seconds | fraction) != 0 && fraction < units_a_second_) [[likely]] {
      time_ns = seconds * flowtable::kSecondNs + fraction * unit_ns_;
    } else {
      ++without_time;
    }
    reader.skip(kRecordHeader);
    const std::uint32_t captured = std::min(stored, snapshot_length_);
    out[count] = {.captured = reader.captured().first(captured),
                  .wire_length = std::max(on_wire, captured),
                  .link_type = link_type_,
                  .time_ns = time_ns};
    reader.skip(stored);
  }
  last_time_ns = time_ns;
  return {count, window.size() - reader.captured_size(), cut};
}

}  // namespace doorslam::port
