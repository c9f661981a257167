#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowtable/hash_key.h"
#include "flowtable/time.h"
#include "pipeline/packet/decode_outcome.h"
#include "pipeline/packet/ip.h"
#include "pipeline/packet/plain_frame.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/packet/reader.h"
#include "pipeline/packet/reassembly.h"
#include "pipeline/packet/segment.h"
#include "pipeline/packet/tunnel.h"

/// From a frame to a TCP segment, or to an ICMP error about one.
///
/// Link-layer headers are stripped until an IP header shows (link_layer.h). Fragments are put together
/// (reassembly.h). Tunnels are followed inwards (tunnel.h): the innermost TCP connection is the one that counts.
/// Whatever the octets say, a packet ends in exactly one DecodeOutcome and is counted there.
namespace doorslam::packet {

struct DecodeOptions {
  bool verify_checksums = true;              ///< false (-C): nothing is verified, e.g. with checksum offload
  std::size_t reassembly_bytes = 4U << 20U;  ///< memory for fragments; below kMinReassemblyBytes: no reassembly
  flowtable::DurationNs reassembly_timeout_ns = 30 * flowtable::kSecondNs;
  TunnelPorts tunnel_ports;  ///< UDP ports whose payload may be a tunnel
  /// For captures, to be repeatable; live traffic takes a random one.
  flowtable::HashKey hash_key = flowtable::HashKey::fixed();
};

/// worker-bound. No allocation after construction.
class Decoder {
 public:
  explicit Decoder(const DecodeOptions& options);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Decodes one packet and counts it. Fills `segment` when the outcome is tcp, `error` when it is icmp_error; both are
  /// unspecified otherwise. A segment with a bad TCP checksum is an outcome of tcp, with checksum_bad set; a checksum
  /// that cannot be verified (snap length, fragment) passes. What a card calls good (RawPacket::checksums_good) is
  /// believed where it must mean this segment: without tunnel and fragments. `segment.payload` borrows from `packet`;
  /// that of a reassembled datagram borrows from the decoder until recycle().
  DecodeOutcome decode(const RawPacket& packet, Segment& segment, IcmpError& error) noexcept;

  /// Takes back the memory of reassembled datagrams. To be called once a burst, when its segments are done with.
  void recycle() noexcept { reassembler_.recycle(); }

  const DecodeCounters& counters() const noexcept { return counters_; }

 private:
  /// What lies around the innermost IP packet.
  struct Surroundings {
    std::uint16_t vlan = 0;
    bool tunneled = false;
  };

  [[gnu::noinline]] DecodeOutcome decode_any_frame(const RawPacket& packet, Segment& segment,
                                                   IcmpError& error) noexcept;
  DecodeOutcome decode_link(const RawPacket& packet, Segment& segment, IcmpError& error) noexcept;
  DecodeOutcome decode_ip(Reader reader, std::uint16_t vlan, const RawPacket& packet, Segment& segment,
                          IcmpError& error) noexcept;
  DecodeOutcome decode_tcp(const Reader& reader, const IpHeader& ip, Surroundings around, const RawPacket& packet,
                           Segment& segment) noexcept;
  StopReason reassemble(Reader& reader, IpHeader& ip, flowtable::TimeNs now_ns) noexcept;

  bool verify_checksums_;
  UdpTunnels udp_tunnels_;
  DecodeCounters counters_;
  Reassembler reassembler_;
};

// In the caller's loop, of which the plain frame is nearly all; the general path must stay outside, as it would take
// the registers.
[[gnu::always_inline]] inline DecodeOutcome Decoder::decode(const RawPacket& packet, Segment& segment,
                                                            IcmpError& error) noexcept {
  const bool verify = verify_checksums_ & !packet.checksums_good;  // no branch is needed for it
  if (!decode_plain_frame(packet, verify, segment)) [[unlikely]]
    return decode_any_frame(packet, segment, error);
  counters_.tcp_checksum_bad += segment.checksum_bad ? 1 : 0;
  ++counters_.packets[index_of(DecodeOutcome::tcp)];
  return DecodeOutcome::tcp;
}

}  // namespace doorslam::packet
