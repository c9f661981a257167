#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/packet/ip.h"
#include "pipeline/packet/reader.h"

/// Tunnels over IP: GRE (with ERSPAN, PPTP), IP in IP, 6in4, MPLS, and those over UDP by their ports.
namespace doorslam::packet {

/// UDP ports (source or destination) whose payload is tried as a tunnel. Others are never tried, but for Teredo between
/// two clients, which its addresses prove. At most UdpTunnels::kMaxPorts in all.
struct TunnelPorts {
  std::vector<std::uint16_t> vxlan = {4789, 8472};  ///< RFC 7348; 8472 is Linux's older default
  std::vector<std::uint16_t> geneve = {6081};       ///< RFC 8926
  std::vector<std::uint16_t> gtp_u = {2152};        ///< 3GPP TS 29.281, version 1
  std::vector<std::uint16_t> teredo = {3544};       ///< RFC 4380
  std::vector<std::uint16_t> ayiya = {5072};        ///< draft-massar-v6ops-ayiya-02
};

enum class UdpTunnel : std::uint8_t { none, vxlan, geneve, gtp_u, teredo, ayiya };

/// The ports, laid out for a quick search. immutable after start.
class UdpTunnels {
 public:
  static constexpr std::size_t kMaxPorts = 32;

  /// Ports beyond kMaxPorts are not used: configuration refuses them before.
  explicit UdpTunnels(const TunnelPorts& ports);

  /// The tunnel that may run between these ports.
  UdpTunnel between(std::uint16_t port_a, std::uint16_t port_b) const noexcept;

 private:
  void add(const std::vector<std::uint16_t>& ports, UdpTunnel kind);

  std::array<std::uint16_t, kMaxPorts> ports_{};
  std::array<UdpTunnel, kMaxPorts> kinds_{};
  std::size_t count_ = 0;
};

/// Enters the tunnel that the payload of `ip` may be: then there is no reason to stop, and the reader at the inner IP
/// header. Otherwise it is what the packet is (udp, encrypted, not_tcp, tunnel_other, ...). What looks like a tunnel by
/// its UDP port alone is udp unless a plausible IP packet is in it. A VLAN tag inside replaces `vlan`.
StopReason enter_tunnel(const IpHeader& ip, const UdpTunnels& udp_tunnels, Reader& reader,
                        std::uint16_t& vlan) noexcept;

}  // namespace doorslam::packet
