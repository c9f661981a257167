#pragma once

#include <arpa/inet.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include "pipeline/diagnose/diagnosis.h"

/// Hand-built connections for the tests of alerts and report.
namespace doorslam::alert::sample {

inline constexpr flowtable::TimeNs kEpoch = 1'767'323'045'000'000'000;  ///< 2026-01-02T03:04:05Z
inline constexpr flowtable::DurationNs kUs = flowtable::kMicrosecondNs;
inline constexpr flowtable::DurationNs kMs = flowtable::kMillisecondNs;
inline constexpr flowtable::DurationNs kS = flowtable::kSecondNs;

inline flowtable::IpAddress address(const std::string& text) {
  flowtable::IpAddress out;
  if (inet_pton(AF_INET, text.c_str(), out.octets.data()) == 1) return out;
  out.version = flowtable::IpVersion::v6;
  if (inet_pton(AF_INET6, text.c_str(), out.octets.data()) != 1) std::abort();
  return out;
}

inline flowtable::Endpoint endpoint(const std::string& text, std::uint16_t port) { return {address(text), port}; }

inline void set_history(tcp::ConnectionSummary& summary, std::string_view letters) {
  summary.history.length = static_cast<std::uint8_t>(letters.copy(summary.history.letters.data(), letters.size()));
}

/// A connection as the tracker and the diagnosis would hand it over, without evidence.
inline diagnose::DiagnosedConnection connection(diagnose::Cause cause, const flowtable::Endpoint& client,
                                                const flowtable::Endpoint& server, flowtable::TimeNs start_ns) {
  static std::uint64_t number = 0;
  diagnose::DiagnosedConnection out;
  out.summary.originator = client;
  out.summary.responder = server;
  out.summary.start_ns = start_ns;
  out.summary.end_ns = start_ns + 2 * kMs;
  out.summary.id = ++number;
  out.diagnosis.cause = cause;
  out.diagnosis.confidence = 0.9;
  out.judged_ns = out.summary.end_ns + 5 * kS;
  return out;
}

inline tcp::Rung rung(flowtable::DurationNs since_ns, tcp::Side side, std::uint8_t flags, std::uint32_t seq,
                      std::uint32_t ack, std::uint16_t length, std::uint8_t ttl) {
  tcp::Rung out{};
  out.time_ns = kEpoch + since_ns;
  out.side = side;
  out.flags = flags;
  out.seq = seq;
  out.ack = ack;
  out.length = length;
  out.window = 64240;
  out.ttl = ttl;
  return out;
}

inline void add_rung(tcp::Evidence& evidence, const tcp::Rung& rung) {
  const std::uint32_t at = evidence.rung_count++;
  if (at < tcp::Evidence::kFirstRungs) evidence.first_rungs[at] = rung;
  evidence.last_rungs[at % tcp::Evidence::kLastRungs] = rung;
}

/// The classic case: handshake, then the server's FIN without a byte; refused by address.
inline diagnose::DiagnosedConnection classic() {
  using namespace packet::tcp_flag;
  using tcp::Side;
  auto out =
      connection(diagnose::Cause::acl_denied, endpoint("192.0.2.10", 40001), endpoint("198.51.100.5", 21), kEpoch);
  auto& summary = out.summary;
  summary.id = 17;
  summary.end_ns = kEpoch + 2'100 * kUs;
  summary.conn_state = tcp::ConnState::SF;
  summary.stage = tcp::Stage::accepted;
  summary.vlan = 42;
  set_history(summary, "ShAFaf");
  summary.side[0].packets = 4;
  summary.side[1].packets = 3;
  tcp::Evidence evidence;
  evidence.syn_ns = evidence.last_syn_ns = kEpoch;
  evidence.syn_ack_ns = kEpoch + 420 * kUs;
  evidence.handshake_ns = kEpoch + 790 * kUs;
  evidence.of(Side::responder).fin_ns = kEpoch + 1'350 * kUs;
  evidence.of(Side::originator).fin_ns = kEpoch + 1'700 * kUs;
  add_rung(evidence, rung(0, Side::originator, kSyn, 0, 0, 0, 63));
  add_rung(evidence, rung(420 * kUs, Side::responder, kSyn | kAck, 0, 1, 0, 64));
  add_rung(evidence, rung(790 * kUs, Side::originator, kAck, 1, 1, 0, 63));
  add_rung(evidence, rung(1'350 * kUs, Side::responder, kFin | kAck, 1, 1, 0, 64));
  add_rung(evidence, rung(1'360 * kUs, Side::originator, kAck, 1, 2, 0, 63));
  add_rung(evidence, rung(1'700 * kUs, Side::originator, kFin | kAck, 1, 2, 0, 63));
  add_rung(evidence, rung(2'100 * kUs, Side::responder, kAck, 2, 2, 0, 64));
  out.evidence = std::make_shared<const tcp::Evidence>(evidence);
  auto& diagnosis = out.diagnosis;
  diagnosis.confidence = 0.87;
  diagnosis.hypotheses = {
      {diagnose::Cause::acl_denied, 0.87, {"this client was refused 4 of 4 times while 9 others were served"}, {}},
      {diagnose::Cause::connection_limit,
       0.11,
       {},
       {"no 421 or other word of a limit", "3 sessions were open where 12 had been served before"}},
      {diagnose::Cause::app_crash, 0.02, {}, {"other sessions of this server went on"}},
      {diagnose::Cause::bad_handshake_ack, 0.0, {}, {"the ACK's numbers fit, and a bad ACK meets RST, not FIN"}},
  };
  return out;
}

}  // namespace doorslam::alert::sample
