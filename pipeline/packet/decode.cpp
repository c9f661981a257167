#include "pipeline/packet/decode.h"

#include "pipeline/packet/icmp.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/tcp_header.h"

namespace doorslam::packet {
namespace {

constexpr int kMaxTunnels = 4;

/// Transport protocols of which doorslam wants the whole datagram. UDP only where it may be a tunnel.
bool is_wanted(const IpHeader& ip, const Reader& payload, const UdpTunnels& udp_tunnels) noexcept {
  switch (ip.protocol) {
    case ip_protocol::kTcp:
    case ip_protocol::kIcmp:
    case ip_protocol::kIcmpv6:
    case ip_protocol::kGre:
    case ip_protocol::kIpv4:
    case ip_protocol::kIpv6:
    case ip_protocol::kMpls:
    case ip_protocol::kAh:
      return true;
    case ip_protocol::kUdp: {
      const auto ports = payload.peek<4>();
      return ip.offset != 0 || !ports || udp_tunnels.between(ports.be16<0>(), ports.be16<2>()) != UdpTunnel::none;
    }
    default:
      return !ip.is_v4();  // an extension header, perhaps
  }
}

DecodeOutcome outcome_of_unwanted(std::uint8_t protocol) noexcept {
  if (protocol == ip_protocol::kUdp) return DecodeOutcome::udp;
  return protocol == ip_protocol::kEsp ? DecodeOutcome::encrypted : DecodeOutcome::not_tcp;
}

/// Whether the octets that are left lie where the frame is, and not where fragments are put together.
bool lies_in(const RawPacket& packet, const Reader& reader) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(packet.captured.data());
  const auto at = reinterpret_cast<std::uintptr_t>(reader.captured().data());
  return begin <= at && at <= begin + packet.captured.size();
}

}  // namespace

Decoder::Decoder(const DecodeOptions& options)
    : verify_checksums_(options.verify_checksums),
      udp_tunnels_(options.tunnel_ports),
      reassembler_(options.reassembly_bytes, options.reassembly_timeout_ns, options.hash_key, counters_) {}

inline DecodeOutcome Decoder::decode_tcp(const Reader& reader, const IpHeader& ip, Surroundings around,
                                         const RawPacket& packet, Segment& segment) noexcept {
  if (const StopReason stop = parse_tcp(reader, ip, verify_checksums_, segment)) return *stop;
  segment.time_ns = packet.time_ns;
  segment.number = packet.number;
  assign(segment.source.address, ip.source);
  assign(segment.destination.address, ip.destination);
  segment.vlan = around.vlan;
  segment.ip_id = ip.is_v4() ? static_cast<std::uint16_t>(ip.id) : std::uint16_t{0};
  segment.ttl = ip.ttl;
  segment.dont_fragment = ip.dont_fragment;
  segment.tunneled = around.tunneled;
  if (segment.checksum_bad) [[unlikely]]
    ++counters_.tcp_checksum_bad;
  if (around.tunneled) [[unlikely]]
    ++counters_.tunneled;
  return DecodeOutcome::tcp;
}

DecodeOutcome Decoder::decode_any_frame(const RawPacket& packet, Segment& segment, IcmpError& error) noexcept {
  const DecodeOutcome outcome = decode_link(packet, segment, error);
  ++counters_.packets[index_of(outcome)];
  return outcome;
}

DecodeOutcome Decoder::decode_link(const RawPacket& packet, Segment& segment, IcmpError& error) noexcept {
  Reader reader(packet.captured, packet.wire_length);
  std::uint16_t vlan = 0;
  if (packet.link_type != link_type::kEthernet || !strip_plain_ethernet(reader, vlan)) {
    if (const StopReason stop = reach_ip(start_of_frame(packet.link_type, reader), reader, vlan)) return *stop;
  }
  return decode_ip(reader, vlan, packet, segment, error);
}

/// Inwards through tunnels, until a transport header or a reason to stop.
DecodeOutcome Decoder::decode_ip(Reader reader, std::uint16_t vlan, const RawPacket& packet, Segment& segment,
                                 IcmpError& error) noexcept {
  for (int depth = 0; depth <= kMaxTunnels; ++depth) {
    IpHeader ip;
    if (const StopReason stop = parse_ip(reader, verify_checksums_, ip)) return *stop;
    if (ip.fragment) [[unlikely]] {
      if (const StopReason stop = reassemble(reader, ip, packet.time_ns)) return *stop;
    }
    if (ip.protocol == ip_protocol::kTcp) {
      return decode_tcp(reader, ip, {.vlan = vlan, .tunneled = depth > 0}, packet, segment);
    }
    if (ip.protocol == (ip.is_v4() ? ip_protocol::kIcmp : ip_protocol::kIcmpv6)) {
      error.time_ns = packet.time_ns;
      error.number = packet.number;
      error.vlan = vlan;
      error.ttl = ip.ttl;
      error.reassembled = !lies_in(packet, reader);
      assign(error.reporter, ip.source);
      return parse_icmp(reader, ip, verify_checksums_, error);
    }
    if (const StopReason stop = enter_tunnel(ip, udp_tunnels_, reader, vlan)) return *stop;
  }
  return DecodeOutcome::nested_too_deep;
}

/// Makes of the fragment `ip` the whole datagram, or of a first fragment whose datagram cannot be had, a packet of its
/// own. Afterwards ip.protocol is an upper layer again.
StopReason Decoder::reassemble(Reader& reader, IpHeader& ip, flowtable::TimeNs now_ns) noexcept {
  if (!is_wanted(ip, reader, udp_tunnels_)) {
    const DecodeOutcome outcome = outcome_of_unwanted(ip.protocol);
    if (ip.offset == 0) reassembler_.give_up(ip, now_ns, outcome);
    return outcome;
  }
  const Reassembler::Result result = reassembler_.add(ip, reader, now_ns);
  if (result.complete) {
    reader = Reader(result.datagram);
    ip.protocol = result.protocol;
    ip.ttl = result.ttl;
  } else {
    if (result.outcome != DecodeOutcome::fragment_lost || ip.offset != 0) return result.outcome;
    ip.whole = false;
  }
  return skip_extensions(reader, ip);
}

}  // namespace doorslam::packet
