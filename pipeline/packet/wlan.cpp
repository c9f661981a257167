#include "pipeline/packet/wlan.h"

namespace doorslam::packet {

Position strip_wlan(Reader& reader) noexcept {
  constexpr unsigned kDataType = 2;
  constexpr Position kTruncated = {.reason = DecodeOutcome::frame_truncated};
  const auto header = reader.take<24>();
  if (!header) return kTruncated;
  const std::uint8_t control = header.u8<0>();
  const std::uint8_t flags = header.u8<1>();
  const bool quality_of_service = (control & 0x80U) != 0;
  const bool without_data = (control & 0x40U) != 0;
  const bool four_addresses = (flags & 0x03U) == 0x03U;
  const bool high_throughput_control = quality_of_service && (flags & 0x80U) != 0;
  if (((control >> 2U) & 3U) != kDataType || without_data) return {.reason = DecodeOutcome::not_ip};
  if ((flags & 0x40U) != 0) return {.reason = DecodeOutcome::encrypted};
  if (four_addresses && !reader.skip(6)) return kTruncated;
  bool aggregate = false;
  if (quality_of_service) {
    const auto qos = reader.take<2>();
    if (!qos) return kTruncated;
    aggregate = (qos.u8<0>() & 0x80U) != 0;
  }
  if (high_throughput_control && !reader.skip(4)) return kTruncated;
  if (aggregate && !reader.skip(14)) return kTruncated;  // addresses and length of its first frame
  return {.layer = Layer::llc};
}

}  // namespace doorslam::packet
