#include "tests/unit/packet/sample_frames.h"

namespace doorslam::test {
namespace {

Bytes be(std::uint64_t number, std::size_t octets) { return Frame::big_endian(number, octets); }
Bytes zeros(std::size_t octets) { return Bytes(octets, 0); }

Frame eth() { return Frame().ethernet(); }
Frame outer_v4() { return eth().ipv4("10.0.0.1", "10.0.0.2", {.ttl = 9, .id = 77}); }
Frame outer_udp(std::uint16_t port) { return outer_v4().udp({.source_port = 50000, .destination_port = port}); }
Frame outer_gre(std::uint16_t flags, const Bytes& fields) { return outer_v4().gre(flags, fields); }
/// GRE with a protocol type that the builder has no layer for.
Frame outer_gre(std::uint16_t flags, const Bytes& fields, std::uint16_t protocol) {
  return outer_v4().gre(flags, fields).next(protocol);
}

void add_link_types(std::vector<SampleFrame>& out) {
  out.push_back({"cooked", 113, sample_v4(Frame().linux_cooked())});
  out.push_back({"cooked2", 276, sample_v6(Frame().linux_cooked_v2().raw({})), 0, false});
  for (const std::uint32_t type : {12U, 14U, 101U, 228U}) out.push_back({"raw4", type, sample_v4()});
  for (const std::uint32_t type : {12U, 14U, 101U, 229U}) out.push_back({"raw6", type, sample_v6()});
  out.push_back({"null_little", 0, sample_v4(Frame().raw({2, 0, 0, 0}))});
  out.push_back({"null_big", 0, sample_v4(Frame().raw({0, 0, 0, 2}))});
  for (const std::uint8_t family : Bytes{10, 24, 28, 30}) {
    out.push_back({"null6", 0, sample_v6(Frame().raw({family, 0, 0, 0}))});
  }
  out.push_back({"loop", 108, sample_v4(Frame().raw({0, 0, 0, 2}))});
  out.push_back({"ppp", 9, sample_v4(Frame().ppp())});
  out.push_back({"ppp_hdlc", 50, sample_v6(Frame().raw({0xff, 0x03}).ppp())});
  out.push_back({"ppp_short_protocol", 9, sample_v4(Frame().raw({0x21}))});
  out.push_back({"ppp_ether", 51, sample_v4(Frame().pppoe())});
  out.push_back({"cisco_hdlc", 104, sample_v4(Frame().raw({0x0f, 0, 0x08, 0}))});
  out.push_back({"mpls", 219, sample_v4(Frame().mpls(16))});
  out.push_back({"fddi", 10, sample_v4(Frame().raw(Bytes(13, 0x50) + Bytes{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}))});
  const Bytes llc = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
  out.push_back({"wlan", 105, sample_v4(Frame().raw(Bytes{0x08, 0x01} + zeros(22) + llc))});
  out.push_back({"wlan_qos_wds", 105, sample_v4(Frame().raw(Bytes{0x88, 0x83} + zeros(28) + zeros(6) + llc))});
  out.push_back(
      {"radiotap", 127, sample_v4(Frame().raw(Bytes{0, 0, 9, 0, 1, 2, 3, 4, 5, 0x08, 0x02} + zeros(22) + llc))});
}

void add_tags(std::vector<SampleFrame>& out) {
  out.push_back({"ethernet4", 1, sample_v4(eth())});
  out.push_back({"ethernet6", 1, sample_v6(eth())});
  out.push_back({"padded", 1, sample_v4(eth()) + zeros(12)});
  out.push_back({"padded6", 1, sample_v6(eth()) + zeros(12)});
  out.push_back({"vlan", 1, sample_v4(eth().vlan(7)), 7});
  out.push_back({"vlan6", 1, sample_v6(eth().vlan(0xf07)), 0xf07});
  out.push_back({"qinq", 1, sample_v4(eth().vlan(100, 0x88a8).vlan(8)), 8});
  out.push_back({"qinq_9100", 1, sample_v4(eth().vlan(100, 0x9100).vlan(9)), 9});
  out.push_back({"qinq_9200", 1, sample_v6(eth().vlan(100, 0x9200).vlan(10)), 10});
  out.push_back({"mpls_ip", 1, sample_v4(eth().mpls(16, false).mpls(17))});
  out.push_back({"mpls_ip6", 1, sample_v6(eth().mpls(17))});
  out.push_back({"mpls_control_word", 1, sample_v4(eth().mpls(17).raw(zeros(4)).ethernet())});
  out.push_back({"mpls_pseudowire", 1, sample_v4(eth().mpls(17).ethernet().vlan(3)), 3});
  const Bytes mac_like_ip4 = {0x45, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 8, 0};
  out.push_back({"mpls_mac_like_ip", 1, sample_v4(eth().mpls(17).raw(mac_like_ip4))});
  out.push_back({"pppoe", 1, sample_v4(eth().pppoe())});
  out.push_back({"pppoe_qinq6", 1, sample_v6(eth().vlan(1, 0x88a8).vlan(2).pppoe()), 2});
  out.push_back({"pppoe_mpls", 1, sample_v4(eth().pppoe().mpls(5))});
  out.push_back({"pbb", 1, sample_v4(eth().next(0x88e7).raw({0, 0, 0, 1}).ethernet())});
  out.push_back({"fabric_path", 1, sample_v4(eth().next(0x8903).raw({0x12, 0x34}).ethernet().vlan(4)), 4});
  out.push_back({"vn_tag", 1, sample_v4(eth().next(0x8926).raw({0, 1, 0, 2, 0x81, 0, 0, 5, 8, 0})), 5});
  out.push_back({"llc_snap", 1, sample_v4(eth().llc_snap())});
  out.push_back({"llc_ip", 1, sample_v4(eth().next(40).raw({6, 6, 3}))});
}

void add_ip(std::vector<SampleFrame>& out) {
  const auto v4 = [](const Ipv4Fields& fields) {
    return eth().ipv4(kClient, kServer, fields).tcp(kSampleTcp).payload(kSamplePayload).bytes();
  };
  out.push_back({"ip_options", 1, v4({.options = {0x94, 4, 0, 0, 1}})});
  out.push_back({"ip_offload_length", 1, v4({.total_length = 0})});
  const auto v6 = [](Frame extended) { return extended.tcp(kSampleTcp).payload(kSamplePayload).bytes(); };
  const auto base = [] { return eth().ipv6(kClient6, kServer6); };
  out.push_back({"hop_by_hop", 1, v6(base().extension(0, Bytes{0} + zeros(6)))});
  out.push_back({"destination", 1, v6(base().extension(60, Bytes{1, 1, 12} + zeros(12)))});
  out.push_back({"ah", 1, v6(base().extension(51, Bytes{4} + zeros(22)))});
  out.push_back({"ah4", 1, v6(eth().ipv4(kClient, kServer).extension(51, Bytes{4} + zeros(22)))});
  out.push_back({"atomic_fragment", 1, v6(base().ipv6_fragment(0, false, 99))});
  out.push_back({"many_extensions", 1,
                 v6(base()
                        .extension(0, Bytes{0} + zeros(6))
                        .extension(43, Bytes{0} + zeros(6))
                        .extension(135, Bytes{0} + zeros(6))
                        .extension(60, Bytes{0} + zeros(6)))});
  out.push_back(
      {"ip6_offload_length", 1,
       eth().ipv6(kClient6, kServer6, {.payload_length = 0}).tcp(kSampleTcp).payload(kSamplePayload).bytes()});
}

void add_ip_tunnels(std::vector<SampleFrame>& out) {
  const auto tunnel = [&](const char* name, Bytes octets, std::uint16_t vlan = 0) {
    out.push_back({name, 1, std::move(octets), vlan, true});
  };
  tunnel("ipip", sample_v4(outer_v4()));
  tunnel("6in4", sample_v6(outer_v4()));
  tunnel("4in6", sample_v4(eth().ipv6("fd00::1", "fd00::2")));
  tunnel("6in6", sample_v6(eth().ipv6("fd00::1", "fd00::2")));
  tunnel("mpls_in_ip", sample_v4(outer_v4().mpls(5)));
  tunnel("gre", sample_v4(outer_gre(0, {})));
  tunnel("gre_all_fields", sample_v6(outer_gre(0xb000, zeros(12))));
  tunnel("gre_ethernet", sample_v4(outer_gre(0x2000, zeros(4)).ethernet().vlan(6)), 6);
  tunnel("gre_mpls", sample_v4(outer_gre(0, {}).mpls(5)));
  tunnel("gre_wccp1", sample_v4(outer_gre(0, {}, 0x883e)));
  tunnel("gre_wccp2", sample_v4(outer_gre(0, {}, 0x883e).raw(zeros(4))));
  tunnel("erspan1", sample_v4(outer_gre(0, {}, 0x88be).ethernet()));
  tunnel("erspan2", sample_v4(outer_gre(0x1000, zeros(4), 0x88be).raw(zeros(8)).ethernet().vlan(11)), 11);
  tunnel("erspan3", sample_v4(outer_gre(0x1000, zeros(4), 0x22eb).raw(zeros(12)).ethernet()));
  tunnel("erspan3_platform",
         sample_v4(outer_gre(0x1000, zeros(4), 0x22eb).raw(zeros(11) + Bytes{1} + zeros(8)).ethernet()));
  tunnel("erspan3_ip", sample_v4(outer_gre(0x1000, zeros(4), 0x22eb).raw(zeros(10) + Bytes{0x08, 0})));
  tunnel("pptp", sample_v4(outer_gre(0x3081, zeros(12)).ppp()));
  const Bytes subframe = zeros(12) + Bytes{0, 57} + Bytes{0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
  tunnel("aruba_aggregate",
         sample_v4(outer_gre(0, {}, 0x8240).raw(Bytes{0x88, 2} + zeros(22) + Bytes{0x80, 0} + subframe)));
  tunnel(
      "four_deep",
      sample_v4(outer_v4().ipv4("10.1.0.1", "10.1.0.2").ipv4("10.2.0.1", "10.2.0.2").ipv6("fd00::1", "fd00::2").gre()));
}

void add_udp_tunnels(std::vector<SampleFrame>& out) {
  const auto tunnel = [&](const char* name, Bytes octets, std::uint16_t vlan = 0) {
    out.push_back({name, 1, std::move(octets), vlan, true});
  };
  const Bytes vni = {8, 0, 0, 0, 0, 0, 42, 0};
  tunnel("vxlan", sample_v4(outer_udp(4789).raw(vni).ethernet()));
  tunnel("vxlan_old_port", sample_v6(outer_udp(8472).raw(vni).ethernet().vlan(12)), 12);
  tunnel("vxlan_from_port",
         sample_v4(outer_v4().udp({.source_port = 4789, .destination_port = 50000}).raw(vni).ethernet()));
  tunnel("geneve", sample_v4(outer_udp(6081).raw(Bytes{0, 0, 0x65, 0x58} + zeros(4)).ethernet()));
  tunnel("geneve_options_ip", sample_v4(outer_udp(6081).raw(Bytes{2, 0, 8, 0} + zeros(4) + zeros(8))));
  tunnel("gtp", sample_v4(outer_udp(2152).raw(Bytes{0x30, 0xff} + be(49, 2) + zeros(4))));
  tunnel("gtp_sequence", sample_v6(outer_udp(2152).raw(Bytes{0x32, 0xff} + be(73, 2) + zeros(4) + zeros(4))));
  tunnel("gtp_extensions",
         sample_v4(outer_udp(2152).raw(Bytes{0x34, 0xff} + be(65, 2) + zeros(4) + Bytes{0, 0, 0, 0x85} +
                                       Bytes{1, 0, 0, 0xc0} + Bytes{2, 0, 0, 0, 0, 0, 0, 0})));
  const Bytes authentication = Bytes{0, 1, 2, 3} + zeros(2) + zeros(3) + zeros(9);
  tunnel("teredo", sample_v6(outer_udp(3544)));
  tunnel("teredo_origin", sample_v6(outer_udp(3544).raw(zeros(8))));
  tunnel("teredo_authentication", sample_v6(outer_udp(3544).raw(authentication)));
  tunnel("teredo_both", sample_v6(outer_udp(3544).raw(authentication + zeros(8))));
  tunnel("ayiya", sample_v6(outer_udp(5072).raw(Bytes{0x44, 0x52, 0x11, 41} + zeros(4) + zeros(16) + zeros(20))));
}

}  // namespace

Bytes sample_v4(Frame outside) {
  return outside.ipv4(kClient, kServer).tcp(kSampleTcp).payload(kSamplePayload).bytes();
}

Bytes sample_v6(Frame outside) {
  return outside.ipv6(kClient6, kServer6).tcp(kSampleTcp).payload(kSamplePayload).bytes();
}

std::vector<SampleFrame> sample_frames() {
  std::vector<SampleFrame> frames;
  add_link_types(frames);
  add_tags(frames);
  add_ip(frames);
  add_ip_tunnels(frames);
  add_udp_tunnels(frames);
  return frames;
}

}  // namespace doorslam::test
