#pragma once

#include <string_view>

#include "pipeline/packet/decode.h"
#include "tests/support/frame_builder.h"

namespace doorslam::test {

/// What one packet became, with the decoder that owns a reassembled payload.
struct Decoded {
  packet::DecodeOutcome outcome = packet::DecodeOutcome::not_ip;
  packet::Segment segment;
  packet::IcmpError error;

  std::string_view payload() const {
    return {reinterpret_cast<const char*>(segment.payload.data()), segment.payload.size()};
  }
};

inline Decoded decode_with(packet::Decoder& decoder, const packet::RawPacket& packet) {
  Decoded decoded;
  decoded.outcome = decoder.decode(packet, decoded.segment, decoded.error);
  return decoded;
}

/// Decodes one frame with a decoder of its own. The payload borrows from `frame`.
inline Decoded decode(const Bytes& frame, std::uint32_t link_type = 1, const packet::DecodeOptions& options = {}) {
  packet::Decoder decoder(options);
  return decode_with(decoder, raw_packet(frame, link_type));
}

}  // namespace doorslam::test

namespace doorslam::packet {
/// gtest prints names, not numbers.
inline void PrintTo(DecodeOutcome outcome, std::ostream* out) { *out << name_of(outcome); }
}  // namespace doorslam::packet
