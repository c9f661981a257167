#pragma once

#include "pipeline/packet/ip.h"
#include "pipeline/packet/reader.h"
#include "pipeline/packet/segment.h"

/// TCP headers (RFC 9293, section 3.1).
namespace doorslam::packet {

/// Timestamps padded in front with two no-operations, as everyone sends them (RFC 7323, appendix A): first four octets.
inline constexpr std::uint32_t kPaddedTimestamps = 0x0101080a;

/// Reads TCP options, as many as were captured. What follows a malformed one is not read.
void parse_tcp_options(Reader options, TcpOptions& out) noexcept;

/// Fills everything of `segment` that the TCP header says, the payload, and checksum_bad. `reader` is at the payload
/// of `ip`.
inline StopReason parse_tcp(Reader reader, const IpHeader& ip, bool verify_checksums, Segment& segment) noexcept {
  const Reader whole = reader;
  const auto header = reader.peek<20>();
  if (!header) [[unlikely]] {
    return reader.wire_size() < 20 && ip.whole ? DecodeOutcome::tcp_header_bad : DecodeOutcome::tcp_truncated;
  }
  const std::size_t header_octets = (header.u8<12>() >> 4U) * 4U;
  if (header_octets < 20 || header_octets > reader.wire_size()) [[unlikely]]
    return DecodeOutcome::tcp_header_bad;
  segment.source.port = header.be16<0>();
  segment.destination.port = header.be16<2>();
  segment.seq = header.be32<4>();
  segment.ack = header.be32<8>();
  segment.flags = header.u8<13>();
  segment.window = header.be16<14>();
  segment.options = {};
  reader.skip(20);
  if (header_octets > 20) {
    Reader options = reader;
    options.limit(header_octets - 20);
    parse_tcp_options(options, segment.options);
    reader.skip_on_wire(header_octets - 20);
  }
  segment.payload_length = static_cast<std::uint32_t>(reader.wire_size());
  segment.payload = reader.captured();
  segment.checksum_bad = false;
  if (verify_checksums && ip.whole && whole.captured_size() == whole.wire_size()) {
    const std::uint64_t sum =
        pseudo_header_sum(ip, ip_protocol::kTcp, whole.wire_size()) + checksum_of(whole.captured());
    segment.checksum_bad = !checksum_holds(sum);
  }
  return {};
}

}  // namespace doorslam::packet
