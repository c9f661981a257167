#include "pipeline/packet/icmp.h"

namespace doorslam::packet {
namespace {

/// Unreachable, source quench, redirect, time exceeded, parameter problem.
constexpr bool is_v4_error(std::uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/// Unreachable, packet too big, time exceeded, parameter problem.
constexpr bool is_v6_error(std::uint8_t type) { return type >= 1 && type <= 4; }

bool checksum_bad(const Reader& message, const IpHeader& ip) noexcept {
  if (!ip.whole || message.captured_size() < message.wire_size()) return false;
  std::uint64_t sum = checksum_of(message.captured());
  if (ip.protocol == ip_protocol::kIcmpv6) sum += pseudo_header_sum(ip, ip_protocol::kIcmpv6, message.wire_size());
  return !checksum_holds(sum);
}

}  // namespace

DecodeOutcome parse_icmp(Reader reader, const IpHeader& ip, bool verify_checksums, IcmpError& error) noexcept {
  const Reader message = reader;
  const auto header = reader.take<8>();
  if (!header) return DecodeOutcome::icmp_other;
  error.type = header.u8<0>();
  error.code = header.u8<1>();
  const bool is_error = ip.protocol == ip_protocol::kIcmpv6 ? is_v6_error(error.type) : is_v4_error(error.type);
  if (!is_error) return DecodeOutcome::icmp_other;
  if (verify_checksums && checksum_bad(message, ip)) return DecodeOutcome::icmp_checksum_bad;
  IpHeader quoted;
  if (const StopReason stop = parse_quoted_ip(reader, quoted)) return *stop;
  if (quoted.protocol != ip_protocol::kTcp || quoted.offset != 0) return DecodeOutcome::icmp_other;
  const auto tcp = reader.take<8>();
  if (!tcp) return DecodeOutcome::icmp_truncated;
  assign(error.source.address, quoted.source);
  assign(error.destination.address, quoted.destination);
  error.source.port = tcp.be16<0>();
  error.destination.port = tcp.be16<2>();
  error.seq = tcp.be32<4>();
  return DecodeOutcome::icmp_error;
}

}  // namespace doorslam::packet
